//! Secrets, certificates and the permissions of files.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use end_to_end_tests::{Program, World, WorldOptions};
use market_sim::exchange::Endpoint;
use market_sim::faults::RestFault;
use market_sim::model::{ModelConfig, ModelServer};
use market_sim::redis::RedisOptions;
use market_sim::wait::eventually;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use redis::AsyncCommands as _;
use tempfile::TempDir;

use crate::rights::rules;

const LIMIT: Duration = Duration::from_secs(60);

/// Passwords of the test's own server; they protect nothing.
const OWNER: &str = "for-the-test-itself";
const WORKER: &str = "for-the-programs-of-the-test";

/// An authority and a certificate of it for 127.0.0.1, as files.
struct Certificates {
    directory: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text).unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write("ca.pem", authority.self_signed(&authority_key).unwrap().pem());
        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let server = CertificateParams::new(names).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        write("server.pem", server.signed_by(&key, &issuer).unwrap().pem());
        write("server.key", key.serialize_pem());
        Self { directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
}

/// A world whose Redis speaks TLS on a second port and has the user `worker`.
struct Locked {
    world: World,
    certificates: Certificates,
    tls_port: u16,
}

impl Locked {
    async fn start(seed: u64) -> Self {
        let certificates = Certificates::new();
        let tls_port = free_port();
        let mut arguments: Vec<String> = ["--tls-auth-clients", "no", "--tls-port"]
            .map(str::to_owned)
            .into();
        arguments.push(tls_port.to_string());
        for (option, file) in [
            ("--tls-cert-file", "server.pem"),
            ("--tls-key-file", "server.key"),
            ("--tls-ca-cert-file", "ca.pem"),
        ] {
            arguments.extend([option.to_owned(), certificates.path(file)]);
        }
        arguments.extend(["--user", "worker", "on", &format!(">{WORKER}")].map(str::to_owned));
        // Without the right to ask the server about itself.
        arguments.extend(rules("live:"));
        let options = WorldOptions {
            seed,
            window: 5,
            backfill: 5,
            redis: RedisOptions {
                password: Some(OWNER.to_owned()),
                arguments,
                ..RedisOptions::default()
            },
            ..WorldOptions::default()
        };
        let world = World::start(options).await;
        let locked = Self {
            world,
            certificates,
            tls_port,
        };
        std::fs::write(locked.world.directory().join("password"), format!("{WORKER}\n")).unwrap();
        let plain = format!("port: {}", locked.world.redis_proxy.address().port());
        let authority = locked.certificates.path("ca.pem");
        let tls = format!(
            "port: {tls_port}\n  tls: true\n  tls_ca_file: \"{authority}\"\n  username: worker\n  password_file: password\n  key_prefix: \"live:\""
        );
        locked.world.edit_config(&plain, &tls);
        locked
    }

    async fn window_length(&self) -> u64 {
        let mut connection = self.world.connection().await;
        connection.llen("live:trades_window").await.unwrap()
    }

    async fn status(&self) -> (Option<i32>, String, String) {
        self.world.ask("data-collector", &["status"]).await
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_programs_work_with_tls_and_a_user_who_may_do_little() {
    let locked = Locked::start(301).await;
    let world = &locked.world;
    let mut collector = world.collector();
    eventually("the window is recorded over tls", LIMIT, async || {
        locked.window_length().await >= 5
    })
    .await
    .unwrap();
    eventually("the collector is well", LIMIT, async || {
        let (code, out, _) = locked.status().await;
        code == Some(0) && out == "healthy\n"
    })
    .await
    .unwrap();
    let (code, _, err) = world.ask("analyzer", &["--once"]).await;
    assert_eq!(code, Some(0), "{err}");
    let mut connection = world.connection().await;
    let lines: u64 = connection.llen("live:trading_recommendations").await.unwrap();
    let foreign: Vec<String> = connection.keys("*").await.unwrap();
    assert_eq!(lines, 1);
    assert!(foreign.iter().all(|key| key.starts_with("live:")), "{foreign:?}");
    assert_eq!(collector.stop("INT").await.0, Some(0));
    let said = collector.stderr();
    assert!(
        said.contains("redis does not say how much memory it uses"),
        "{said}"
    );
    for text in [said, err] {
        assert!(!text.contains(WORKER), "the password is in no log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_or_user_is_said_in_words_and_without_the_secret() {
    let locked = Locked::start(302).await;
    let wrong = "not-the-password-of-anybody";
    std::fs::write(locked.world.directory().join("password"), wrong).unwrap();
    for user in ["worker", "nobody"] {
        let (code, out, err) = locked.status().await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        let words = "redis refused to accept redis.username and redis.password";
        assert!(
            err.starts_with("unknown: ") && err.contains(words),
            "{user}: {err}"
        );
        assert!(!err.contains(wrong) && err.lines().count() == 1, "{err}");
        if user == "worker" {
            locked.world.edit_config("username: worker", "username: nobody");
        }
    }
    let mut programs = [locked.world.collector(), locked.world.analyzer()];
    for program in &mut programs {
        eventually("the program says why", LIMIT, async || {
            program
                .stderr()
                .contains("to accept redis.username and redis.password")
        })
        .await
        .unwrap();
        let (code, took) = program.stop("TERM").await;
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(!program.stderr().contains(wrong));
    }
    let log = std::fs::read_to_string(locked.world.directory().join("logs/strategy_agent.log")).unwrap();
    assert!(!log.contains(wrong) && log.contains("to accept redis.username and redis.password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_nobody_vouches_for_is_refused_everywhere() {
    let locked = Locked::start(303).await;
    let world = &locked.world;
    let authority = format!("  tls_ca_file: \"{}\"\n", locked.certificates.path("ca.pem"));
    world.edit_config(&authority, "");
    let (code, _, err) = locked.status().await;
    assert_eq!(code, Some(1));
    assert!(err.contains("invalid peer certificate"), "{err}");
    // The same server in the place of the exchange and of the model: the handshake is all there is.
    let port = locked.tls_port;
    world.edit_config(&world.exchange.rest_url(), &format!("https://127.0.0.1:{port}"));
    world.edit_config(&world.exchange.ws_url(), &format!("wss://127.0.0.1:{port}"));
    world.edit_config(
        "  tls: true\n",
        &authority.replace("  tls_ca", "  tls: true\n  tls_ca"),
    );
    let more = format!(
        "\nlogging: {{ level: DEBUG }}\nanalyzer:\n  deepseek: {{ api_key: \"${{DEEPSEEK_API_KEY}}\", base_url: \"https://127.0.0.1:{port}\", timeout: 2 }}\n  analysis: {{ interval_seconds: 3 }}\n"
    );
    let path = world.directory().join("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, text + &more).unwrap();
    std::fs::write(
        world.directory().join(".env"),
        "DEEPSEEK_API_KEY=only-for-the-simulator\n",
    )
    .unwrap();
    let (collector, analyzer) = (world.collector(), world.analyzer());
    for (program, place) in [
        (&collector, "trade stream could not be opened"),
        (&collector, "did not complete"),
        (&analyzer, "model"),
    ] {
        let refused = eventually("the certificate is refused", LIMIT, async || {
            let said = program.stderr();
            said.lines()
                .any(|line| line.contains(place) && line.contains("UnknownIssuer"))
        });
        assert!(refused.await.is_ok(), "{place}:\n{}", program.stderr());
    }
    assert_eq!(locked.window_length().await, 0);
}

#[tokio::test]
async fn there_is_no_switch_to_trust_anybody() {
    let directory = tempfile::tempdir().unwrap();
    let nonsense = directory.path().join("nonsense.pem");
    std::fs::write(&nonsense, "nothing\n").unwrap();
    for (setting, words) in [
        ("tls_insecure: true", "tls_insecure"),
        ("tls_verify: false", "tls_verify"),
        (
            "tls: true, tls_ca_file: missing.pem",
            "redis.tls_ca_file: cannot be read",
        ),
        (
            "tls: true, tls_ca_file: nonsense.pem",
            "redis.tls_ca_file: holds no certificate",
        ),
        (
            "tls_ca_file: nonsense.pem",
            "redis.tls_ca_file: is given without tls: true",
        ),
    ] {
        let config = directory.path().join("config.yaml");
        std::fs::write(&config, format!("redis: {{ {setting} }}\n")).unwrap();
        let mut program = Program::start(
            "data-collector",
            directory.path(),
            &["--config", "config.yaml", "--check-config"],
        );
        let (status, _) = program.wait().await;
        assert_eq!(status.code(), Some(78));
        assert!(program.stderr().contains(words), "{}", program.stderr());
    }
}

/// Everything below `directory`, with its permissions, but what the test itself made.
fn permissions(directory: &Path, made_by_test: &[PathBuf], found: &mut Vec<(PathBuf, bool, u32)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        // One that has gone meanwhile was a temporary file.
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        let of_harness = matches!(path.extension().and_then(|end| end.to_str()), Some("err" | "out"));
        if !made_by_test.contains(&path) && !of_harness {
            found.push((
                path.clone(),
                metadata.is_dir(),
                metadata.permissions().mode() & 0o7777,
            ));
        }
        if metadata.is_dir() {
            permissions(&path, made_by_test, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_for_the_owner_and_its_group_whatever_the_umask() {
    for (seed, umask, file, directory) in [(304, "000", 0o640, 0o750), (305, "077", 0o600, 0o700)] {
        let world = World::start(WorldOptions::in_real_time(seed)).await;
        let model = ModelServer::start(ModelConfig::default()).await.unwrap();
        world.write_config(
            "config.yaml",
            &format!(
                "logging: {{ max_file_size_mb: 0.001 }}\nanalyzer:\n  deepseek: {{ api_key: \"${{DEEPSEEK_API_KEY}}\", base_url: \"{}\", timeout: 2 }}\n  analysis: {{ interval_seconds: 3, flow_window_minutes: 60, profile_window_minutes: 60 }}",
                model.url()
            ),
        );
        let home = world.directory();
        std::fs::write(home.join(".env"), "DEEPSEEK_API_KEY=only-for-the-simulator\n").unwrap();
        let made_by_test = [home.join("config.yaml"), home.join(".env")];
        let arguments = ["--config", "config.yaml"];
        let mut collector = Program::start_with_umask("data-collector", &home, &arguments, umask);
        eventually("the window is filled", LIMIT, async || {
            let recorded = world.recorded().await;
            recorded.is_ok_and(|recorded| recorded.window.len() >= 85 && recorded.incomplete() == 0)
        })
        .await
        .unwrap();
        collector.stop("TERM").await;
        // Of a smaller window the oldest minutes go to files at once.
        world.edit_config("window_size_minutes: 90", "window_size_minutes: 70");
        world.edit_config("backfill_minutes: 90", "backfill_minutes: 70");
        let mut collector = Program::start_with_umask("data-collector", &home, &arguments, umask);
        let mut analyzer = Program::start_with_umask("analyzer", &home, &arguments, umask);
        let exists = async |place: &str| {
            let found = eventually(place, LIMIT, async || {
                let mut found = Vec::new();
                permissions(&home, &made_by_test, &mut found);
                found
                    .iter()
                    .any(|(path, ..)| path.to_str().is_some_and(|path| path.contains(place)))
            });
            assert!(
                found.await.is_ok(),
                "{place} is never made:\n{}",
                analyzer.stderr()
            );
        };
        for place in [
            "storage/trades_",
            "strategy_agent.log.1",
            "trading_recommendations_",
            "logs/model/",
            "model_spending_",
        ] {
            exists(place).await;
        }
        eventually("trades come in", LIMIT, async || {
            let status: serde_json::Value = serde_json::from_str(&world.status().await).unwrap_or_default();
            status["counters"]["trades"].as_u64() > Some(10)
        })
        .await
        .unwrap();
        world
            .exchange
            .faults()
            .rest(Endpoint::Time, RestFault::too_many_requests(30), 1);
        world
            .exchange
            .faults()
            .rest(Endpoint::Depth, RestFault::too_many_requests(30), 1);
        exists("storage/.rest_hold").await;
        collector.stop("TERM").await;
        analyzer.stop("TERM").await;
        assert_modes(&home, &made_by_test, file, directory);
        without_redis(seed + 10, umask, file, directory).await;
    }
}

/// Without Redis the last minutes go to files of their own.
async fn without_redis(seed: u64, umask: &str, file: u32, directory: u32) {
    let world = World::start(WorldOptions {
        seed,
        window: 5,
        backfill: 5,
        ..WorldOptions::default()
    })
    .await;
    let (home, arguments) = (world.directory(), ["--config", "config.yaml"]);
    let mut collector = Program::start_with_umask("data-collector", &home, &arguments, umask);
    world.assert_whole(world.now(), LIMIT).await;
    world.redis_proxy.freeze(true);
    let until = world.now().offset(2);
    eventually("two minutes pass", LIMIT, async || world.now() >= until)
        .await
        .unwrap();
    collector.stop("TERM").await;
    assert!(home.join("storage/unsaved").is_dir(), "{}", collector.stderr());
    assert_modes(&home, &[home.join("config.yaml")], file, directory);
}

fn assert_modes(home: &Path, made_by_test: &[PathBuf], file: u32, directory: u32) {
    let mut found = Vec::new();
    permissions(home, made_by_test, &mut found);
    assert!(found.len() > 3, "{found:?}");
    for (path, is_directory, mode) in found {
        let expected = if is_directory { directory } else { file };
        assert_eq!(format!("{mode:o}"), format!("{expected:o}"), "{}", path.display());
    }
}
