//! The configuration as an operator meets it: what is accepted, what is refused, and with which words.

use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use tracing::level_filters::LevelFilter;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn valid(text: &str, pairs: &[(&str, &str)]) -> (Config, Vec<String>) {
    let (config, warnings) = Config::parse(text, "test.yaml", &environment(pairs)).unwrap();
    (config, warnings.iter().map(ToString::to_string).collect())
}

fn problems(text: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let errors = Config::parse(text, "test.yaml", &environment(pairs)).unwrap_err();
    errors.to_string().lines().map(str::to_owned).collect()
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(problems(text, &[]), [expected], "{text}");
}

#[test]
fn an_empty_file_means_the_defaults() {
    let (config, warnings) = valid("", &[]);
    assert_eq!(config.binance.symbol.as_str(), "BTCFDUSD");
    assert_eq!(config.data_collector.order_flow.window_size_minutes, 2880);
    assert_eq!(config.analyzer.analysis.interval, Duration::from_secs(60));
    assert_eq!(config.logging.max_file_size(), 100 * 1024 * 1024);
    assert_eq!(config.logging.level, LevelFilter::INFO);
    assert!(!config.analyzer.deepseek.api_key.is_set());
    assert!(warnings.is_empty());
}

#[test]
fn every_setting_written_out_with_its_default_changes_nothing() {
    let text = r#"
app: { name: "strategy-agent", environment: "development", log_level: "INFO" }
redis: { host: "localhost", port: 6379, db: 0, username: "", password: "", tls: false, key_prefix: "",
  socket_timeout: 5, socket_connect_timeout: 5, storage_dir: "storage" }
binance: { rest_api_base: "https://api.binance.com", websocket_base: "wss://stream.binance.com:9443",
  symbol: "BTCFDUSD", rate_limit_requests_per_minute: 1200, timeout: 30 }
data_collector:
  depth_snapshot: { limit: 5000, update_interval_seconds: 60, window_size: 60 }
  order_flow: { window_size_minutes: 2880, price_precision: 1.0, aggregation_interval_seconds: 60,
    max_price_levels: 1000, backfill_minutes: 2880 }
analyzer:
  deepseek:
    enabled: true
    api_key: "${DEEPSEEK_API_KEY}"
    base_url: "https://api.deepseek.com/v1"
    model: "deepseek-flash"
    max_tokens: 4000
    temperature: 0.1
    timeout: 45
    thinking: false
    language: zh
    max_cost_per_day_usd: 3
    prices: { cached_input_usd: 0.003, input_usd: 0.15, output_usd: 0.6, peak_factor: 2, peak_hours_utc: "01-04, 06-10" }
    archive: { enabled: true, max_size_mb_per_day: 100, retention_days: 14 }
  analysis: { interval_seconds: 60, min_order_volume_threshold: 0.01, support_resistance_threshold: 0.1,
    flow_window_minutes: 180, profile_window_minutes: 2880 }
logging: { level: "INFO", file_path: "logs/strategy_agent.log", max_file_size_mb: 100, backup_count: 5 }
"#;
    let (written_out, warnings) = valid(text, &[]);
    assert_eq!(written_out, valid("", &[]).0);
    assert!(warnings.is_empty());
}

#[test]
fn every_file_of_the_project_is_a_valid_configuration() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("deepseek_api_key"), "\n").unwrap();
    let environment = environment(&[("CREDENTIALS_DIRECTORY", credentials.path().to_str().unwrap())]);
    let mut files = 0;
    let services = std::fs::read_dir(directory.join("systemd")).unwrap();
    for entry in std::fs::read_dir(directory).unwrap().chain(services) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            Config::load(&path, &environment).unwrap();
            files += 1;
        }
    }
    assert!(files > 0);
}

#[test]
fn every_problem_is_named_at_once_with_key_and_origin() {
    let text = "
redis: {hots: a, port: 70000, db: zero, password: 'hunter2', key_prefix: '${PREFIX}'}
binance: {symbol: btcfdusd, rest_api_base: 'ftp://x'}
analyzer: {deepseek: {temperature: 3, timeout: 60}}
logging: {level: LOUD}
extra: 1
";
    let found = problems(text, &[]);
    let expected = [
        "logging.level: expected one of TRACE, DEBUG, INFO, WARN, WARNING, ERROR, CRITICAL, OFF, found text \"LOUD\" (test.yaml)",
        "redis.key_prefix: environment variable PREFIX is not set; set it or write ${PREFIX:-default} (${PREFIX} in test.yaml)",
        "redis.port: 70000 is out of range, 1 to 65535 (test.yaml)",
        "redis.db: expected an integer from 0 to 65535, found text \"zero\" (test.yaml)",
        "redis.password: holds a literal secret; write ${VARIABLE} alone or use the *_file key (test.yaml)",
        "redis.hots: unknown key; the nearest valid one is redis.host (test.yaml)",
        "binance.symbol: not a symbol: \"btcfdusd\" (2 to 30 upper-case letters and digits, for instance BTCFDUSD) (test.yaml)",
        "binance.rest_api_base: must start with https:// or http:// (test.yaml)",
        "analyzer.deepseek.temperature: 3 is out of range, 0 to 2 (test.yaml)",
        "analyzer.deepseek.timeout: 60 s must be below analyzer.analysis.interval_seconds of 60 s, or cycles would overlap (test.yaml)",
        "extra: unknown key; the nearest valid one is app (test.yaml)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn wrong_documents_are_refused() {
    refused("- a", "test.yaml: expected a section, found a list");
    refused(
        "redis: 5",
        "redis: expected a section, found an integer (test.yaml)",
    );
    refused(
        "redis: {port: 1, port: 2}",
        "redis.port: is given 2 times (test.yaml)",
    );
    refused(
        "redis: {}\nbinance: {}\nredis: {}",
        "redis: is given 2 times (test.yaml)",
    );
    refused(
        "redis: {port: }",
        "redis.port: has no value; give one or remove the key for the default (test.yaml)",
    );
    assert!(problems("redis: [", &[])[0].starts_with("test.yaml: is not valid YAML: "));
    assert!(problems("redis: !tag {}", &[])[0].starts_with("test.yaml: is not valid YAML: "));
    assert!(problems("a: 1\n---\nb: 2", &[])[0].starts_with("test.yaml: is not valid YAML: "));
}

#[test]
fn ranges_are_kept() {
    refused(
        "data_collector: {depth_snapshot: {limit: 5001}}",
        "data_collector.depth_snapshot.limit: 5001 is out of range, 5 to 5000 (test.yaml)",
    );
    refused(
        "data_collector: {order_flow: {price_precision: 0}}",
        "data_collector.order_flow.price_precision: 0 is out of range, 0.00000001 to 1000000 (test.yaml)",
    );
    refused(
        "data_collector: {order_flow: {aggregation_interval_seconds: 30}}",
        "data_collector.order_flow.aggregation_interval_seconds: 30 is not possible, only 60 is: minutes are those of the clock (test.yaml)",
    );
    refused(
        "binance: {rate_limit_requests_per_minute: 249}",
        "binance.rate_limit_requests_per_minute: 249 is out of range, 250 to 100000 (test.yaml)",
    );
    refused(
        "analyzer: {analysis: {interval_seconds: .inf}}",
        "analyzer.analysis.interval_seconds: expected a number from 1 to 86400 of at most 15 digits, found .inf (test.yaml)",
    );
    refused(
        "analyzer: {analysis: {flow_window_minutes: 90, profile_window_minutes: 60}}",
        "analyzer.analysis.flow_window_minutes: 90 must not be above analyzer.analysis.profile_window_minutes of 60 (test.yaml)",
    );
    refused(
        "redis: {port: '6379'}",
        "redis.port: expected an integer from 1 to 65535, found text \"6379\" (test.yaml)",
    );
}

#[test]
fn values_come_from_the_environment_field_by_field() {
    let text = "
redis: {host: '${HOST}', port: '${PORT:-6380}', tls: '${TLS}', password: '${REDIS_PASSWORD}'}
binance: {rest_api_base: 'http://127.0.0.1:${REST_PORT}/'}
data_collector: {order_flow: {price_precision: '${PRECISION}'}}
";
    let pairs = [
        ("HOST", "db"),
        ("TLS", "true"),
        ("REDIS_PASSWORD", "hunter2\n"),
        ("REST_PORT", "8080"),
        ("PRECISION", "0.5"),
    ];
    let (config, _) = valid(text, &pairs);
    assert_eq!(
        (config.redis.host.as_str(), config.redis.port, config.redis.tls),
        ("db", 6380, true)
    );
    assert_eq!(config.redis.password.get().unwrap().expose_secret(), "hunter2");
    assert_eq!(config.binance.rest_api_base, "http://127.0.0.1:8080");
    assert_eq!(
        config.data_collector.order_flow.price_precision.get().to_string(),
        "0.5"
    );
    assert_eq!(
        problems("redis: {port: '${PORT}'}", &[("PORT", "hunter2")]),
        [
            "redis.port: expected an integer from 1 to 65535, found text from the environment, which is not shown (${PORT} in test.yaml)"
        ]
    );
}

#[test]
fn a_number_that_is_none_is_shown_with_what_is_allowed_and_where_it_came_from() {
    let text = "
redis: {socket_timeout: -.inf, port: '${RP:-abc}'}
binance: {timeout: .nan, rate_limit_requests_per_minute: '${RL}'}
data_collector:
  depth_snapshot: {window_size: '${EMPTY}'}
  order_flow: {price_precision: .inf, window_size_minutes: 2.5, max_price_levels: '${LEVELS:-.inf}'}
analyzer:
  deepseek: {enabled: '${ON:-maybe}', max_cost_per_day_usd: '${BUDGET}', prices: {input_usd: 1.0e+300, output_usd: 0.1234567890123456}}
";
    let pairs = [("RL", "1e3"), ("BUDGET", ".nan"), ("EMPTY", "")];
    let expected = [
        "redis.port: expected an integer from 1 to 65535, found the default text \"abc\" (${RP} in test.yaml)",
        "redis.socket_timeout: expected a number from 1 to 300 of at most 15 digits, found -.inf (test.yaml)",
        "binance.rate_limit_requests_per_minute: expected an integer from 250 to 100000, found text \"1e3\" (${RL} in test.yaml)",
        "binance.timeout: expected a number from 1 to 300 of at most 15 digits, found .nan (test.yaml)",
        "data_collector.depth_snapshot.window_size: expected an integer from 1 to 10000, found nothing (${EMPTY} in test.yaml)",
        "data_collector.order_flow.window_size_minutes: expected an integer from 1 to 44640, found 2.5 (test.yaml)",
        "data_collector.order_flow.price_precision: expected a number from 0.00000001 to 1000000 of at most 15 digits, found .inf (test.yaml)",
        "data_collector.order_flow.max_price_levels: expected an integer from 1 to 1000000, found the default text \".inf\" (${LEVELS} in test.yaml)",
        "analyzer.deepseek.enabled: expected true or false, found the default text \"maybe\" (${ON} in test.yaml)",
        "analyzer.deepseek.max_cost_per_day_usd: expected a number from 0 to 10000 of at most 15 digits, found text \".nan\" (${BUDGET} in test.yaml)",
        "analyzer.deepseek.prices.input_usd: expected a number from 0 to 1000 of at most 15 digits, found 1e300 (test.yaml)",
        "analyzer.deepseek.prices.output_usd: expected a number from 0 to 1000 of at most 15 digits, found 0.1234567890123456 (test.yaml)",
    ];
    assert_eq!(problems(text, &pairs), expected);
}

#[test]
fn of_the_environment_only_numbers_are_shown() {
    let digits = "12345678901234567890123456789012345678901234";
    for (secret, text) in [
        ("hunter2", "redis: {port: '${S}'}"),
        ("hunter2", "redis: {port: '1${S}'}"),
        ("hunter2", "redis: {tls: '${S:-false}'}"),
        ("hunter2", "logging: {level: '${S}'}"),
        (digits, "redis: {port: '${S}'}"),
        (digits, "redis: {socket_timeout: '${S}'}"),
    ] {
        let found = problems(text, &[("S", secret)]);
        assert!(
            found[0].contains("found text from the environment, which is not shown (${S} in test.yaml)"),
            "{found:?}"
        );
        assert!(!found[0].contains(secret), "{found:?}");
    }
}

#[test]
fn a_long_value_is_shown_by_its_beginning() {
    let text = format!("redis: {{port: \"{}\\u001b\"}}", "x".repeat(300));
    let found = problems(&text, &[]);
    assert!(
        found[0].contains(&format!("found text that begins with \"{}\" (", "x".repeat(40))),
        "{found:?}"
    );
}

#[test]
fn an_unset_key_variable_means_no_model_and_an_unset_password_is_an_error() {
    let (config, _) = valid("analyzer: {deepseek: {api_key: '${DEEPSEEK_API_KEY}'}}", &[]);
    assert!(!config.analyzer.deepseek.api_key.is_set());
    let (config, _) = valid("", &[("DEEPSEEK_API_KEY", "abc")]);
    assert!(config.analyzer.deepseek.api_key.is_set());
    let found = problems("redis: {password: '${REDIS_PASSWORD}'}", &[]);
    assert!(found[0].starts_with("redis.password: environment variable REDIS_PASSWORD is not set"));
}

#[test]
fn literal_secrets_and_placeholders_are_refused_and_never_shown() {
    for (text, pairs) in [
        ("redis: {password: hunter2}", &[][..]),
        ("redis: {password: 12345678}", &[]),
        ("redis: {password: '${P:-hunter2}'}", &[]),
        ("redis: {password: 'x${P}'}", &[("P", "hunter2")]),
        ("redis: {password: '${P}'}", &[("P", "hunter2 hunter2")]),
        ("analyzer: {deepseek: {api_key: sk-hunter2}}", &[]),
        ("", &[("DEEPSEEK_API_KEY", "your_api_key_here")]),
    ] {
        let found = problems(text, pairs).join("\n");
        for secret in ["hunter2", "12345678", "your_api"] {
            assert!(!found.contains(secret), "{found}");
        }
    }
}

#[test]
fn a_secret_may_be_the_content_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "abc123\n").unwrap();
    let text = format!("analyzer: {{deepseek: {{api_key_file: '{}'}}}}", path.display());
    let (config, _) = valid(&text, &[("DEEPSEEK_API_KEY", "other")]);
    let key = config.analyzer.deepseek.api_key.get().unwrap();
    assert_eq!(key.expose_secret(), "abc123");
    // A credential of systemd that was not given: no model.
    std::fs::write(&path, "\n").unwrap();
    let (config, _) = valid(&text, &[("DEEPSEEK_API_KEY", "other")]);
    assert!(config.analyzer.deepseek.api_key.get().is_none());
    let password = format!("redis: {{password_file: '{}'}}", path.display());
    assert!(problems(&password, &[])[0].ends_with("is empty (test.yaml)"));
    std::fs::remove_file(&path).unwrap();
    let found = problems(&text, &[]);
    assert!(
        found[0].starts_with("analyzer.deepseek.api_key_file: "),
        "{found:?}"
    );
    assert!(found[0].contains("cannot be read"), "{found:?}");
}

#[test]
fn the_file_of_the_python_version_loads_with_one_warning_per_old_key() {
    let text = "
redis: {decode_responses: true}
data_collector: {order_flow: {websocket_url: 'wss://stream.example.com/ws/x'}}
analyzer: {deepseek: {model: deepseek-chat}}
logging: {format: '%(asctime)s'}
";
    let (_, warnings) = valid(text, &[]);
    let keys: Vec<&str> = warnings
        .iter()
        .filter_map(|warning| warning.split(':').next())
        .collect();
    assert_eq!(
        keys,
        [
            "logging.format",
            "redis.decode_responses",
            "data_collector.order_flow.websocket_url",
            "analyzer.deepseek.model",
        ]
    );
    assert!(warnings[3].contains("deepseek-flash"));
}

#[test]
fn the_level_of_the_application_counts_where_logging_has_none() {
    assert_eq!(
        valid("app: {log_level: debug}", &[]).0.logging.level,
        LevelFilter::DEBUG
    );
    let text = "app: {log_level: DEBUG}\nlogging: {level: Warning}";
    assert_eq!(valid(text, &[]).0.logging.level, LevelFilter::WARN);
}

#[test]
fn defaults_give_way_to_related_keys_that_are_set() {
    let text = "
data_collector: {order_flow: {window_size_minutes: 10}}
analyzer: {analysis: {profile_window_minutes: 5}}
";
    let (config, warnings) = valid(text, &[]);
    assert_eq!(config.data_collector.order_flow.backfill_minutes, 10);
    assert_eq!(config.analyzer.analysis.flow_window_minutes, 5);
    assert!(warnings.is_empty());
}

#[test]
fn a_missing_file_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let error = Config::load(&directory.path().join("none.yaml"), &Environment::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("none.yaml: does not exist; create it or name another with --config PATH")
    );
    let error = Config::load(directory.path(), &Environment::new()).unwrap_err();
    assert!(error.to_string().ends_with("is a directory, not a file"));
}

#[test]
fn the_rendered_settings_are_a_valid_configuration_without_secrets() {
    let pairs = [("REDIS_PASSWORD", "hunter2"), ("DEEPSEEK_API_KEY", "abc123")];
    let text = "
app: {name: 'true', log_level: DEBUG}
redis: {username: me, password: '${REDIS_PASSWORD}', socket_timeout: 1.5}
data_collector: {order_flow: {price_precision: 0.5}}
logging: {max_file_size_mb: 0.01}
";
    let (config, _) = valid(text, &pairs);
    let rendered = config.to_redacted_yaml();
    assert!(
        !rendered.contains("hunter2") && !rendered.contains("abc123"),
        "{rendered}"
    );
    assert_eq!(valid(&rendered, &pairs).0, config, "{rendered}");
}

proptest! {
    #[test]
    fn any_text_is_accepted_or_refused_in_order(text in "[a-z:{}\\[\\]\"'&*!|>#%@`, \n${}0-9.-]{0,120}") {
        let _outcome = Config::parse(&text, "test.yaml", &Environment::new());
    }
}
