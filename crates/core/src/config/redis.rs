//! Section `redis`: where the two programs meet, and the directory for minutes that leave it.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Section;
use super::render::Rendered;
use super::secret::Secret;
use crate::store::StoreOptions;

/// Longest key prefix, in bytes.
const MAX_PREFIX: usize = 200;

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
            tls: section.boolean("tls", false),
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

    /// The same for the store.
    pub fn store_options(&self) -> StoreOptions {
        StoreOptions {
            host: self.host.clone(),
            port: self.port,
            db: self.db,
            username: self.username.clone(),
            password: self.password.get().cloned(),
            tls: self.tls,
            key_prefix: self.key_prefix.clone(),
            socket_timeout: self.socket_timeout,
            connect_timeout: self.socket_connect_timeout,
        }
    }

    pub(super) fn render(&self) -> Rendered {
        Rendered::default()
            .set("host", self.host.as_str())
            .set("port", self.port)
            .set("db", self.db)
            .set("username", self.username.as_str())
            .secret("password", "password_file", &self.password)
            .set("tls", self.tls)
            .set("key_prefix", self.key_prefix.as_str())
            .seconds("socket_timeout", self.socket_timeout)
            .seconds("socket_connect_timeout", self.socket_connect_timeout)
            .set("storage_dir", self.storage_dir.display().to_string())
    }
}
