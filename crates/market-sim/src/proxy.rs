//! A TCP proxy on loopback that can be cut, refused, frozen, slowed down and led elsewhere.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::tasks::{Tasks, spawn_until};

/// How connections through the proxy fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weather {
    /// Where new connections lead.
    upstream: SocketAddr,
    refuse: bool,
    frozen: bool,
    delay: Duration,
    /// Raised by a cut: connections of a lower number end.
    cuts: u64,
}

/// A proxy in front of one address; dropping it ends it and every connection through it.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    _tasks: Tasks,
}

impl TcpProxy {
    /// Starts a proxy on a free loopback port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let calm = Weather {
            upstream,
            refuse: false,
            frozen: false,
            delay: Duration::ZERO,
            cuts: 0,
        };
        let (weather, seen) = watch::channel(calm);
        let tasks = Tasks::new();
        tasks.spawn(accept(listener, seen, tasks.token().clone()));
        Ok(Self {
            address,
            weather,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `<scheme>://127.0.0.1:<port>`
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Resets every open connection; new ones work.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Leads new connections to another address; those that are open stay where they are.
    pub fn redirect(&self, upstream: SocketAddr) {
        self.weather.send_modify(|weather| weather.upstream = upstream);
    }

    /// Resets new connections as soon as they are made.
    pub fn refuse(&self, refuse: bool) {
        self.weather.send_modify(|weather| weather.refuse = refuse);
    }

    /// Passes nothing on in either direction while frozen, and loses nothing; connections stay open and
    /// new ones are accepted.
    pub fn freeze(&self, frozen: bool) {
        self.weather.send_modify(|weather| weather.frozen = frozen);
    }

    /// Waits before every piece that is passed on, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }
}

async fn accept(listener: TcpListener, weather: watch::Receiver<Weather>, token: CancellationToken) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "proxy: accept failed");
                continue;
            }
        };
        if weather.borrow().refuse {
            reset(&stream);
            continue;
        }
        spawn_until(token.clone(), carry(stream, weather.clone()));
    }
}

/// Carries one connection until either end closes it or it is cut.
async fn carry(mut client: TcpStream, weather: watch::Receiver<Weather>) {
    let (born, upstream) = {
        let weather = weather.borrow();
        (weather.cuts, weather.upstream)
    };
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        reset(&client);
        return;
    };
    for stream in [&client, &server] {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "proxy: set_nodelay failed");
        }
    }
    let (client_read, client_write) = client.split();
    let (server_read, server_write) = server.split();
    let mut cut = weather.clone();
    let there = pump(client_read, server_write, weather.clone());
    let back = pump(server_read, client_write, weather);
    let ended = async { tokio::join!(there, back) };
    let was_cut = tokio::select! {
        _cut = cut.wait_for(|weather| weather.cuts > born) => true,
        ((), ()) = ended => false,
    };
    if was_cut {
        reset(&client);
        reset(&server);
    }
}

/// Passes bytes on in one direction until the end of it.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut weather: watch::Receiver<Weather>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read) = from.read(&mut buffer).await else {
            return;
        };
        let delay = weather.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if weather.wait_for(|weather| !weather.frozen).await.is_err() {
            return;
        }
        let passed = if read == 0 {
            to.shutdown().await
        } else {
            to.write_all(&buffer[..read]).await
        };
        if read == 0 || passed.is_err() {
            return;
        }
    }
}

/// Closing the socket from now on resets the connection.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "proxy: cannot prepare a reset");
    }
}
