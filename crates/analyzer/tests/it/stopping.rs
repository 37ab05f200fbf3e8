//! The real binary is asked to stop: in every state, during the start, before a reader that stalls.

use std::process::Stdio;
use std::time::Duration;

use market_sim::model::{ModelConfig, ModelReply, ModelServer};
use market_sim::wait::eventually;

use crate::program::{PATIENCE, command, directory, end, market_in_redis};

#[tokio::test]
async fn a_signal_ends_it_in_time_whatever_it_is_doing() {
    let redis = market_in_redis().await;
    let model = ModelServer::start(ModelConfig::default()).await.unwrap();
    model.script().always(ModelReply::Hang);

    let hanging = directory(redis.port(), &model.url());
    let child = command(hanging.path()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the model is asked", PATIENCE, async || {
        !model.requests().is_empty()
    })
    .await
    .unwrap();
    let (code, took) = end(child, "TERM").await;
    assert!(
        code == Some(0) && took < Duration::from_secs(3),
        "{code:?} {took:?}"
    );

    // Nobody listens on that port.
    let lonely = directory(1, &model.url());
    let child = command(lonely.path()).stderr(Stdio::null()).spawn().unwrap();
    let log = lonely.path().join("logs/strategy_agent.log");
    let waits = async || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("redis does not answer"));
    eventually("it waits for redis", PATIENCE, waits).await.unwrap();
    let (code, took) = end(child, "INT").await;
    assert!(
        code == Some(0) && took < Duration::from_secs(3),
        "{code:?} {took:?}"
    );
}

/// B8: a signal during the start was forgotten.
#[tokio::test]
async fn a_signal_during_the_start_counts() {
    let redis = market_in_redis().await;
    let directory = directory(redis.port(), "http://127.0.0.1:1/v1");
    let child = command(directory.path()).stderr(Stdio::null()).spawn().unwrap();
    let log = directory.path().join("logs/strategy_agent.log");
    eventually("the first line of the log", PATIENCE, async || log.exists())
        .await
        .unwrap();
    let (code, took) = end(child, "TERM").await;
    assert!(
        code == Some(0) && took < Duration::from_secs(3),
        "{code:?} {took:?}"
    );
}

#[tokio::test]
async fn a_reader_that_stalls_does_not_stop_it() {
    let redis = market_in_redis().await;
    let directory = directory(redis.port(), "http://127.0.0.1:1/v1");
    // Its standard error is a pipe nobody reads.
    let child = command(directory.path()).spawn().unwrap();
    let line = directory.path().join("logs/trading_recommendations_btcfdusd.log");
    eventually("a line", PATIENCE, async || line.exists())
        .await
        .unwrap();
    let (code, took) = end(child, "INT").await;
    assert!(
        code == Some(0) && took < Duration::from_secs(3),
        "{code:?} {took:?}"
    );
}
