//! The model: a DeepSeek-like chat completions endpoint that follows a script.
//!
//! Without a script it behaves well: it calls the tools it is offered, then answers with JSON derived from
//! their results. [`Script`] makes it misbehave, request by request. Requests are judged as strictly as the
//! real endpoint judges them, and every body is kept for the test to look at.

mod answer;
mod reply;
mod script;
mod serve;
mod usage;
mod validate;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;

pub use self::reply::ModelReply;
pub use self::script::{Phase, Script};
use self::usage::PromptCache;
use crate::stats::Stats;
use crate::tasks::Tasks;

/// How the endpoint is set up.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Port; 0 takes a free one.
    pub port: u16,
    /// The key callers must send; none accepts everybody.
    pub api_key: Option<String>,
    /// Accepted model names; aliases are answered under the first one.
    pub models: Vec<String>,
    /// Requests served at the same time; further ones get 429.
    pub concurrency: usize,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            port: 0,
            api_key: None,
            models: vec!["deepseek-flash".to_owned(), "deepseek-v4-pro".to_owned()],
            concurrency: 500,
        }
    }
}

/// One request for a completion, as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRequest {
    /// Path of the URL.
    pub path: String,
    /// Value of the `Authorization` header.
    pub authorization: Option<String>,
    /// The body; a JSON string with the text when it is not JSON.
    pub body: Value,
    /// Status it was answered with; 0 while it is not.
    pub status: u16,
}

#[derive(Debug)]
struct Shared {
    config: ModelConfig,
    script: Script,
    stats: Stats,
    requests: Mutex<Vec<RecordedRequest>>,
    cache: Mutex<PromptCache>,
    running: AtomicUsize,
    broke: AtomicBool,
}

/// A running endpoint; dropping it ends it.
#[derive(Debug)]
pub struct ModelServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Tasks,
}

impl ModelServer {
    /// Binds and starts the endpoint.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(config: ModelConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            config,
            script: Script::default(),
            stats: Stats::default(),
            requests: Mutex::default(),
            cache: Mutex::default(),
            running: AtomicUsize::new(0),
            broke: AtomicBool::new(false),
        });
        let tasks = Tasks::new();
        tasks.spawn(serve::run(listener, Arc::clone(&shared), tasks.token().clone()));
        Ok(Self {
            shared,
            address,
            tasks,
        })
    }

    /// `http://127.0.0.1:<port>/v1`, what `base_url` is set to.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Its address, for a proxy in front of it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does next.
    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    /// Its counters: calls and tokens.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// The requests for completions so far, refused ones included.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Uses up the balance, or fills it: an account without one gets 402.
    pub fn set_broke(&self, broke: bool) {
        self.shared.broke.store(broke, Ordering::Relaxed);
    }

    /// Ends it at once, as dropping does.
    pub fn stop(&self) {
        self.tasks.token().cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
