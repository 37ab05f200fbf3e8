//! The user of Redis that `docs/operations.md` makes, by the command that stands there.
#![expect(clippy::disallowed_types, reason = "it runs the command")]

use std::process::Command;
use std::time::Duration;

use end_to_end_tests::{World, WorldOptions};
use market_sim::redis::{RedisOptions, connect};
use market_sim::wait::eventually;
use redis::AsyncCommands as _;

const LIMIT: Duration = Duration::from_secs(60);

/// Passwords of the test's own server; they protect nothing.
const OWNER: &str = "for-the-test-itself";
const WORKER: &str = "for-the-programs-of-the-test";

/// How the command in the manual begins.
const BEGINNING: &str = "redis-cli ACL SETUSER strategy-agent ";

/// The end of the command that lets the programs ask the server about itself.
const QUESTIONS: [&str; 3] = ["+info", "+config|get", "+memory|usage"];

/// The command of the manual, its lines as they stand.
fn command_of_the_manual() -> String {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let text = std::fs::read_to_string(manual).unwrap();
    let (_, from) = text.split_once(&format!("\n{BEGINNING}")).unwrap();
    let (command, _) = from.split_once("\n```").unwrap();
    format!("{BEGINNING}{command}")
}

/// The rules of the manual's user for keys that begin with `prefix`, without password and questions.
pub(crate) fn rules(prefix: &str) -> Vec<String> {
    let command = command_of_the_manual();
    let words = command.strip_prefix(BEGINNING).unwrap().split_whitespace();
    words
        .map(|word| word.trim_matches('\''))
        .filter(|word| !["\\", "reset", "on", ">PASSWORD"].contains(word) && !QUESTIONS.contains(word))
        .map(|word| word.replacen('~', &format!("~{prefix}"), 1))
        .collect()
}

#[test]
fn the_rules_are_those_of_the_manual() {
    let rules = rules("live:");
    for rule in ["~live:trades_window*", "+@read", "-@dangerous"] {
        assert!(rules.iter().any(|known| known == rule), "{rules:?}");
    }
    assert!(rules.iter().all(|rule| !rule.contains(['\'', '>'])), "{rules:?}");
}

/// Runs the manual's command as it stands, against the server of the test.
fn make_user(port: u16) {
    let client = format!("redis-cli -p {port}");
    let command = command_of_the_manual()
        .replacen("redis-cli", &client, 1)
        .replacen("PASSWORD", WORKER, 1);
    let done = Command::new("sh")
        .args(["-c", &command])
        .env("REDISCLI_AUTH", OWNER)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert_eq!(said.trim(), "OK", "{command}: {done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_manual_may_do_what_the_programs_do_and_nothing_else() {
    let world = World::start(WorldOptions {
        seed: 341,
        window: 6,
        backfill: 6,
        redis: RedisOptions {
            password: Some(OWNER.to_owned()),
            ..RedisOptions::default()
        },
        ..WorldOptions::default()
    })
    .await;
    make_user(world.redis.port());
    std::fs::write(world.directory().join("password"), format!("{WORKER}\n")).unwrap();
    world.edit_config(
        "redis:\n",
        "analyzer:\n  deepseek: { timeout: 2 }\n  analysis: { interval_seconds: 3, flow_window_minutes: 6, profile_window_minutes: 6 }\nredis:\n  username: strategy-agent\n  password_file: password\n",
    );
    // What stands in the way is moved, which takes rights too.
    let mut connection = world.connection().await;
    let () = connection.set("trades_window", "no list").await.unwrap();
    let () = connection.set("depth_snapshot_5000", "no book").await.unwrap();
    let (mut collector, mut analyzer) = (world.collector(), world.analyzer());
    world.assert_whole(world.now(), LIMIT).await;
    let () = connection.lpush("trades_window", "no minute").await.unwrap();
    world.assert_whole(world.now().offset(2), LIMIT).await;
    for key in [
        "trades_window_other_type",
        "depth_snapshot_5000_set_aside",
        "trades_window_set_aside",
        "data_collector_status",
        "analyzer_status",
        "trading_recommendations",
    ] {
        eventually(key, LIMIT, async || {
            connection.clone().exists(key).await.unwrap_or(false)
        })
        .await
        .unwrap();
    }
    let (code, out, err) = world.ask("data-collector", &["status"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "healthy\n"), "{err}");
    for program in [&mut collector, &mut analyzer] {
        assert_eq!(program.stop("TERM").await.0, Some(0));
        assert!(
            !program.stderr().contains("redis does not say"),
            "{}",
            program.stderr()
        );
    }
    let denied: Vec<redis::Value> = redis::cmd("ACL")
        .arg("LOG")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(denied, [], "commands of the programs were refused");
    may_do_nothing_else(&world).await;
}

async fn may_do_nothing_else(world: &World) {
    let url = format!(
        "redis://strategy-agent:{WORKER}@127.0.0.1:{}/0",
        world.redis.port()
    );
    let mut worker = connect(&url).await.unwrap();
    for words in [
        &["GET", "somebody_elses"][..],
        &["DEL", "somebody_elses"],
        &["KEYS", "*"],
        &["FLUSHALL"],
        &["CONFIG", "SET", "maxmemory", "1mb"],
        &["ACL", "LIST"],
        &["REPLICAOF", "NO", "ONE"],
        &["SHUTDOWN"],
        &["PUBLISH", "channel", "word"],
        &["EVAL", "return redis.call('GET', 'somebody_elses')", "0"],
    ] {
        let mut command = redis::cmd(words[0]);
        let answer: redis::RedisResult<redis::Value> =
            command.arg(&words[1..]).query_async(&mut worker).await;
        let refusal = answer.unwrap_err().to_string();
        assert!(
            refusal.contains("permission") || refusal.contains("can't access"),
            "{words:?}: {refusal}"
        );
    }
}
