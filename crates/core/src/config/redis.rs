//! Section `redis`: where the two programs meet, and the directory for minutes that leave it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::reader::Section;
use super::render::Rendered;
use super::secret::Secret;
use crate::store::{StoreMeter, StoreOptions};

/// Longest key prefix, in bytes.
const MAX_PREFIX: usize = 200;

/// Largest file of certificates, in bytes.
const MAX_CERTIFICATES: u64 = 1024 * 1024;

/// How to reach Redis.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisConfig {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Number of the database.
    pub db: u16,
    /// ACL user; empty for the default user.
    pub username: String,
    /// Password of the user.
    pub password: Secret,
    /// Encrypt the connection.
    pub tls: bool,
    /// File with the certificates that may have signed the server's; none means those of the system.
    pub tls_ca_file: Option<PathBuf>,
    /// What that file holds.
    pub tls_ca: Option<Vec<u8>>,
    /// Put in front of every key; may be empty.
    pub key_prefix: String,
    /// Longest wait for one answer.
    pub socket_timeout: Duration,
    /// Longest wait for a connection.
    pub socket_connect_timeout: Duration,
    /// Directory of the minutes that left the window; relative to the working directory.
    pub storage_dir: PathBuf,
}

impl RedisConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let host = section.required_text("host", "localhost");
        if host.contains(['/', '@', ' ']) {
            section.problem("host", "must be a host name or an address without scheme");
        }
        let username = section.text("username", "");
        let key_prefix = section.text("key_prefix", "");
        let tls = section.boolean("tls", false);
        let (tls_ca_file, tls_ca) = authority(&mut section, tls);
        if key_prefix.len() > MAX_PREFIX || key_prefix.chars().any(char::is_whitespace) {
            section.problem(
                "key_prefix",
                format_args!("must be at most {MAX_PREFIX} bytes without spaces"),
            );
        }
        let config = Self {
            host,
            port: section.integer("port", 6379, 1..=u16::MAX),
            db: section.integer("db", 0, 0..=u16::MAX),
            username,
            password: section.secret("password", "password_file", "", false),
            tls,
            tls_ca_file,
            tls_ca,
            key_prefix,
            socket_timeout: section.seconds("socket_timeout", 5, 1..=300),
            socket_connect_timeout: section.seconds("socket_connect_timeout", 5, 1..=300),
            storage_dir: section.required_text("storage_dir", "storage").into(),
        };
        if !config.username.is_empty() && !config.password.is_set() {
            section.problem("username", "is given without password or password_file");
        }
        section.accepted_old("decode_responses", "answers are always read as the layout says");
        section.finish();
        config
    }

    /// The same for the store. Its connections are counted together: call it once in a program.
    pub fn store_options(&self) -> StoreOptions {
        StoreOptions {
            host: self.host.clone(),
            port: self.port,
            db: self.db,
            username: self.username.clone(),
            password: self.password.get().cloned(),
            tls: self.tls,
            tls_ca: self.tls_ca.clone(),
            key_prefix: self.key_prefix.clone(),
            socket_timeout: self.socket_timeout,
            connect_timeout: self.socket_connect_timeout,
            meter: Arc::new(StoreMeter::default()),
        }
    }

    pub(super) fn render(&self) -> Rendered {
        let authority = self.tls_ca_file.as_ref().map(|path| path.display().to_string());
        Rendered::default()
            .set("host", self.host.as_str())
            .set("port", self.port)
            .set("db", self.db)
            .set("username", self.username.as_str())
            .secret("password", "password_file", &self.password)
            .set("tls", self.tls)
            .set("tls_ca_file", authority.unwrap_or_default())
            .set("key_prefix", self.key_prefix.as_str())
            .seconds("socket_timeout", self.socket_timeout)
            .seconds("socket_connect_timeout", self.socket_connect_timeout)
            .set("storage_dir", self.storage_dir.display().to_string())
    }
}

/// The file of certificates and what it holds.
fn authority(section: &mut Section<'_>, tls: bool) -> (Option<PathBuf>, Option<Vec<u8>>) {
    let text = section.text("tls_ca_file", "");
    if text.is_empty() {
        return (None, None);
    }
    if !tls {
        section.problem("tls_ca_file", "is given without tls: true");
    }
    let path = PathBuf::from(text);
    match certificates(&path) {
        Ok(bytes) => (Some(path), Some(bytes)),
        Err(message) => {
            section.problem("tls_ca_file", message);
            (Some(path), None)
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_CERTIFICATES {
        return Err(format!("has {length} bytes, more than {MAX_CERTIFICATES}"));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate =
            certificate.map_err(|error| format!("is no list of certificates in PEM form: {error}"))?;
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate)
            .map_err(|error| format!("holds a certificate that cannot be used: {error}"))?;
        found += 1;
    }
    if found == 0 {
        return Err("holds no certificate in PEM form".to_owned());
    }
    Ok(bytes)
}
