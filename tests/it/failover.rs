//! A Redis that moves: Sentinel, a manual failover, a cluster of one slot. The programs know one address, and
//! whoever keeps it leads it to the master.
#![expect(clippy::disallowed_types, reason = "it runs a sentinel")]

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use end_to_end_tests::{Program, Recorded, World, WorldOptions};
use market_sim::redis::{RedisOptions, RedisServer, connect};
use market_sim::wait::eventually;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// What the sentinel calls the pair of servers.
const NAME: &str = "books";

/// A sentinel that watches one master alone and decides alone.
struct Sentinel {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {master} 1\nsentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 5000\n",
            directory.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("redis-server")
            .arg(&config)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            port,
            _directory: directory,
        }
    }

    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut connection = connect(&format!("redis://127.0.0.1:{}/0", self.port)).await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg(words).query_async(&mut connection).await
    }

    /// Waits until it knows a replica of the master it could promote.
    async fn knows_a_replica(&self) {
        eventually("the sentinel knows a replica in step", LIMIT, async || {
            let replicas: redis::RedisResult<Vec<std::collections::BTreeMap<String, String>>> =
                self.ask(&["REPLICAS", NAME]).await;
            replicas.is_ok_and(|replicas| {
                replicas.iter().any(|replica| {
                    replica.get("master-link-status").is_some_and(|link| link == "ok")
                        && replica.get("flags").is_some_and(|flags| flags == "slave")
                })
            })
        })
        .await
        .unwrap();
    }

    /// Waits until it calls this server the master.
    async fn names(&self, server: &RedisServer) {
        let wanted = ("127.0.0.1".to_owned(), server.port().to_string());
        eventually("the sentinel names the new master", LIMIT, async || {
            let named: redis::RedisResult<(String, String)> =
                self.ask(&["GET-MASTER-ADDR-BY-NAME", NAME]).await;
            named.is_ok_and(|named| named == wanted)
        })
        .await
        .unwrap();
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A world whose Redis has a replica.
async fn with_replica(seed: u64) -> (World, RedisServer) {
    let world = World::start(WorldOptions {
        seed,
        window: 10,
        backfill: 10,
        redis: RedisOptions {
            arguments: ["--repl-diskless-sync-delay", "0"].map(str::to_owned).into(),
            ..RedisOptions::default()
        },
        ..WorldOptions::default()
    })
    .await;
    let mut options = world.options.redis.clone();
    options.arguments.extend([
        "--replicaof".to_owned(),
        "127.0.0.1".to_owned(),
        world.redis.port().to_string(),
    ]);
    let replica = RedisServer::start_with(options).await;
    in_step(&replica).await;
    (world, replica)
}

/// Nothing while a sentinel cuts the connections of a server whose part changes.
async fn replication(server: &RedisServer) -> redis::RedisResult<String> {
    let mut connection = connect(&server.url()).await?;
    redis::cmd("INFO")
        .arg("replication")
        .query_async(&mut connection)
        .await
}

/// Waits until a replica has everything its master has.
async fn in_step(replica: &RedisServer) {
    eventually("the replica is in step", LIMIT, async || {
        let said = replication(replica).await.unwrap_or_default();
        said.contains("role:slave") && said.contains("master_link_status:up")
    })
    .await
    .unwrap();
}

async fn replica_of(server: &RedisServer, master: Option<&RedisServer>) {
    let port = master.map(|master| master.port().to_string());
    let mut command = redis::cmd("REPLICAOF");
    match &port {
        Some(port) => command.arg("127.0.0.1").arg(port),
        None => command.arg("NO").arg("ONE"),
    };
    let () = command.query_async(&mut server.connection().await).await.unwrap();
}

/// Leads the programs' address to `other`, which is the world's Redis from now on.
fn move_to(world: &mut World, other: &mut RedisServer) {
    world.redis_proxy.redirect(([127, 0, 0, 1], other.port()).into());
    std::mem::swap(&mut world.redis, other);
}

/// Both programs do their work with the world's Redis.
async fn both_work(world: &World) {
    world.assert_whole(world.now().offset(1), LIMIT).await;
    eventually("the collector is well", LIMIT, async || {
        let (code, out, _) = world.ask("data-collector", &["status"]).await;
        code == Some(0) && out == "healthy\n"
    })
    .await
    .unwrap();
    let lines = recommendations(world).await;
    eventually("one more recommendation", LIMIT, async || {
        recommendations(world).await > lines
    })
    .await
    .unwrap();
}

async fn recommendations(world: &World) -> u64 {
    let mut connection: MultiplexedConnection = world.connection().await;
    redis::cmd("LLEN")
        .arg("trading_recommendations")
        .query_async(&mut connection)
        .await
        .unwrap()
}

fn start_both(world: &World) -> [Program; 2] {
    let analyzer = "analyzer:\n  deepseek: { timeout: 2 }\n  analysis: { interval_seconds: 3, flow_window_minutes: 8, profile_window_minutes: 8 }\nredis:\n";
    world.edit_config("redis:\n", analyzer);
    [world.collector(), world.analyzer()]
}

async fn stop_both(mut programs: [Program; 2]) {
    for program in &mut programs {
        assert!(program.is_running(), "{}", program.stderr());
        assert_eq!(program.stop("TERM").await.0, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_an_address_that_follows_a_sentinel_both_programs_go_on() {
    let (mut world, mut other) = with_replica(361).await;
    let sentinel = Sentinel::start(world.redis.port());
    let programs = start_both(&world);
    both_work(&world).await;
    sentinel.knows_a_replica().await;
    // The master dies.
    world.redis.kill();
    sentinel.names(&other).await;
    move_to(&mut world, &mut other);
    both_work(&world).await;
    // It comes back, becomes a replica, and a failover by hand makes it the master again.
    other.restart().await;
    in_step(&other).await;
    sentinel.knows_a_replica().await;
    let () = sentinel.ask(&["FAILOVER", NAME]).await.unwrap();
    sentinel.names(&other).await;
    move_to(&mut world, &mut other);
    both_work(&world).await;
    stop_both(programs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_master_that_became_a_replica_is_given_up() {
    let (mut world, mut other) = with_replica(362).await;
    let programs = start_both(&world);
    both_work(&world).await;
    replica_of(&other, None).await;
    replica_of(&world.redis, Some(&other)).await;
    for program in &programs {
        let named = eventually("the replica is named", LIMIT, async || {
            program.stderr().contains("read only replica")
        });
        assert!(named.await.is_ok(), "{}", program.stderr());
    }
    // The connections to the replica are in order and stay open; only new ones lead to the master.
    move_to(&mut world, &mut other);
    both_work(&world).await;
    stop_both(programs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_promoted_replica_lacks_is_stored_again() {
    let (mut world, mut other) = with_replica(363).await;
    let programs = start_both(&world);
    both_work(&world).await;
    // From here on the replica gets nothing any more.
    replica_of(&other, None).await;
    let newest = world.assert_whole(world.now().offset(2), LIMIT).await.newest();
    world.redis.kill();
    move_to(&mut world, &mut other);
    let lacking = world.recorded().await.unwrap().newest();
    assert!(lacking < newest, "{lacking:?} is not before {newest:?}");
    both_work(&world).await;
    stop_both(programs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_does_with_a_prefix_that_keeps_all_keys_in_one_slot() {
    let cluster_port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let number = cluster_port.local_addr().unwrap().port().to_string();
    drop(cluster_port);
    let world = World::start(WorldOptions {
        seed: 364,
        window: 5,
        backfill: 5,
        redis: RedisOptions {
            arguments: ["--cluster-enabled", "yes", "--cluster-port", &number]
                .map(str::to_owned)
                .into(),
            ..RedisOptions::default()
        },
        ..WorldOptions::default()
    })
    .await;
    let mut connection = world.connection().await;
    let () = redis::cmd("CLUSTER")
        .arg(&["ADDSLOTSRANGE", "0", "16383"])
        .query_async(&mut connection)
        .await
        .unwrap();
    let mut collector = world.collector();
    let refused = eventually("keys in several slots are refused", LIMIT, async || {
        collector.stderr().contains("hash to the same slot")
    });
    assert!(refused.await.is_ok(), "{}", collector.stderr());
    assert_eq!(collector.stop("TERM").await.0, Some(0));
    world.edit_config("redis:\n", "redis:\n  key_prefix: \"{btcfdusd}:\"\n");
    let mut collector = world.collector();
    let mut window: Vec<String> = Vec::new();
    let recorded = eventually("the window is whole", LIMIT, async || {
        window = redis::cmd("LRANGE")
            .arg("{btcfdusd}:trades_window")
            .arg(0)
            .arg(-1)
            .query_async(&mut connection)
            .await
            .unwrap_or_default();
        let recorded = Recorded::read(&window, &world.storage());
        recorded.is_ok_and(|recorded| recorded.window.len() >= 5 && recorded.incomplete() == 0)
    });
    assert!(recorded.await.is_ok(), "{}", collector.stderr());
    let recorded = Recorded::read(&window, &world.storage()).unwrap();
    assert_eq!(recorded.differences(&world.truth()), []);
    let (code, _, err) = world.ask("analyzer", &["--once"]).await;
    assert_eq!(code, Some(0), "{err}");
    let lines: u64 = redis::cmd("LLEN")
        .arg("{btcfdusd}:trading_recommendations")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(lines, 1);
    assert_eq!(collector.stop("TERM").await.0, Some(0));
}
