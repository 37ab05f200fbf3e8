//! Both programs together: from the exchange to the recommendation.

use std::time::Duration;

use end_to_end_tests::{World, WorldOptions};
use market_sim::model::{ModelConfig, ModelServer};
use market_sim::wait::{eventually, eventually_some};
use redis::AsyncCommands as _;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

fn lines(world: &World) -> Vec<Value> {
    let path = world
        .directory()
        .join("logs/trading_recommendations_btcfdusd.log");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn whole_world(analyzer: &str) -> World {
    let world = World::start(WorldOptions::in_real_time(51)).await;
    world.write_config("config.yaml", analyzer);
    world
}

/// Waits until the collector has filled the window and stored a book.
async fn recorded(world: &World) {
    eventually("the window is filled and a book is there", LIMIT, async || {
        let mut connection = world.connection().await;
        let books: u64 = connection.llen("depth_snapshot_5000").await.unwrap();
        books >= 1
            && world
                .recorded()
                .await
                .is_ok_and(|recorded| recorded.window.len() >= 80 && recorded.incomplete() == 0)
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recommendation_follows_from_what_was_recorded_and_all_places_agree() {
    let model = ModelServer::start(ModelConfig::default()).await.unwrap();
    let analyzer = format!(
        "analyzer:\n  deepseek: {{ api_key: \"${{DEEPSEEK_API_KEY}}\", base_url: \"{}\", timeout: 2 }}\n  analysis: {{ interval_seconds: 3, flow_window_minutes: 60, profile_window_minutes: 90 }}",
        model.url()
    );
    let world = whole_world(&analyzer).await;
    std::fs::write(
        world.directory().join(".env"),
        "DEEPSEEK_API_KEY=only-for-the-simulator\n",
    )
    .unwrap();
    let mut collector = world.collector();
    recorded(&world).await;
    let mut program = world.analyzer();
    let line = eventually_some("an accepted recommendation of the model", LIMIT, async || {
        lines(&world)
            .into_iter()
            .find(|line| line["status"] == "ok" && line["source"] == "deepseek")
    })
    .await
    .unwrap();
    for field in [
        "timestamp",
        "symbol",
        "action",
        "price_range",
        "confidence",
        "reasoning",
        "risk_level",
        "market_context",
        "quotes",
    ] {
        assert!(!line[field].is_null(), "{field} in {line}");
    }
    for count in [
        "support_count",
        "resistance_count",
        "resonance_zones_count",
        "poc_count",
    ] {
        assert!(line["market_context"][count].is_u64(), "{count} in {line}");
    }
    let mut connection = world.connection().await;
    eventually("the same line in redis", LIMIT, async || {
        let stored: Vec<String> = world
            .connection()
            .await
            .lrange("trading_recommendations", 0, -1)
            .await
            .unwrap();
        stored
            .iter()
            .any(|stored| serde_json::from_str::<Value>(stored).unwrap() == line)
    })
    .await
    .unwrap();
    let keys: Vec<String> = connection.keys("analysis_results:*").await.unwrap();
    let results: Vec<String> = connection.mget(&keys).await.unwrap();
    let result = results
        .iter()
        .map(|result| serde_json::from_str::<Value>(result).unwrap())
        .find(|result| result["timestamp"] == line["timestamp"])
        .expect("the analysis of the same cycle");
    let supports = result["support_levels"].as_array().unwrap().len() as u64;
    assert_eq!(line["market_context"]["support_count"].as_u64(), Some(supports));
    assert!(
        model.requests().len() >= 2,
        "the tool loop was really gone through"
    );
    assert_eq!(program.stop("INT").await.0, Some(0));
    assert_eq!(collector.stop("INT").await.0, Some(0));
    let everything = format!(
        "{}{}",
        program.stderr(),
        std::fs::read_to_string(world.directory().join("logs/strategy_agent.log")).unwrap()
    );
    assert!(
        !everything.contains("only-for-the-simulator"),
        "the key is nowhere in the logs"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_the_rules_advise_and_the_line_says_so() {
    let world = whole_world(
        "analyzer:\n  deepseek: { timeout: 2 }\n  analysis: { interval_seconds: 3, flow_window_minutes: 60, profile_window_minutes: 90 }",
    )
    .await;
    let _collector = world.collector();
    recorded(&world).await;
    let mut once = end_to_end_tests::Program::start(
        "analyzer",
        &world.directory(),
        &["--config", "config.yaml", "--once"],
    );
    let (status, _) = once.wait().await;
    assert_eq!(status.code(), Some(0), "{}", once.stderr());
    let lines = lines(&world);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["source"], "rules");
    assert!(lines[0]["fallback_reason"].is_string(), "{}", lines[0]);
}

// D11: with a hanging model the analyzer took up to 61 s to stop.
#[tokio::test(flavor = "multi_thread")]
async fn an_analyzer_whose_model_hangs_stops_at_once() {
    let model = ModelServer::start(ModelConfig::default()).await.unwrap();
    model.script().always(market_sim::model::ModelReply::Hang);
    let analyzer = format!(
        "analyzer:\n  deepseek: {{ api_key: \"${{DEEPSEEK_API_KEY}}\", base_url: \"{}\" }}\n  analysis: {{ flow_window_minutes: 60, profile_window_minutes: 90 }}",
        model.url()
    );
    let world = whole_world(&analyzer).await;
    std::fs::write(
        world.directory().join(".env"),
        "DEEPSEEK_API_KEY=only-for-the-simulator\n",
    )
    .unwrap();
    let _collector = world.collector();
    recorded(&world).await;
    let mut program = world.analyzer();
    // A first cycle that came too late for its data abstains; the second comes a minute later.
    eventually("the model is being asked", LIMIT * 3, async || {
        model
            .requests()
            .iter()
            .any(|request| request.path.ends_with("chat/completions"))
    })
    .await
    .unwrap();
    let (code, took) = program.stop("TERM").await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analyzer_without_redis_waits_says_so_once_and_stops_when_asked() {
    let mut world = whole_world("").await;
    world.redis.kill();
    let mut program = world.analyzer();
    eventually("it says what it waits for", LIMIT, async || {
        program.stderr().contains("redis")
    })
    .await
    .unwrap();
    let (code, took) = program.stop("INT").await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
    // The cycle that was cut off has its line, and it says what was missing.
    let before = lines(&world);
    assert_eq!(before.len(), 1, "{before:#?}");
    assert_eq!(before[0]["abstain_reason"], "incomplete_data", "{before:#?}");
    world.redis.restart().await;
    let _collector = world.collector();
    let mut program = world.analyzer();
    eventually(
        "a line is written once there is something to analyse",
        LIMIT,
        async || lines(&world).len() > 1,
    )
    .await
    .unwrap();
    world.redis_proxy.freeze(true);
    let (code, took) = program.stop("INT").await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
