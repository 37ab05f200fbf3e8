//! Section `metrics`: where each program shows its figures to a monitoring system.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::reader::Section;
use super::render::Rendered;

/// Where each program listens; nowhere unless it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricsConfig {
    /// Address of the collector.
    pub collector: Option<SocketAddr>,
    /// Address of the analyzer: unless given, the collector's with the next port.
    pub analyzer: Option<SocketAddr>,
}

impl MetricsConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let collector = address(&mut section, "listen");
        let given = address(&mut section, "analyzer_listen");
        let analyzer = match (given, collector) {
            (Some(given), _) => Some(given),
            (None, Some(collector)) if collector.port() == u16::MAX => {
                section.problem("listen", "leaves no port for the analyzer: give analyzer_listen");
                None
            }
            (None, Some(collector)) => Some(SocketAddr::new(collector.ip(), collector.port() + 1)),
            (None, None) => None,
        };
        if collector.is_some() && collector == analyzer {
            section.problem(
                "analyzer_listen",
                "must differ from listen, which is the collector's",
            );
        }
        section.finish();
        Self { collector, analyzer }
    }

    pub(super) fn render(&self) -> Rendered {
        let text = |address: Option<SocketAddr>| address.map_or(String::new(), |address| address.to_string());
        Rendered::default()
            .set("listen", text(self.collector))
            .set("analyzer_listen", text(self.analyzer))
    }
}

/// A loopback address with its port; empty text means none.
fn address(section: &mut Section<'_>, key: &'static str) -> Option<SocketAddr> {
    let text = section.text(key, "");
    if text.is_empty() {
        return None;
    }
    let address = match text.strip_prefix("localhost:") {
        Some(port) => port
            .parse()
            .ok()
            .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        None => text.parse().ok(),
    };
    match address {
        Some(address) if address.port() == 0 => section.problem(key, "must name a port, 1 to 65535"),
        Some(address) if !address.ip().is_loopback() => section.problem(
            key,
            "must be a loopback address: there is neither password nor encryption; let a proxy stand in front of it",
        ),
        Some(address) => return Some(address),
        None => section.problem(key, "must be an address with a port, for instance 127.0.0.1:9184"),
    }
    None
}
