//! One connection to Redis, made when it is needed and dropped when it breaks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, TlsCertificates,
};
use secrecy::{ExposeSecret, SecretString};

use crate::store::{Keys, StoreError, StoreMeter};

/// Where Redis is and how long it may take.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database number.
    pub db: u16,
    /// ACL user; empty for the default user.
    pub username: String,
    /// Password, when the server wants one.
    pub password: Option<SecretString>,
    /// Speak TLS; the certificate is always verified.
    pub tls: bool,
    /// Certificates in PEM form, one of which must have signed the server's; `None` for those of the system.
    pub tls_ca: Option<Vec<u8>>,
    /// Put in front of every key.
    pub key_prefix: String,
    /// Longest wait for an answer.
    pub socket_timeout: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Counts what this program's connections do.
    pub meter: Arc<StoreMeter>,
}

/// One connection to Redis and the keys of this installation.
///
/// Not connected until the first command. A broken connection is dropped and the next command makes a
/// new one; there is no waiting and no retrying in here, the caller decides.
#[derive(Debug)]
pub struct Store {
    client: Client,
    address: String,
    config: AsyncConnectionConfig,
    connection: Option<MultiplexedConnection>,
    connections: u64,
    limit: Duration,
    meter: Arc<StoreMeter>,
    /// The mark beside the window when it was last loaded or changed.
    pub(super) mark: Vec<u8>,
    /// The keys of this installation.
    pub keys: Keys,
}

impl Store {
    /// Prepares a connection without making it.
    ///
    /// # Errors
    /// [`StoreError::Settings`].
    pub fn new(options: &StoreOptions) -> Result<Self, StoreError> {
        let info = connection_info(options)?;
        let client = match &options.tls_ca {
            Some(authority) if options.tls => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(authority.clone()),
                };
                Client::build_with_tls(info, certificates)
            }
            _ => Client::open(info),
        };
        let client = client.map_err(StoreError::Settings)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(Some(options.socket_timeout));
        Ok(Self {
            client,
            // Why a server that does not speak TLS is silent, otherwise nothing would tell.
            address: format!(
                "{}:{}{}",
                options.host,
                options.port,
                if options.tls { " over TLS" } else { "" }
            ),
            config,
            connection: None,
            connections: 0,
            limit: options.socket_timeout,
            meter: Arc::clone(&options.meter),
            mark: Vec::new(),
            keys: Keys::new(&options.key_prefix),
        })
    }

    /// How many connections have been made: a change means that the last one broke.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Asks whether the server answers.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] or [`StoreError::Refused`].
    pub async fn ping(&mut self) -> Result<(), StoreError> {
        self.query::<String>("answer a ping", &redis::cmd("PING"))
            .await
            .map(|_| ())
    }

    /// Runs one command.
    ///
    /// # Cancel safety
    /// A dropped call may have been executed by the server.
    pub(super) async fn query<T: FromRedisValue>(
        &mut self,
        action: &'static str,
        command: &redis::Cmd,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let start = Instant::now();
        let outcome = command.query_async(&mut connection).await;
        self.judge(action, start, outcome)
    }

    /// The type of a key, as Redis calls it; `none` when there is no such key.
    pub(super) async fn kind_of(&mut self, key: &str) -> Result<String, StoreError> {
        self.query("read the type of a key", redis::cmd("TYPE").arg(key))
            .await
    }

    /// Names, of the keys an operation worked on, the one that is of another type, if that was why it failed.
    pub(super) async fn named(&mut self, error: StoreError, keys: &[(String, &'static str)]) -> StoreError {
        if !error.is_wrong_type() {
            return error;
        }
        for (key, wanted) in keys {
            match self.kind_of(key).await {
                Ok(kind) if kind != *wanted && kind != "none" => {
                    return StoreError::WrongType {
                        key: key.clone(),
                        kind,
                        wanted,
                    };
                }
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        // Mended meanwhile: the next try will tell.
        error
    }

    /// Runs several commands as one transaction.
    pub(super) async fn pipeline<T: FromRedisValue>(
        &mut self,
        action: &'static str,
        pipeline: &redis::Pipeline,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let start = Instant::now();
        let outcome = pipeline.query_async(&mut connection).await;
        self.judge(action, start, outcome)
    }

    /// Runs a script; the server is given its text when it does not know it yet.
    pub(super) async fn script<T: FromRedisValue>(
        &mut self,
        action: &'static str,
        invocation: &redis::ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let start = Instant::now();
        let outcome = invocation.invoke_async(&mut connection).await;
        self.judge(action, start, outcome)
    }

    async fn connection(&mut self) -> Result<MultiplexedConnection, StoreError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let making = self
            .client
            .get_multiplexed_async_connection_with_config(&self.config);
        // The connection timeout covers the socket; a server that accepts and says nothing is bounded here.
        let made = match tokio::time::timeout(self.limit * 2, making).await {
            Ok(made) => made,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        };
        let connection = made.map_err(|source| {
            self.meter.failed();
            let denied =
                source.kind() == ErrorKind::AuthenticationFailed || source.code() == Some("WRONGPASS");
            let action = if denied {
                "accept redis.username and redis.password"
            } else {
                "connect"
            };
            self.failure(action, source)
        })?;
        self.connections += 1;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    fn judge<T>(
        &mut self,
        action: &'static str,
        start: Instant,
        outcome: Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        match &outcome {
            Ok(_) => self.meter.answered(start.elapsed()),
            Err(_) => self.meter.failed(),
        }
        outcome.map_err(|source| {
            // A master that became a replica keeps its connections: the address may lead to the new one by now.
            if is_broken(&source) || is_replica(&source) {
                self.connection = None;
            }
            self.failure(action, source)
        })
    }

    fn failure(&self, action: &'static str, source: RedisError) -> StoreError {
        if is_broken(&source) {
            StoreError::Unreachable {
                address: self.address.clone(),
                source,
            }
        } else {
            StoreError::Refused { action, source }
        }
    }
}

/// True when the error is about the connection and not about the command.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
}

/// True when the server is one that cannot be written to. Within a script older servers name it in the text.
fn is_replica(error: &RedisError) -> bool {
    error.code() == Some("READONLY") || error.detail().is_some_and(|detail| detail.contains("-READONLY "))
}

fn connection_info(options: &StoreOptions) -> Result<ConnectionInfo, StoreError> {
    let address = if options.tls {
        ConnectionAddr::TcpTls {
            host: options.host.clone(),
            port: options.port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(options.host.clone(), options.port)
    };
    let mut settings = RedisConnectionInfo::default().set_db(i64::from(options.db));
    if !options.username.is_empty() {
        settings = settings.set_username(&options.username);
    }
    if let Some(password) = &options.password {
        settings = settings.set_password(password.expose_secret());
    }
    Ok(address
        .into_connection_info()
        .map_err(StoreError::Settings)?
        .set_tcp_settings(TcpSettings::default().set_nodelay(true))
        .set_redis_settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_known_by_its_refusal() {
        let answered = |line: &str| {
            let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
            is_replica(&value.extract_error().unwrap_err())
        };
        assert!(answered("READONLY You can't write against a read only replica."));
        assert!(answered(
            "ERR Error running script (call to f_1): @user_script:3: -READONLY You can't write"
        ));
        assert!(!answered("OOM command not allowed") && !answered("NOPERM no permissions"));
    }
}
