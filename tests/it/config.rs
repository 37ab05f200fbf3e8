//! The configuration as an operator meets it: through the programs.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use end_to_end_tests::Program;
use tempfile::TempDir;

const PROGRAMS: [&str; 2] = ["data-collector", "analyzer"];

/// Root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Checked {
    status: ExitStatus,
    stderr: String,
    directory: TempDir,
}

async fn run(program: &str, arguments: &[&str]) -> Checked {
    let directory = tempfile::tempdir().unwrap();
    let mut running = Program::start(program, directory.path(), arguments);
    let (status, _) = running.wait().await;
    Checked {
        status,
        stderr: running.stderr(),
        directory,
    }
}

async fn check(program: &str, config: &Path) -> Checked {
    run(program, &["--config", config.to_str().unwrap(), "--check-config"]).await
}

#[tokio::test]
async fn every_file_in_config_loads_in_both_programs() {
    for entry in std::fs::read_dir(root().join("config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            for program in PROGRAMS {
                let checked = check(program, &path).await;
                assert_eq!(
                    checked.status.code(),
                    Some(0),
                    "{}: {}",
                    path.display(),
                    checked.stderr
                );
            }
        }
    }
}

// A file said "the model's key as a credential" and took it from the environment, where the units do not put it.
#[tokio::test]
async fn every_file_for_production_takes_the_models_key_from_the_credentials() {
    let credentials = tempfile::tempdir().unwrap();
    let key = credentials.path().join("deepseek_api_key");
    std::fs::write(&key, "only-for-this-test\n").unwrap();
    let mut files = 0;
    for folder in ["config", "config/systemd"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
            if !is_yaml
                || !std::fs::read_to_string(&path)
                    .unwrap()
                    .contains("environment: \"production\"")
            {
                continue;
            }
            files += 1;
            for program in PROGRAMS {
                let directory = tempfile::tempdir().unwrap();
                let mut running = Program::start_with(
                    program,
                    directory.path(),
                    &["--config", path.to_str().unwrap(), "--check-config"],
                    &[("CREDENTIALS_DIRECTORY", credentials.path().to_str().unwrap())],
                );
                let code = running.wait().await.0.code();
                assert_eq!(code, Some(0), "{}: {}", path.display(), running.stderr());
                let shown = running.stdout();
                assert!(
                    shown.contains(&format!("api_key_file: {}", key.display())),
                    "{}: {shown}",
                    path.display()
                );
                assert!(!shown.contains("only-for-this-test"));
            }
        }
    }
    assert_eq!(files, 2, "those of the units");
}

#[tokio::test]
async fn the_file_of_the_python_version_loads_with_a_warning_for_each_old_key() {
    for program in PROGRAMS {
        let checked = check(program, &root().join("tests/fixtures/python_version.yaml")).await;
        assert_eq!(checked.status.code(), Some(0), "{}", checked.stderr);
        for named in [
            "redis.decode_responses",
            "order_flow.websocket_url",
            "logging.format",
            "deepseek-flash",
        ] {
            assert_eq!(
                checked.stderr.matches(named).count(),
                1,
                "{named} in {}",
                checked.stderr
            );
        }
        assert_eq!(checked.stderr.lines().count(), 4, "{}", checked.stderr);
    }
}

// D7: settings were promised and ignored, and a typing error in a key was accepted.
#[tokio::test]
async fn every_problem_is_named_at_once_and_nothing_is_started() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.yaml");
    std::fs::write(
        &path,
        r#"redis: { prot: 6379, port: 70000, password: "literally" }
binance: { symbol: "btc-fdusd", rest_api_base: "ftp://x" }
data_collector: { order_flow: { aggregation_interval_seconds: 30 } }
analyzer: { deepseek: { timeout: 90, base_url: "${SURELY_NOT_SET}" } }
nonsense: 1
"#,
    )
    .unwrap();
    for program in PROGRAMS {
        let checked = run(program, &["--config", path.to_str().unwrap()]).await;
        assert_eq!(checked.status.code(), Some(78));
        let lines: Vec<&str> = checked.stderr.lines().collect();
        let expected = [
            ("redis.port", "70000"),
            ("redis.password", "literal"),
            ("redis.prot", "redis.port"),
            ("binance.symbol", "BTCFDUSD"),
            ("binance.rest_api_base", "https://"),
            ("data_collector.order_flow.aggregation_interval_seconds", "60"),
            ("analyzer.deepseek.base_url", "SURELY_NOT_SET"),
            ("analyzer.deepseek.timeout", "interval_seconds"),
            ("nonsense", "unknown"),
        ];
        for (key, word) in expected {
            let named = lines
                .iter()
                .filter(|line| line.starts_with(&format!("{key}: ")))
                .count();
            assert_eq!(named, 1, "{key} in {}", checked.stderr);
            assert!(
                lines
                    .iter()
                    .any(|line| line.starts_with(key) && line.contains(word)),
                "{key}: {word}"
            );
        }
        assert_eq!(lines.len(), expected.len(), "{}", checked.stderr);
        assert!(
            !checked.stderr.contains("literally"),
            "the secret itself is not shown"
        );
        let left: Vec<_> = std::fs::read_dir(checked.directory.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "nothing but the captured output is there");
    }
}

// A number that is none was "a number with a fraction" or "something else in the environment".
#[tokio::test]
async fn a_wrong_value_is_named_with_its_key_and_variable_at_a_check_and_at_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.yaml");
    let text = "data_collector: { order_flow: { price_precision: .inf } }\nredis: { port: \"${SURELY_NOT_SET:-abc}\" }\n";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let expected = [
        format!(
            "redis.port: expected an integer from 1 to 65535, found the default text \"abc\" (${{SURELY_NOT_SET}} in {path})"
        ),
        format!(
            "data_collector.order_flow.price_precision: expected a number from 0.00000001 to 1000000 of at most 15 digits, found .inf ({path})"
        ),
    ];
    for program in PROGRAMS {
        for arguments in [&["--config", path, "--check-config"][..], &["--config", path]] {
            let checked = run(program, arguments).await;
            assert_eq!(checked.status.code(), Some(78));
            let lines: Vec<&str> = checked.stderr.lines().collect();
            assert_eq!(lines, expected);
        }
    }
}

#[tokio::test]
async fn a_missing_or_broken_file_is_said_to_be_so() {
    let directory = tempfile::tempdir().unwrap();
    let broken = directory.path().join("broken.yaml");
    std::fs::write(&broken, "redis: [unclosed").unwrap();
    for (path, word) in [
        (broken.as_path(), "broken.yaml"),
        (Path::new("nowhere.yaml"), "nowhere.yaml"),
    ] {
        let checked = check("analyzer", path).await;
        assert_eq!(checked.status.code(), Some(78));
        assert!(checked.stderr.contains(word), "{}", checked.stderr);
    }
    let arguments = run("data-collector", &["--no-such-thing"]).await;
    assert_eq!(arguments.status.code(), Some(2));
}

// B4: the literal text of the variable was sent as the key; and secrets are never shown.
#[tokio::test]
async fn secrets_come_from_outside_and_are_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let marker = "a-word-that-must-not-appear";
    std::fs::write(directory.path().join("key"), format!("{marker}\n")).unwrap();
    std::fs::write(
        directory.path().join(".env"),
        format!("REDIS_PASSWORD={marker}\n"),
    )
    .unwrap();
    let config = r#"redis: { password: "${REDIS_PASSWORD}" }
analyzer: { deepseek: { api_key_file: "key" } }
"#;
    std::fs::write(directory.path().join("config.yaml"), config).unwrap();
    let mut program = Program::start(
        "analyzer",
        directory.path(),
        &["--config", "config.yaml", "--check-config"],
    );
    assert_eq!(program.wait().await.0.code(), Some(0), "{}", program.stderr());
    assert!(
        program.stdout().contains("redis.password: set"),
        "{}",
        program.stdout()
    );
    assert!(!program.stdout().contains(marker) && !program.stderr().contains(marker));
}

#[tokio::test]
async fn a_check_and_a_command_contradict_each_other() {
    for program in PROGRAMS {
        let refused = run(program, &["--check-config", "status"]).await;
        assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
    }
}
