//! The proxy between a client and a server.

use std::time::Duration;

use market_sim::proxy::TcpProxy;
use market_sim::wait::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::SOON;

/// A proxy with a client connected through it to the returned server side.
async fn connected() -> (TcpProxy, TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = TcpProxy::start(listener.local_addr().unwrap()).await.unwrap();
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (proxy, listener, client, server)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_an_orderly_end_passes_too() {
    let (_proxy, _listener, mut client, mut server) = connected().await;
    client.write_all(b"ask").await.unwrap();
    let mut three = [0; 3];
    server.read_exact(&mut three).await.unwrap();
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!((&three, answer.as_str()), (b"ask", "answer"));
}

#[tokio::test]
async fn a_cut_resets_what_is_open_and_lets_new_ones_in() {
    let (proxy, listener, mut client, mut server) = connected().await;
    proxy.cut();
    assert!(client.read_u8().await.is_err());
    assert!(server.read_u8().await.is_err());
    let mut again = TcpStream::connect(proxy.address()).await.unwrap();
    again.write_all(b"x").await.unwrap();
    assert_eq!(listener.accept().await.unwrap().0.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn a_frozen_proxy_passes_nothing_until_it_thaws() {
    let (proxy, _listener, mut client, mut server) = connected().await;
    proxy.freeze(true);
    client.write_all(b"x").await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), server.read_u8())
            .await
            .is_err()
    );
    proxy.freeze(false);
    assert_eq!(server.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn refused_connections_break_at_once() {
    let (proxy, _listener, _client, _server) = connected().await;
    proxy.refuse(true);
    eventually(
        "a new connection breaks",
        SOON,
        async || match TcpStream::connect(proxy.address()).await {
            Ok(mut stream) => stream.read_u8().await.is_err(),
            Err(_) => true,
        },
    )
    .await
    .unwrap();
}
