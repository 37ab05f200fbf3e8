//! The figures for a monitoring system, as it reads them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::model::{ModelConfig, ModelServer};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::page::{Page, free_ports, scrape};
use crate::rules;

const LIMIT: Duration = Duration::from_secs(60);

/// Figures of the collector, and the counters of its status that they are.
const OF_COLLECTOR: [(&str, &str); 24] = [
    ("trades_total", "trades"),
    ("stream_frames_total", "frames"),
    ("stream_frames_rejected_total", "frames_rejected"),
    ("gaps_found_total", "gaps"),
    ("gaps_healed_total", "gaps_healed"),
    ("trades_repaired_total", "repaired_trades"),
    ("trades_too_late_total", "trades_too_late"),
    ("dead_rows_total", "dead_rows"),
    ("duplicate_rows_total", "duplicates"),
    ("rejected_rows_total", "rejected_rows"),
    ("unreadable_rows_total", "unreadable_rows"),
    ("missing_ids_total", "missing_ids"),
    ("ids_left_to_history_total", "ids_left_to_history"),
    ("minutes_sealed_total", "minutes_complete"),
    ("minutes_incomplete_total", "minutes_incomplete"),
    ("minutes_amended_total", "amended_minutes"),
    ("minutes_invalidated_total", "invalidated_minutes"),
    ("minutes_let_go_total", "minutes_let_go"),
    ("stream_connections_total", "stream_connections"),
    ("mute_streams_total", "mute_streams"),
    ("rest_weight_used_total", "rest_weight"),
    ("depth_snapshots_total", "depth_snapshots"),
    ("depth_rejected_total", "depth_rejected"),
    ("storage_failures_total", "storage_failures"),
];

/// Every figure lies between the counters of two statuses, and every counter has a figure.
fn agree(before: &Value, page: &Page, after: &Value, figures: &[(&str, &str)]) {
    for (sample, counter) in figures {
        let at = |status: &Value| status["counters"][counter].as_f64().unwrap_or_default();
        let value = page.get(sample);
        assert!(
            at(before) <= value && value <= at(after),
            "{sample}: {} {value} {}",
            at(before),
            at(after)
        );
    }
    for counter in after["counters"].as_object().unwrap().keys() {
        let has_figure = figures.iter().any(|(_, of)| of == counter);
        assert!(has_figure, "{counter} has no figure");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collectors_figures_agree_with_its_status_and_with_the_truth() {
    let world = World::start(WorldOptions {
        seed: 321,
        speed: 20.0,
        window: 4,
        backfill: 4,
        ..WorldOptions::default()
    })
    .await;
    let port = free_ports();
    world.write_config(
        "config.yaml",
        &format!("metrics: {{ listen: \"127.0.0.1:{port}\" }}"),
    );
    let mut collector = world.collector();
    world.assert_whole(world.now(), LIMIT).await;
    disturb(&world, port).await;
    // The figures lie between two readings of the status.
    let before: Value = status(&world).await;
    let page = scrape(port).await.unwrap();
    let after: Value = eventually_newer(&world, &before).await;
    agree(&before, &page, &after, &OF_COLLECTOR);
    assert!(page.get("trades_repaired_total") >= 5.0);
    assert!(page.get("trades_total") > 20.0 && page.get("minutes_sealed_total") >= 3.0);
    let known = world.exchange.stats();
    assert!(
        page.get("rest_weight_used_total") <= known.weight() as f64,
        "no more than the exchange counted"
    );
    assert_eq!(page.count("stream_connected"), 1);
    assert_eq!(page.count("owner"), 1);
    assert_eq!(
        page.count(&format!(
            "build_info{{program=\"data-collector\",version=\"{}\",symbol=\"BTCFDUSD\"}}",
            env!("CARGO_PKG_VERSION")
        )),
        1
    );
    assert_eq!(page.count("window_minutes"), 4);
    assert!(page.get("redis_memory_used_bytes") > 500_000.0);
    assert!(page.get("redis_command_duration_seconds_count") > 10.0);
    assert_eq!(
        page.count("redis_command_duration_seconds_bucket{le=\"+Inf\"}"),
        page.count("redis_command_duration_seconds_count")
    );
    assert_eq!(page.count("storage_failures_total"), 0);
    assert_eq!(page.count("degraded{part=\"storage\"}"), 0);
    what_goes_wrong_is_seen(&world, port).await;
    world.redis_proxy.refuse(false);
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

/// A gap, which is healed, and a stream that breaks; then waits until everything was looked at.
async fn disturb(world: &World, port: u16) {
    world.exchange.faults().skip_rows(5);
    eventually("the gap is healed", LIMIT, async || {
        let page = scrape(port).await;
        page.is_some_and(|page| {
            page.get("gaps_found_total") >= 1.0
                && page.get("gaps_found_total") <= page.get("gaps_healed_total")
        })
    })
    .await
    .unwrap();
    eventually("three minutes are sealed", LIMIT, async || {
        let page = scrape(port).await;
        page.is_some_and(|page| page.get("minutes_sealed_total") >= 3.0)
    })
    .await
    .unwrap();
    world
        .exchange
        .faults()
        .command(market_sim::faults::WsCommand::Drop);
    eventually("the stream is opened again", LIMIT, async || {
        scrape(port)
            .await
            .is_some_and(|page| page.get("stream_reconnects_total") >= 1.0)
    })
    .await
    .unwrap();
    eventually("files and keys were counted", LIMIT, async || {
        let page = scrape(port).await;
        page.is_some_and(|page| page.has("storage_files") && page.get("redis_keys_bytes") > 1000.0)
    })
    .await
    .unwrap();
}

async fn what_goes_wrong_is_seen(world: &World, port: u16) {
    world.redis_proxy.refuse(true);
    world.redis_proxy.cut();
    eventually("redis is unwell", LIMIT, async || {
        scrape(port).await.is_some_and(|page| {
            page.count("degraded{part=\"redis\"}") == 1 && page.get("redis_failures_total") > 0.0
        })
    })
    .await
    .unwrap();
}

async fn status(world: &World) -> Value {
    serde_json::from_str(&world.status().await).unwrap()
}

async fn eventually_newer(world: &World, before: &Value) -> Value {
    let mut after = Value::Null;
    eventually("a second status after it", LIMIT, async || {
        let seen = status(world).await;
        // The one after the next: it was surely written after the page.
        if after.is_null() && seen["last_update"] != before["last_update"] {
            after = seen;
            return false;
        }
        let newer = !after.is_null() && seen["last_update"] != after["last_update"];
        if newer {
            after = seen;
        }
        newer
    })
    .await
    .unwrap();
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn the_analyzers_figures_agree_with_its_lines_and_with_the_models_own_count() {
    let world = World::start(WorldOptions::in_real_time(322)).await;
    let model = ModelServer::start(ModelConfig::default()).await.unwrap();
    let port = free_ports();
    world.write_config(
        "config.yaml",
        &format!(
            "metrics: {{ listen: \"localhost:{port}\" }}\nanalyzer:\n  deepseek: {{ api_key: \"${{DEEPSEEK_API_KEY}}\", base_url: \"{}\", timeout: 2 }}\n  analysis: {{ interval_seconds: 3, flow_window_minutes: 60, profile_window_minutes: 90 }}",
            model.url()
        ),
    );
    std::fs::write(
        world.directory().join(".env"),
        "DEEPSEEK_API_KEY=only-for-the-simulator\n",
    )
    .unwrap();
    let (mut collector, mut analyzer) = (world.collector(), world.analyzer());
    let log = world
        .directory()
        .join("logs/trading_recommendations_btcfdusd.log");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    eventually("three lines of the model", LIMIT, async || {
        lines()
            .iter()
            .filter(|line| line["source"] == "deepseek" && line["status"] == "ok")
            .count()
            >= 3
    })
    .await
    .unwrap();
    // Between two cycles nothing changes: the page is taken when the lines before and after it are the same.
    let mut seen = None;
    eventually("a page between two cycles", LIMIT, async || {
        let before = (lines().len(), model.requests().len());
        let page = scrape(port + 1).await;
        let cycles = page
            .as_ref()
            .is_some_and(|page| page.count("cycles_total") == before.0 as u64);
        let quiet = cycles && before == (lines().len(), model.requests().len());
        seen = page.filter(|_| quiet);
        quiet
    })
    .await
    .unwrap();
    let page = seen.unwrap();
    let lines: Vec<Value> = lines()
        .into_iter()
        .take(usize::try_from(page.count("cycles_total")).unwrap())
        .collect();
    assert_eq!(page.sum("outcomes_total"), lines.len() as u64);
    let bought = |line: &&Value| line["source"] == "deepseek" && line["status"] == "ok";
    let of_model = page.sum("outcomes_total{source=\"deepseek\",status=\"ok\"");
    assert_eq!(of_model, lines.iter().filter(bought).count() as u64);
    assert_eq!(page.count("model_calls_total"), model.requests().len() as u64);
    let cost: f64 = lines
        .iter()
        .filter_map(|line| line["model_usage"]["cost_usd"].as_f64())
        .sum();
    assert!(
        (page.get("model_cost_usd_total") - cost).abs() < 1e-9 && cost > 0.0,
        "{cost}"
    );
    assert_eq!(page.count("lines_waiting{for=\"log\"}"), 0);
    // Where the collector listens is its own.
    let of_collector = scrape(port).await.unwrap();
    assert!(of_collector.has("trades_total"));
    rules::assert_known(&[&of_collector, &page]);
    assert_eq!(analyzer.stop("INT").await.0, Some(0));
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_clients_disturb_neither_the_recording_nor_the_stop() {
    let world = World::start(WorldOptions {
        seed: 323,
        window: 5,
        backfill: 5,
        ..WorldOptions::default()
    })
    .await;
    let port = free_ports();
    world.write_config(
        "config.yaml",
        &format!("metrics: {{ listen: \"127.0.0.1:{port}\" }}"),
    );
    let mut collector = world.collector();
    eventually("the page is there", LIMIT, async || scrape(port).await.is_some())
        .await
        .unwrap();
    let memory = collector.memory_kb();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut clients = Vec::new();
    for number in 0..300 {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            break;
        };
        let text = match number % 3 {
            0 => "GET /metrics HTTP/1.1\r\nx: ".to_owned(),
            1 => "y".repeat(64 * 1024),
            _ => String::new(),
        };
        // The other side may have had enough already.
        drop(stream.write_all(text.as_bytes()).await);
        clients.push(stream);
    }
    let start = world.now();
    world.assert_whole(start.offset(4), LIMIT).await;
    assert!(
        collector.memory_kb() < memory + 30_000,
        "{} KB after {memory}",
        collector.memory_kb()
    );
    let (code, took) = collector.stop("INT").await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(4), "{took:?}");
    drop(clients);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_said_and_stops_nothing() {
    let world = World::start(WorldOptions {
        seed: 324,
        window: 5,
        backfill: 5,
        ..WorldOptions::default()
    })
    .await;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    world.write_config(
        "config.yaml",
        &format!("metrics: {{ listen: \"{address}\", analyzer_listen: \"{address}\" }}"),
    );
    let (code, _, err) = world.ask("data-collector", &["--check-config"]).await;
    assert_eq!(code, Some(78), "one address for both: {err}");
    world.write_config("config.yaml", &format!("metrics: {{ listen: \"{address}\" }}"));
    let mut collector = world.collector();
    eventually("the status says so", LIMIT, async || {
        world.status().await.contains("cannot be listened on")
    })
    .await
    .unwrap();
    world.assert_whole(world.now(), LIMIT).await;
    drop(taken);
    eventually("the page is there", LIMIT, async || {
        scrape(address.port()).await.is_some()
    })
    .await
    .unwrap();
    eventually("the status is well again", LIMIT, async || {
        !world.status().await.contains("cannot be listened on")
    })
    .await
    .unwrap();
    assert_eq!(collector.stop("INT").await.0, Some(0));
}

#[tokio::test]
async fn only_a_loopback_address_is_listened_on() {
    let directory = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("0.0.0.0:9184", "must be a loopback address"),
        ("192.0.2.1:9184", "must be a loopback address"),
        ("[::]:9184", "must be a loopback address"),
        ("127.0.0.1:0", "must name a port"),
        ("127.0.0.1:65535", "leaves no port for the analyzer"),
        ("9184", "must be an address with a port"),
    ] {
        std::fs::write(
            directory.path().join("config.yaml"),
            format!("metrics: {{ listen: \"{text}\" }}"),
        )
        .unwrap();
        let mut program = Program::start(
            "analyzer",
            directory.path(),
            &["--config", "config.yaml", "--check-config"],
        );
        assert_eq!(program.wait().await.0.code(), Some(78), "{text}");
        assert!(program.stderr().contains(words), "{}", program.stderr());
    }
    std::fs::write(
        directory.path().join("config.yaml"),
        "metrics: { listen: \"[::1]:9184\" }",
    )
    .unwrap();
    let mut program = Program::start(
        "analyzer",
        directory.path(),
        &["--config", "config.yaml", "--check-config"],
    );
    assert_eq!(program.wait().await.0.code(), Some(0));
    assert!(
        program.stdout().contains("analyzer_listen: '[::1]:9185'"),
        "{}",
        program.stdout()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_unless_asked_to() {
    let world = World::start(WorldOptions {
        seed: 325,
        window: 5,
        backfill: 5,
        ..WorldOptions::default()
    })
    .await;
    let collector = world.collector();
    let mut connection = world.connection().await;
    eventually("the collector records", LIMIT, async || {
        connection
            .exists::<_, bool>("data_collector_status")
            .await
            .unwrap()
    })
    .await
    .unwrap();
    // Listening sockets of the process: none of its sockets is in the state LISTEN (0A).
    let sockets = std::fs::read_dir(format!("/proc/{}/fd", collector.id())).unwrap();
    let own: BTreeSet<String> = sockets
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .trim_end_matches(']')
                    .to_owned(),
            )
        })
        .collect();
    assert!(!own.is_empty(), "it has connections");
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{}/net/{table}", collector.id())).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            assert!(fields[3] != "0A" || !own.contains(fields[9]), "{line}");
        }
    }
}
