//! Bare programs: each moves the bytes of one path through the same libraries and does nothing else.
//!
//! What a daemon takes for the same work is compared with what these take.
#![expect(clippy::print_stdout, reason = "what it has done is told on standard output")]

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use futures_util::StreamExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_tungstenite::tungstenite::Message;

/// One bare program.
#[derive(Debug, Parser)]
enum Floor {
    /// Connects to a trade stream, reads and counts its frames until one says `end`
    Frames {
        /// Address of the stream
        url: String,
    },
    /// Every second asks for a book and pushes as many bytes as a stored one has
    Depth {
        /// Base address of REST
        rest: String,
        /// Port of Redis
        port: u16,
        /// Bytes of a stored book
        bytes: usize,
        /// Books
        count: u32,
        /// Wait between them, in milliseconds
        #[arg(long, default_value_t = 1000)]
        pause: u64,
    },
    /// Reads lists from Redis
    Lists {
        /// Port of Redis
        port: u16,
        /// Most elements of each
        count: usize,
        /// Their keys
        keys: Vec<String>,
    },
    /// Every second reads the first element of lists from Redis
    Heads {
        /// Port of Redis
        port: u16,
        /// How often
        count: u32,
        /// Their keys
        keys: Vec<String>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Floor::parse() {
        Floor::Frames { url } => frames(&url).await,
        Floor::Depth {
            rest,
            port,
            bytes,
            count,
            pause,
        } => depth(&rest, port, bytes, count, pause).await,
        Floor::Lists { port, count, keys } => lists(port, count, &keys).await,
        Floor::Heads { port, count, keys } => heads(port, count, &keys).await,
    }
}

/// Says what was done and stays, so that its processor time can be read, until it is told to end.
async fn stay(done: &str) -> Result<()> {
    let mut end = signal(SignalKind::terminate())?;
    println!("done {done}");
    end.recv().await;
    Ok(())
}

async fn frames(url: &str) -> Result<()> {
    let (mut stream, _) = tokio_tungstenite::connect_async_with_config(url, None, true).await?;
    println!("connected");
    let (mut frames, mut bytes) = (0_u64, 0_usize);
    while let Some(message) = stream.next().await {
        if let Message::Text(text) = message? {
            if text.as_str() == "end" {
                return stay(&format!("{frames} frames of {bytes} bytes")).await;
            }
            frames += 1;
            bytes += text.len();
        }
    }
    anyhow::bail!("the stream ended after {frames} frames")
}

async fn redis_at(port: u16) -> Result<redis::aio::MultiplexedConnection> {
    let client = redis::Client::open(("127.0.0.1", port))?;
    client.get_multiplexed_async_connection().await.context("redis")
}

async fn depth(rest: &str, port: u16, bytes: usize, count: u32, pause: u64) -> Result<()> {
    let mut redis = redis_at(port).await?;
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let url = format!("{rest}/api/v3/depth?symbol=BTCFDUSD&limit=5000");
    for _ in 0..count {
        let body = client.get(&url).send().await?.bytes().await?;
        let document = vec![b'.'; bytes];
        let mut pipe = redis::pipe();
        pipe.cmd("LPUSH").arg("floor").arg(&document).ignore();
        pipe.cmd("LTRIM").arg("floor").arg(0).arg(59).ignore();
        let () = pipe.query_async(&mut redis).await?;
        println!("{} bytes read", body.len());
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    stay(&format!("{count} books")).await
}

async fn lists(port: u16, count: usize, keys: &[String]) -> Result<()> {
    let mut redis = redis_at(port).await?;
    let mut bytes = 0;
    for key in keys {
        let mut command = redis::cmd("LRANGE");
        command.arg(key).arg(0).arg(count.saturating_sub(1));
        let elements: Vec<Vec<u8>> = command.query_async(&mut redis).await?;
        bytes += elements.iter().map(Vec::len).sum::<usize>();
    }
    println!("{bytes} bytes");
    Ok(())
}

async fn heads(port: u16, count: u32, keys: &[String]) -> Result<()> {
    let mut redis = redis_at(port).await?;
    println!("connected");
    let mut bytes = 0;
    for _ in 0..count {
        for key in keys {
            let mut command = redis::cmd("LINDEX");
            command.arg(key).arg(0);
            let element: Vec<u8> = command.query_async(&mut redis).await?;
            bytes += element.len();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stay(&format!("{bytes} bytes")).await
}
