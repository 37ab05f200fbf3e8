//! A page of figures, as a monitoring system reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A page that was read: every sample by its name with labels.
pub(crate) struct Page {
    samples: BTreeMap<String, String>,
}

impl Page {
    /// Reads the text strictly: every family has HELP and TYPE once, before its samples; names and values are valid.
    fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "{text}");
        let (mut helped, mut types) = (BTreeSet::new(), BTreeMap::new());
        let mut samples = BTreeMap::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(help.ends_with('.') && helped.insert(name.to_owned()), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(helped.contains(name), "{line}");
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = sample.split('{').next().unwrap();
                let valid =
                    |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
                assert!(
                    name.starts_with("strategy_agent_") && name.chars().all(valid),
                    "{line}"
                );
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| {
                        name.strip_suffix(end)
                            .filter(|family| types.get(*family).is_some_and(|kind| kind == "histogram"))
                    })
                    .unwrap_or(name);
                assert!(types.contains_key(family), "{line}");
                let key = sample.trim_start_matches("strategy_agent_").to_owned();
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(samples.insert(key, value.to_owned()).is_none(), "{line}");
            }
        }
        Self { samples }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.samples.contains_key(name)
    }

    /// Every sample's name with labels.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.samples.keys().map(String::as_str)
    }

    fn text(&self, name: &str) -> &str {
        let sample = self.samples.get(name);
        sample.unwrap_or_else(|| panic!("no {name} in {:#?}", self.samples))
    }

    pub(crate) fn get(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap()
    }

    /// The sum of the samples whose names with labels begin so.
    pub(crate) fn sum(&self, start: &str) -> u64 {
        let of_name = self.samples.iter().filter(|(key, _)| key.starts_with(start));
        of_name.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    }
}

/// Two neighbouring free ports of the loopback address.
pub(crate) fn free_ports() -> u16 {
    loop {
        let one = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = one.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind((Ipv4Addr::LOCALHOST, port + 1)).is_ok() {
            return port;
        }
    }
}

async fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    Some(body.to_owned())
}

/// The page, once there is one.
pub(crate) async fn scrape(port: u16) -> Option<Page> {
    let text = get(port).await?;
    (!text.is_empty()).then(|| Page::read(&text))
}
