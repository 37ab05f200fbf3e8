//! A real `redis-server` of a test's own.
#![expect(
    clippy::expect_used,
    reason = "a helper of tests: what it cannot do must fail the test, loudly and with its reason"
)]
#![expect(clippy::disallowed_types, reason = "it runs redis-server")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::wait::eventually;

/// Longest wait for the server to answer.
const START_LIMIT: Duration = Duration::from_secs(10);

/// First port a server may have, and how many there are; as many behind them are their guards.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 6_000;

/// How a server is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisOptions {
    /// Keeps an append-only file, synced every second, so that data survive a restart.
    pub append_only: bool,
    /// Password clients must give.
    pub password: Option<String>,
    /// Further arguments, as on the command line of `redis-server`.
    pub arguments: Vec<String>,
}

/// A `redis-server` on a loopback port with its own directory; killed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    options: RedisOptions,
    port: ReservedPort,
    directory: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server without persistence and without password, and waits until it answers.
    ///
    /// # Panics
    /// When `redis-server` is not installed or does not start.
    pub async fn start() -> Self {
        Self::start_with(RedisOptions::default()).await
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// When `redis-server` is not installed or does not start.
    pub async fn start_with(options: RedisOptions) -> Self {
        // Another process may take the port between the look and the start; then the next one is tried.
        for _attempt in 0..5 {
            let directory = tempfile::tempdir().expect("a directory for redis-server");
            let mut server = Self {
                options: options.clone(),
                port: ReservedPort::take(),
                directory,
                child: None,
            };
            server.spawn();
            if server.wait_until_ready().await {
                return server;
            }
        }
        panic!("redis-server did not answer on any of five ports within {START_LIMIT:?} each");
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.port
    }

    /// `redis://[:password@]127.0.0.1:<port>/0`
    pub fn url(&self) -> String {
        let password = self.options.password.as_deref();
        let credentials = password
            .map(|password| format!(":{password}@"))
            .unwrap_or_default();
        format!("redis://{credentials}127.0.0.1:{}/0", self.port())
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A connection for the test itself.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        self.try_connection()
            .await
            .expect("a connection to the redis-server of this test")
    }

    /// Ends the server without warning, as a crash would (SIGKILL). Data that are not on disk are lost.
    ///
    /// # Panics
    /// When the process cannot be waited for.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself already.
            drop(child.kill());
            child.wait().expect("redis-server ends after SIGKILL");
        }
    }

    /// Ends the server in order: `SHUTDOWN`, which syncs the append-only file.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) {
        if let Ok(mut connection) = self.try_connection().await {
            // The server closes the connection instead of answering.
            let _closed: redis::RedisResult<()> = redis::cmd("SHUTDOWN").query_async(&mut connection).await;
        }
        let child = &mut self.child;
        let ended = eventually("redis-server ends after SHUTDOWN", START_LIMIT, async || {
            child
                .as_mut()
                .is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))))
        });
        ended.await.expect("redis-server ends");
        self.child = None;
    }

    /// Starts it again on the same port and directory, after [`RedisServer::kill`] or [`RedisServer::stop`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        assert!(
            self.wait_until_ready().await,
            "redis-server answers again after a restart"
        );
    }

    fn spawn(&mut self) {
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                &self.port().to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args([
                "--appendonly",
                if self.options.append_only { "yes" } else { "no" },
            ])
            .args(["--appendfsync", "everysec", "--dir"])
            .arg(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(password) = &self.options.password {
            command.args(["--requirepass", password]);
        }
        command.args(&self.options.arguments);
        let child = command.spawn().expect(
            "redis-server is needed by this test and cannot be started; install it with: apt-get install redis-server",
        );
        self.child = Some(child);
    }

    /// False if the process has ended or does not answer in time.
    async fn wait_until_ready(&mut self) -> bool {
        let url = self.url();
        let child = &mut self.child;
        let mut ended = false;
        let ready = eventually("redis-server answers", START_LIMIT, async || {
            ended = child
                .as_mut()
                .is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            ended || connect(&url).await.is_ok()
        });
        ready.await.is_ok() && !ended
    }

    async fn try_connection(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        connect(&self.url()).await
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection on which the server has answered.
///
/// # Errors
/// When it does not answer.
pub async fn connect(url: &str) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    let mut connection = redis::Client::open(url)?
        .get_multiplexed_async_connection()
        .await?;
    let () = redis::cmd("PING").query_async(&mut connection).await?;
    Ok(connection)
}

/// A port that stays this server's while it is down: a port the system gives out could by then belong to the
/// server of another test, and the programs of this one would talk to it.
///
/// It lies below those the system gives out, and whoever uses it listens on its guard.
#[derive(Debug)]
struct ReservedPort {
    port: u16,
    _guard: TcpListener,
}

impl ReservedPort {
    /// The next port nobody uses, in this process or another.
    fn take() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = std::process::id().wrapping_mul(97);
        for _attempt in 0..PORTS {
            let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS);
            let port = FIRST_PORT + u16::try_from(number).unwrap_or_default();
            let Ok(guard) = TcpListener::bind((Ipv4Addr::LOCALHOST, port + PORTS)) else {
                continue;
            };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Self { port, _guard: guard };
            }
        }
        panic!("no port is free from {FIRST_PORT} on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn appended_data_survive_an_orderly_stop_on_the_same_port() {
        let options = RedisOptions {
            append_only: true,
            password: Some("known-to-the-test".to_owned()),
            arguments: Vec::new(),
        };
        let mut server = RedisServer::start_with(options).await;
        let port = server.port();
        let () = redis::cmd("SET")
            .arg("key")
            .arg("value")
            .query_async(&mut server.connection().await)
            .await
            .unwrap();
        server.stop().await;
        assert!(server.try_connection().await.is_err());
        server.restart().await;
        let value: String = redis::cmd("GET")
            .arg("key")
            .query_async(&mut server.connection().await)
            .await
            .unwrap();
        assert_eq!((value.as_str(), server.port()), ("value", port));
    }
}
