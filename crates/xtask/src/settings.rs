//! What the daemons will do with a configuration, asked of the programs themselves.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// Exit code of the programs for a bad configuration, and of a task that was given one.
pub(crate) const EXIT_CONFIG: u8 = 78;

/// Minutes in the window with which the first recommendation can be a real one.
const ENOUGH_MINUTES: u64 = 5;

/// Longest wait for a server that may not be there.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// The programs refuse the configuration; they have said why.
#[derive(Debug)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration is refused; nothing was started")
    }
}

impl std::error::Error for Refused {}

/// The settings in effect, as far as they matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) redis: Redis,
    binance: Binance,
    data_collector: Collector,
    logging: Logging,
}

/// Where Redis is.
#[derive(Debug, Deserialize)]
pub(crate) struct Redis {
    pub(crate) host: String,
    pub(crate) port: u16,
    tls: bool,
    /// Written beside the settings, since secrets are not shown.
    #[serde(skip)]
    has_password: bool,
}

#[derive(Debug, Deserialize)]
struct Binance {
    symbol: String,
}

#[derive(Debug, Deserialize)]
struct Collector {
    order_flow: OrderFlow,
}

#[derive(Debug, Deserialize)]
struct OrderFlow {
    window_size_minutes: u64,
    backfill_minutes: u64,
}

#[derive(Debug, Deserialize)]
struct Logging {
    file_path: PathBuf,
}

impl Settings {
    /// Asks a program (`data-collector --config X`, with its working directory) what is in effect.
    ///
    /// A bad configuration is [`Refused`]; the program's own lines are on standard error then.
    pub(crate) fn of(program: &mut Command) -> Result<Self> {
        let checked = program
            .arg("--check-config")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("the configuration cannot be checked")?;
        if checked.status.code() == Some(EXIT_CONFIG.into()) {
            return Err(Refused.into());
        }
        ensure!(
            checked.status.success(),
            "the check of the configuration ended with {}",
            checked.status
        );
        Self::parse(&String::from_utf8_lossy(&checked.stdout))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut settings: Self = serde_yaml::from_str(text).context("the settings cannot be read")?;
        settings.redis.has_password = text.lines().any(|line| line.starts_with("# redis.password: set"));
        Ok(settings)
    }

    /// The recommendation log of programs that run in `directory`.
    pub(crate) fn recommendations(&self, directory: &Path) -> PathBuf {
        let name = format!(
            "trading_recommendations_{}.log",
            self.binance.symbol.to_lowercase()
        );
        directory.join(&self.logging.file_path).with_file_name(name)
    }

    /// Minutes worth waiting for at a start: never more than the window will have soon.
    pub(crate) fn minutes_to_wait_for(&self) -> u64 {
        let flow = &self.data_collector.order_flow;
        // Without a backfill there is nothing but the minute that is being recorded.
        let soon = flow.window_size_minutes.min(flow.backfill_minutes.max(1));
        ENOUGH_MINUTES.min(soon)
    }
}

impl Redis {
    /// The address a server of our own would have; none where the server is on another machine.
    pub(crate) fn own_address(&self) -> Option<IpAddr> {
        if self.host.eq_ignore_ascii_case("localhost") {
            return Some(Ipv4Addr::LOCALHOST.into());
        }
        self.host.parse().ok().filter(IpAddr::is_loopback)
    }

    /// True if something listens there.
    pub(crate) fn is_there(&self) -> bool {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let connects = |address: SocketAddr| TcpStream::connect_timeout(&address, CONNECT_LIMIT).is_ok();
        addresses.is_ok_and(|mut addresses| addresses.any(connects))
    }

    /// True if a server without users and certificates is what the programs expect.
    pub(crate) fn is_plain(&self) -> bool {
        !self.tls && !self.has_password
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(host: &str, window: u64, backfill: u64) -> Settings {
        let text = format!(
            "# effective settings; secrets are not shown\n# redis.password: not set\n\
             app: {{name: x}}\nredis: {{host: '{host}', port: 6390, password: '', tls: false}}\n\
             binance: {{symbol: ETHFDUSD, timeout: 30}}\n\
             data_collector: {{order_flow: {{window_size_minutes: {window}, backfill_minutes: {backfill}}}}}\n\
             logging: {{level: INFO, file_path: var/app.log}}\n"
        );
        Settings::parse(&text).unwrap()
    }

    #[test]
    fn the_settings_in_effect_decide_where_things_are() {
        let settings = settings("localhost", 2880, 2880);
        assert_eq!((settings.redis.port, settings.redis.is_plain()), (6390, true));
        assert_eq!(
            settings.recommendations(Path::new("/srv")),
            Path::new("/srv/var/trading_recommendations_ethfdusd.log")
        );
    }

    #[test]
    fn a_password_is_known_though_it_is_not_shown() {
        let text = "# redis.password: set, [REDACTED]\nredis: {host: x, port: 1, tls: false}\n\
                    binance: {symbol: X}\nlogging: {file_path: x}\n\
                    data_collector: {order_flow: {window_size_minutes: 1, backfill_minutes: 1}}\n";
        assert!(!Settings::parse(text).unwrap().redis.is_plain());
    }

    #[test]
    fn no_more_minutes_are_waited_for_than_the_window_can_have() {
        for (window, backfill, wanted) in [(2880, 2880, 5), (3, 3, 3), (1, 1, 1), (2880, 2, 2), (60, 0, 1)] {
            assert_eq!(
                settings("localhost", window, backfill).minutes_to_wait_for(),
                wanted
            );
        }
    }

    #[test]
    fn a_server_of_our_own_is_on_this_machine() {
        let own = |host: &str| {
            settings(host, 1, 1)
                .redis
                .own_address()
                .map(|address| address.to_string())
        };
        assert_eq!(own("localhost").as_deref(), Some("127.0.0.1"));
        assert_eq!(own("127.0.0.1").as_deref(), Some("127.0.0.1"));
        assert_eq!(own("::1").as_deref(), Some("::1"));
        assert_eq!(own("redis.example"), None);
        assert_eq!(own("10.0.0.1"), None);
    }

    #[test]
    fn a_refused_configuration_is_told_from_a_failure() {
        let refused = Settings::of(Command::new("sh").args(["-c", "exit 78"])).unwrap_err();
        assert!(refused.is::<Refused>());
        let failed = Settings::of(Command::new("sh").args(["-c", "exit 1"])).unwrap_err();
        assert!(!failed.is::<Refused>());
    }
}
