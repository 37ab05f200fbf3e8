//! What the `main` of both daemons has in common: configuration, logging, runtime, exit code.
//!
//! Arguments are read by the binaries themselves. What must stay true: signals count from the first moment;
//! problems with the configuration go to standard error, one per line, before anything is started;
//! standard output carries only what was asked for.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::config::{Config, ConfigErrors, Environment, Warning, process_environment, with_env_file};
use crate::lifecycle::{Lifecycle, install_tls_provider};
use crate::store::{AnalyzerStatus, CollectorStatus, StatusVerdict, Store, StoreError};
use crate::telemetry::{self, LogFile};
use crate::time::{Clock as _, SystemClock};
use crate::visible;

/// Where the configuration is looked for unless `--config` says otherwise.
pub const DEFAULT_CONFIG: &str = "config/development.yaml";

/// Threads that run tasks, however many cores there are. Trades have a thread of their own besides.
const WORKERS: usize = 2;

/// Exit code for arguments that are unknown or contradict each other.
pub const EXIT_ARGUMENTS: u8 = 2;

/// Exit code for a bad configuration, as `EX_CONFIG` of sysexits.
pub const EXIT_CONFIG: u8 = 78;

/// File with environment variables in the working directory.
const ENV_FILE: &str = ".env";

/// Time for blocking calls that are still running when the process ends.
const RUNTIME_LIMIT: Duration = Duration::from_millis(300);

/// Runs a daemon until it is asked to stop or fails.
///
/// `wire` builds the daemon's parts and spawns its tasks on the life cycle; it must not wait for anything. It is
/// told how the log file is doing.
pub fn run<F, E>(name: &'static str, config_path: &Path, wire: F) -> ExitCode
where
    F: FnOnce(Config, LogFile, &Lifecycle) -> Result<(), E>,
    E: Error + 'static,
{
    install_tls_provider();
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(name, "the runtime cannot be started", &error),
    };
    let code = runtime.block_on(async {
        let lifecycle = match Lifecycle::install() {
            Ok(lifecycle) => lifecycle,
            Err(error) => return failed(name, "signals cannot be handled", &error),
        };
        let (config, warnings) = match load(config_path) {
            Ok(loaded) => loaded,
            Err(errors) => return refused(&errors),
        };
        let telemetry = match telemetry::install(name, &config.logging, &process_environment()) {
            Ok(telemetry) => telemetry,
            Err(error) => return failed(name, "logging cannot be set up", &error),
        };
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            config = %config_path.display(),
            installation = config.app.name,
            environment = config.app.environment,
            "started"
        );
        for warning in warnings {
            tracing::warn!("configuration: {warning}");
        }
        if let Err(error) = wire(config, telemetry.log_file(), &lifecycle) {
            lifecycle.fail("start failed", &error);
        }
        let code = lifecycle.finish().await;
        drop(telemetry);
        code
    });
    end(runtime);
    code
}

/// Prints the effective settings, or every problem: what `--check-config` does.
pub fn check_config(config_path: &Path) -> ExitCode {
    match load(config_path) {
        Ok((config, warnings)) => {
            for warning in warnings {
                print_error(&format!("warning: {warning}"));
            }
            print(&config.to_redacted_yaml())
        }
        Err(errors) => refused(&errors),
    }
}

/// Reads the configuration and waits for one answer, without logging: what `status` does.
pub fn query<F, Fut>(name: &'static str, config_path: &Path, ask: F) -> ExitCode
where
    F: FnOnce(Config) -> Fut,
    Fut: Future<Output = ExitCode>,
{
    install_tls_provider();
    let (config, _) = match load(config_path) {
        Ok(loaded) => loaded,
        Err(errors) => return refused(&errors),
    };
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(ask(config));
            end(runtime);
            code
        }
        Err(error) => failed(name, "the runtime cannot be started", &error),
    }
}

/// Which program's status is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// `data-collector`.
    Collector,
    /// `analyzer`.
    Analyzer,
}

/// Reads a program's status from Redis and prints it: what `status` and `status --json` do.
///
/// Exit code 0 if the program runs and is well, otherwise 1 with the reasons on standard error.
pub async fn report_status(daemon: Daemon, config: &Config, json: bool) -> ExitCode {
    match read_status(daemon, config).await {
        Err(error) => {
            let why = telemetry::error_chain(&error);
            print_error(&format!("unknown: {}", visible::line(&why)));
            ExitCode::FAILURE
        }
        Ok((document, verdict)) => {
            let code = match &verdict {
                StatusVerdict::Healthy => ExitCode::SUCCESS,
                StatusVerdict::Unhealthy(reasons) => {
                    print_error(&reasons.join("\n"));
                    ExitCode::FAILURE
                }
            };
            let printed = match (json, document) {
                (true, document) => print(&format!(
                    "{}\n",
                    visible::json(document.as_deref().unwrap_or("null"))
                )),
                (false, document) => print(&words(daemon, &verdict, document.as_deref())),
            };
            if printed == ExitCode::SUCCESS {
                code
            } else {
                printed
            }
        }
    }
}

/// What `status` prints: whether all is well, and what the model costs.
fn words(daemon: Daemon, verdict: &StatusVerdict, document: Option<&str>) -> String {
    let healthy = if *verdict == StatusVerdict::Healthy {
        "healthy\n"
    } else {
        ""
    };
    let model = document
        .filter(|_| daemon == Daemon::Analyzer)
        .and_then(|text| serde_json::from_str::<AnalyzerStatus>(text).ok()?.model);
    healthy.to_owned() + &model.map_or(String::new(), |model| model.words())
}

/// The status document as stored, and the verdict on it.
async fn read_status(daemon: Daemon, config: &Config) -> Result<(Option<String>, StatusVerdict), StoreError> {
    let mut store = Store::new(&config.redis.store_options())?;
    let (key, document) = match daemon {
        Daemon::Collector => (store.keys.collector_status(), store.collector_status().await?),
        Daemon::Analyzer => (store.keys.analyzer_status(), store.analyzer_status().await?),
    };
    let read = document.as_deref().map(|text| match daemon {
        Daemon::Collector => serde_json::from_str::<CollectorStatus>(text).map(|status| {
            (
                status.is_running,
                status.last_update,
                status.degraded,
                status.symbol,
            )
        }),
        Daemon::Analyzer => serde_json::from_str::<AnalyzerStatus>(text).map(|status| {
            (
                status.is_running,
                status.last_update,
                status.degraded,
                status.symbol,
            )
        }),
    });
    let read = read.transpose().map_err(|error| StoreError::Decode {
        key,
        source: error.into(),
    })?;
    let wanted = config.binance.symbol.as_str();
    if let Some((.., found)) = read.as_ref().filter(|(.., found)| found != wanted) {
        let reason = format!("not running for {wanted}: the status under these keys is that of {found}");
        return Ok((document, StatusVerdict::Unhealthy(vec![reason])));
    }
    let fields = read
        .as_ref()
        .map(|(running, at, degraded, _)| (*running, *at, degraded.as_slice()));
    Ok((document, StatusVerdict::judge(fields, SystemClock.now())))
}

/// Writes a text to standard output; the exit code is 1 if that fails, as when a pipe was closed. What could
/// steer a terminal is escaped.
pub fn print(text: &str) -> ExitCode {
    let mut output = io::stdout().lock();
    let text = visible::lines(text);
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    if written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Writes lines to standard error. What could steer a terminal is escaped.
pub fn print_error(lines: &str) {
    // There is nowhere else to report to.
    let _written = writeln!(io::stderr().lock(), "{}", visible::lines(lines));
}

/// Name of this machine, for those that share its keys; empty where it cannot be read.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

fn load(config_path: &Path) -> Result<(Config, Vec<Warning>), ConfigErrors> {
    let environment: Environment = process_environment();
    match with_env_file(environment.clone(), Path::new(ENV_FILE)) {
        Ok(environment) => Config::load(config_path, &environment),
        Err(mut errors) => {
            // What else is wrong is of interest too, as far as it can be known without that file.
            if let Err(others) = Config::load(config_path, &environment) {
                errors.0.extend(others.0);
            }
            Err(errors)
        }
    }
}

fn refused(errors: &ConfigErrors) -> ExitCode {
    print_error(&errors.to_string());
    ExitCode::from(EXIT_CONFIG)
}

fn failed(name: &str, what: &str, error: &(dyn Error + 'static)) -> ExitCode {
    print_error(&format!("{name}: {what}: {}", telemetry::error_chain(error)));
    ExitCode::FAILURE
}

fn end(runtime: Runtime) {
    runtime.shutdown_timeout(RUNTIME_LIMIT);
}
