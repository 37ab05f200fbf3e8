//! The real binary: signals, exit codes, what goes to which stream.
#![expect(clippy::disallowed_types, reason = "it runs a program")]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use market_sim::model::{ModelConfig, ModelReply, ModelServer};
use market_sim::redis::RedisServer;
use market_sim::wait::eventually;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::market::{self, KEY};

/// Longest wait for anything a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyzer"));
    command
        .current_dir(directory)
        .env_clear()
        .envs(crate::world::coverage())
        .env("DEEPSEEK_API_KEY", KEY)
        .args(["--config", "analyzer.yaml"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) fn directory(redis_port: u16, model_url: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = market::yaml(directory.path(), redis_port, model_url, "timeout: 45");
    std::fs::write(directory.path().join("analyzer.yaml"), text).unwrap();
    directory
}

pub(crate) async fn run(directory: &Path, arguments: &[&str]) -> Output {
    command(directory).args(arguments).output().await.unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let status = Command::new("kill")
        .args(["-s", name, &id])
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

/// Sends a signal and waits for the end; answers the exit code and how long it took.
pub(crate) async fn end(mut child: Child, name: &str) -> (Option<i32>, Duration) {
    let asked = Instant::now();
    signal(&child, name).await;
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .unwrap()
        .unwrap();
    (status.code(), asked.elapsed())
}

pub(crate) async fn market_in_redis() -> RedisServer {
    let redis = RedisServer::start().await;
    let books = market::books(TimeDelta::seconds(5));
    market::publish(&mut redis.connection().await, &books, &market::minutes(60)).await;
    redis
}

#[tokio::test]
async fn the_usual_arguments_and_exit_codes() {
    let directory = directory(1, "http://127.0.0.1:1/v1");
    let version = run(directory.path(), &["--version"]).await;
    assert_eq!(version.status.code(), Some(0));
    assert!(text(&version.stdout).starts_with("analyzer "));
    let help = run(directory.path(), &["--help"]).await;
    assert!(text(&help.stdout).contains("--once"));
    for contradiction in [
        &["--nonsense"][..],
        &["--once", "--check-config"],
        &["--once", "status"],
        &["--check-config", "status"],
        &["--replay-model", "x", "status", "--json"],
    ] {
        let refused = run(directory.path(), contradiction).await;
        assert_eq!(refused.status.code(), Some(2), "{contradiction:?}");
        assert!(text(&refused.stderr).contains("Usage:") && refused.stdout.is_empty());
    }
}

#[tokio::test]
async fn a_recording_that_cannot_be_replayed_is_a_bad_argument() {
    let directory = directory(1, "http://127.0.0.1:1/v1");
    let path = directory.path().join("day.jsonl");
    let record =
        r#"{"timestamp":"2026-11-20T12:00:00Z","symbol":"BTCFDUSD","outcome":"accepted","turns":[]}"#;
    for (content, words) in [
        (
            Some(format!("{record}\n{{\"torn\n")),
            "line 2 of the recording day.jsonl",
        ),
        (Some(String::new()), "holds no conversation"),
        (None, "cannot be read"),
    ] {
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        for more in [&["--once"][..], &[]] {
            let arguments = [more, &["--replay-model", "day.jsonl"]].concat();
            let refused = run(directory.path(), &arguments).await;
            assert_eq!(refused.status.code(), Some(2), "{words}");
            assert!(text(&refused.stderr).contains(words), "{}", text(&refused.stderr));
        }
    }
    assert!(!directory.path().join("logs").exists());
    // Of another market: known only when the configuration is read.
    std::fs::write(&path, record.replace("BTCFDUSD", "ETHFDUSD")).unwrap();
    let refused = run(directory.path(), &["--once", "--replay-model", "day.jsonl"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("holds no conversation about BTCFDUSD"));
}

#[tokio::test]
async fn without_a_model_one_line_says_why() {
    for (setting, key, words) in [
        (
            "enabled: false",
            KEY,
            "the model is switched off by analyzer.deepseek.enabled",
        ),
        (
            "timeout: 45",
            "",
            "no key for the model: the rules advise; set DEEPSEEK_API_KEY",
        ),
    ] {
        let redis = market_in_redis().await;
        let directory = directory(redis.port(), "http://127.0.0.1:1/v1");
        let yaml = directory.path().join("analyzer.yaml");
        let settings = std::fs::read_to_string(&yaml).unwrap();
        std::fs::write(&yaml, settings.replace("timeout: 45", setting)).unwrap();
        let ran = command(directory.path())
            .env("DEEPSEEK_API_KEY", key)
            .arg("--once")
            .output()
            .await
            .unwrap();
        let errors = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(0), "{errors}");
        let hints: Vec<&str> = errors
            .lines()
            .filter(|line| line.contains("the rules advise"))
            .collect();
        assert_eq!(hints.len(), 1, "{errors}");
        assert!(hints[0].contains(words) && hints[0].contains("INFO"), "{errors}");
        assert!(!errors.contains("WARN") && !errors.contains("ERROR"), "{errors}");
    }
}

#[tokio::test]
async fn one_cycle_checks_the_name_of_the_model_too() {
    let (redis, model) = (
        market_in_redis().await,
        ModelServer::start(ModelConfig::default()).await.unwrap(),
    );
    for (name, words) in [
        ("deepseek-flash", &["the vendor offers the model"][..]),
        (
            "deepseek-chat",
            &[
                "retired by the vendor on 2026-07-24 and is refused; the present model is deepseek-flash",
                "the vendor does not offer the configured model",
                "deepseek-v4-pro",
            ],
        ),
        (
            "deepseek-new",
            &["the vendor does not offer the configured model"],
        ),
    ] {
        let directory = directory(redis.port(), &model.url());
        let yaml = directory.path().join("analyzer.yaml");
        let settings = std::fs::read_to_string(&yaml).unwrap();
        std::fs::write(
            &yaml,
            settings.replace("timeout: 45", &format!("timeout: 45, model: {name}")),
        )
        .unwrap();
        let errors = text(&run(directory.path(), &["--once"]).await.stderr);
        for words in words {
            assert!(errors.contains(words), "{words}: {errors}");
        }
    }
}

/// A key that is refused, probed and refused again is said once; every line says it.
#[tokio::test]
async fn a_refusal_is_said_once() {
    let (redis, model) = (
        market_in_redis().await,
        ModelServer::start(ModelConfig::default()).await.unwrap(),
    );
    model.script().always(ModelReply::unauthorized());
    let directory = directory(redis.port(), &model.url());
    let yaml = directory.path().join("analyzer.yaml");
    let settings = std::fs::read_to_string(&yaml)
        .unwrap()
        .replace("timeout: 45", "timeout: 1");
    std::fs::write(&yaml, format!("{settings}  analysis: {{interval_seconds: 2}}\n")).unwrap();
    let child = command(directory.path()).stderr(Stdio::null()).spawn().unwrap();
    let lines = directory.path().join("logs/trading_recommendations_btcfdusd.log");
    let unauthorized = || {
        let text = std::fs::read_to_string(&lines).unwrap_or_default();
        text.matches(r#""fallback_reason":"unauthorized""#).count()
    };
    eventually("three lines", PATIENCE, async || unauthorized() >= 3)
        .await
        .unwrap();
    let status = run(directory.path(), &["status"]).await;
    assert_eq!(end(child, "TERM").await.0, Some(0));
    let log = std::fs::read_to_string(directory.path().join("logs/strategy_agent.log")).unwrap();
    let said = log
        .lines()
        .filter(|line| line.contains("the model's key is refused"));
    assert_eq!(said.count(), 1, "{log}");
    assert_eq!(model.stats().model_calls(), 1);
    assert!(text(&status.stderr).contains("degraded: the model's key is refused"));
    assert!(
        text(&status.stdout).contains("model: deepseek-flash, not asked: unauthorized"),
        "{}",
        text(&status.stdout)
    );
}

#[tokio::test]
async fn check_config_prints_settings_that_are_valid_themselves() {
    let directory = directory(6379, "http://127.0.0.1:1/v1");
    let checked = run(directory.path(), &["--check-config"]).await;
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let settings = text(&checked.stdout);
    assert!(
        !settings.contains(KEY) && settings.contains("[REDACTED]"),
        "{settings}"
    );
    std::fs::write(directory.path().join("analyzer.yaml"), &settings).unwrap();
    let again = run(directory.path(), &["--check-config"]).await;
    assert_eq!(text(&again.stdout), settings);
}

#[tokio::test]
async fn a_bad_configuration_is_named_line_by_line_and_nothing_starts() {
    let directory = directory(6379, "http://127.0.0.1:1/v1");
    let path = directory.path().join("analyzer.yaml");
    std::fs::write(
        &path,
        "redis: {prot: 1}\nbinance: {symbol: x}\nanalyzer: {deepseek: {api_key: hunter2}}\n",
    )
    .unwrap();
    for arguments in [&["--check-config"][..], &["--once"], &[]] {
        let refused = run(directory.path(), arguments).await;
        assert_eq!(refused.status.code(), Some(78));
        let problems = text(&refused.stderr);
        assert_eq!(problems.lines().count(), 3, "{problems}");
        assert!(
            problems.contains("redis.prot: unknown key; the nearest valid one is redis.port"),
            "{problems}"
        );
        assert!(!problems.contains("hunter2"), "{problems}");
        assert!(refused.stdout.is_empty());
    }
    assert!(!directory.path().join("logs").exists());
    let missing = run(directory.path(), &["--config", "nowhere.yaml"]).await;
    assert_eq!(missing.status.code(), Some(2), "the option is given twice");
}

#[tokio::test]
async fn one_cycle_ends_with_code_zero_and_logs_to_both_places() {
    let (redis, model) = (
        market_in_redis().await,
        ModelServer::start(ModelConfig::default()).await.unwrap(),
    );
    let directory = directory(redis.port(), &model.url());
    let ran = run(directory.path(), &["--once"]).await;
    let errors = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{errors}");
    assert!(ran.stdout.is_empty());
    assert!(
        errors.contains("INFO analyzer recommendation written"),
        "{errors}"
    );
    assert!(errors.contains("status=ok source=deepseek"), "{errors}");
    assert!(
        ["action=BUY ", "action=SELL ", "action=HOLD "]
            .iter()
            .any(|words| errors.contains(words)),
        "{errors}"
    );
    let log = std::fs::read_to_string(directory.path().join("logs/strategy_agent.log")).unwrap();
    // Two threads may write in another order to the one place than to the other.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&log), sorted(&errors));
    let line = directory.path().join("logs/trading_recommendations_btcfdusd.log");
    assert!(
        std::fs::read_to_string(line)
            .unwrap()
            .contains(r#""source":"deepseek","status":"ok""#)
    );
}

#[tokio::test]
async fn an_outage_of_redis_is_said_once_and_so_is_its_end() {
    let mut redis = market_in_redis().await;
    let directory = directory(redis.port(), "http://127.0.0.1:1/v1");
    let yaml = directory.path().join("analyzer.yaml");
    let text_of_it = std::fs::read_to_string(&yaml).unwrap();
    let quick = text_of_it.replace("timeout: 45", "timeout: 1, enabled: false");
    std::fs::write(&yaml, format!("{quick}  analysis: {{interval_seconds: 2}}\n")).unwrap();
    let child = command(directory.path()).stderr(Stdio::null()).spawn().unwrap();
    let logs = directory.path().join("logs");
    let count = |file: &str, words: &str| {
        let text = std::fs::read_to_string(logs.join(file)).unwrap_or_default();
        text.lines().filter(|line| line.contains(words)).count()
    };
    let advice = || count("trading_recommendations_btcfdusd.log", r#""status":"ok""#);
    let abstentions = || count("trading_recommendations_btcfdusd.log", r#""status":"abstain""#);
    eventually("a line with advice", PATIENCE, async || advice() > 0)
        .await
        .unwrap();
    redis.kill();
    eventually("two lines without data", PATIENCE, async || abstentions() > 1)
        .await
        .unwrap();
    // Long enough for the task that writes the status to notice it too.
    tokio::time::sleep(Duration::from_secs(5)).await;
    redis.restart().await;
    let books = market::books(TimeDelta::seconds(5));
    market::publish(&mut redis.connection().await, &books, &market::minutes(60)).await;
    let before = advice();
    eventually("advice again", PATIENCE, async || advice() > before)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(end(child, "TERM").await.0, Some(0));
    let log = "strategy_agent.log";
    assert_eq!(count(log, "redis does not answer"), 1);
    assert_eq!(count(log, "redis answers"), 2);
    assert_eq!(count(log, "WARN"), 1);
}

#[tokio::test]
async fn status_tells_a_running_program_from_one_that_is_not() {
    let redis = market_in_redis().await;
    let directory = directory(redis.port(), "http://127.0.0.1:1/v1");
    let before = run(directory.path(), &["status"]).await;
    assert_eq!(before.status.code(), Some(1));
    assert!(text(&before.stderr).contains("not running"));
    let child = command(directory.path()).stderr(Stdio::null()).spawn().unwrap();
    let healthy = async || run(directory.path(), &["status", "--json"]).await.status.code() == Some(0);
    eventually("it is healthy", PATIENCE, healthy).await.unwrap();
    let words = text(&run(directory.path(), &["status"]).await.stdout);
    for part in [
        "healthy\n",
        "model: deepseek-flash",
        "last call: ",
        " usd; at most 3 usd a day",
    ] {
        assert!(words.contains(part), "{words}");
    }
    let (code, _) = end(child, "TERM").await;
    assert_eq!(code, Some(0));
    let after = run(directory.path(), &["status"]).await;
    assert_eq!(after.status.code(), Some(1));
}

/// B28: two processes that rotated one log lost lines.
#[tokio::test]
async fn processes_that_share_and_rotate_one_log_lose_no_line() {
    let redis = market_in_redis().await;
    let directory = directory(redis.port(), "http://127.0.0.1:1/v1");
    let yaml = directory.path().join("analyzer.yaml");
    let small = "level: DEBUG, max_file_size_mb: 0.001, backup_count: 500, file_path:";
    let text_of_it = std::fs::read_to_string(&yaml).unwrap();
    std::fs::write(&yaml, text_of_it.replace("level: DEBUG, file_path:", small)).unwrap();
    let mut runs = tokio::task::JoinSet::new();
    for _process in 0..6 {
        let path = directory.path().to_owned();
        runs.spawn(async move { run(&path, &["--once"]).await });
    }
    let mut printed: Vec<String> = Vec::new();
    while let Some(ran) = runs.join_next().await {
        let errors = text(&ran.unwrap().stderr);
        printed.extend(errors.lines().map(str::to_owned));
    }
    let mut logged: Vec<String> = Vec::new();
    let mut files = 0;
    for entry in std::fs::read_dir(directory.path().join("logs")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("/strategy_agent.log") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.len() <= 1048, "{}", path.display());
            logged.extend(text.lines().map(str::to_owned));
            files += 1;
        }
    }
    printed.sort();
    logged.sort();
    assert_eq!(printed, logged);
    assert!(files > 5, "{files} files");
}
