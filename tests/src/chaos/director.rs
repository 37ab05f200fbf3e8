//! Carries out the schedule of a chaos run, and puts everything right again at its end.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use market_sim::faults::WsCommand;
use tokio::time::Instant;

use crate::World;
use crate::chaos::crew::Crew;
use crate::chaos::fault::Act;
use crate::chaos::keep::{copy_tree, move_files};
use crate::chaos::plan::Step;
use crate::chaos::reader::Circumstances;

/// How often the collectors are looked at between two acts.
const LOOK: Duration = Duration::from_millis(50);

/// Where Redis keeps its append-only file, below its directory.
const APPEND_ONLY: &str = "appendonlydir";

/// Does what the schedule says to the world.
#[derive(Debug)]
pub(crate) struct Director<'a> {
    world: &'a mut World,
    crew: &'a mut Crew,
    circumstances: Arc<Circumstances>,
    redis_runs: bool,
    remembered: bool,
}

impl<'a> Director<'a> {
    /// A director of this world and these collectors.
    pub(crate) fn new(world: &'a mut World, crew: &'a mut Crew, circumstances: Arc<Circumstances>) -> Self {
        Self {
            world,
            crew,
            circumstances,
            redis_runs: true,
            remembered: false,
        }
    }

    /// Carries out all steps, then ends every fault; at least one collector runs afterwards.
    pub(crate) async fn run(mut self, steps: &[Step]) {
        let start = Instant::now();
        for step in steps {
            while start.elapsed() < step.at {
                let left = step.at.saturating_sub(start.elapsed());
                tokio::time::sleep(left.min(LOOK)).await;
                self.crew.check().await;
            }
            self.act(&step.act).await;
        }
        self.world.exchange.faults().clear();
        self.world.redis_proxy.refuse(false);
        self.world.redis_proxy.freeze(false);
        self.world.redis_proxy.delay(Duration::ZERO);
        self.start_redis().await;
        self.block_storage(false);
        self.crew.sleep(false).await;
        if steps.iter().any(|step| step.act.needs_restart()) {
            // As an operator does who has set another host.
            self.crew.stop_all().await;
        }
        self.crew.ensure().await;
    }

    async fn act(&mut self, act: &Act) {
        let faults = self.world.exchange.faults().clone();
        let proxy = &self.world.redis_proxy;
        match act {
            Act::DropStreams => faults.drop_all(),
            Act::CloseStreams(code) => faults.close_all(*code, "chaos"),
            Act::HalfFrame => faults.command(WsCommand::HalfFrame),
            Act::ServerShutdown(true) => faults.command(WsCommand::Shutdown),
            Act::ServerShutdown(false) => faults.command(WsCommand::AnnounceShutdown),
            Act::RefuseUpgrades(status, times) => faults.refuse_upgrade(*status, *times),
            Act::CloseOnAccept(times) => faults.close_on_accept(*times),
            Act::Stream(mode) => faults.set_mode(*mode),
            Act::SkipRows(rows) => faults.skip_rows(*rows),
            Act::SkipLateRows(rows) => faults.skip_late_rows(*rows),
            Act::DoubleRows(rows) => faults.duplicate_rows(*rows),
            Act::SwapRows(rows) => faults.swap_rows(*rows),
            Act::ExtraFields(rows) => faults.extra_fields(*rows),
            Act::GarbageFrame => faults.send_text("{\"e\":\"aggTrade\",\"a\":"),
            Act::BinaryFrame => faults.command(WsCommand::Binary(vec![0, 159, 146, 150])),
            Act::ForeignTrade => faults.send_foreign_trade(),
            Act::UnknownEvent => {
                faults.send_unknown_event();
                faults.send_error_object();
            }
            Act::ExchangeAhead(minutes) => self.world.clock.advance(Duration::from_secs(minutes * 60)),
            Act::Rest(endpoint, fault, times) => faults.rest(*endpoint, fault.clone(), *times),
            Act::RestOutage(fault) => faults.rest_outage(fault),
            Act::RestClear => faults.clear_rest(),
            Act::RedisFrozen(frozen) => proxy.freeze(*frozen),
            Act::RedisCut => proxy.cut(),
            Act::RedisRefused(refused) => proxy.refuse(*refused),
            Act::RedisDelay(ms) => proxy.delay(Duration::from_millis(*ms)),
            Act::RedisKill => self.end_redis(false).await,
            Act::RedisStop => self.end_redis(true).await,
            Act::RedisStart => self.start_redis().await,
            Act::RedisRemember => self.remember(),
            Act::RedisRollback => self.roll_back().await,
            Act::RedisForget(count, crash) => self.forget(*count, *crash).await,
            Act::LeaseForgotten => self.forget_lease().await,
            Act::StorageBlocked(blocked) => self.block_storage(*blocked),
            Act::CrashLeftovers => self.leave_behind(),
            Act::StartCollector => self.crew.start().await,
            Act::SleepCollectors(asleep) => self.crew.sleep(*asleep).await,
            Act::KillCollector(which) => self.crew.kill(*which).await,
            Act::StopCollector(which, signal) => self.crew.stop(*which, signal).await,
        }
    }

    async fn end_redis(&mut self, in_order: bool) {
        if std::mem::take(&mut self.redis_runs) {
            if in_order {
                self.world.redis.stop().await;
            } else {
                self.world.redis.kill();
            }
            // Stopped in order with its file it forgets nothing.
            if !(in_order && self.world.options.redis.append_only) {
                self.note_loss();
            }
        }
    }

    async fn start_redis(&mut self) {
        if !self.redis_runs {
            self.world.redis.restart().await;
            self.redis_runs = true;
        }
    }

    fn note_loss(&self) {
        self.circumstances.losses.fetch_add(1, Ordering::SeqCst);
    }

    /// Copies the append-only file as it is, which may be in the middle of a write, as in a crash.
    fn remember(&mut self) {
        let directory = self.world.redis.directory();
        let copy = self.world.directory().join("remembered");
        drop(fs::remove_dir_all(&copy));
        // A file that Redis replaces at this moment makes the copy fail: then nothing is remembered.
        self.remembered = copy_tree(&directory.join(APPEND_ONLY), &copy).is_ok();
    }

    async fn roll_back(&mut self) {
        self.end_redis(false).await;
        if self.remembered {
            let place = self.world.redis.directory().join(APPEND_ONLY);
            let copy = self.world.directory().join("remembered");
            fs::remove_dir_all(&place).expect("the directory of the append-only file can be removed");
            copy_tree(&copy, &place).expect("the copy can be put back");
        }
        self.note_loss();
    }

    async fn forget(&mut self, count: usize, crash: bool) {
        if !self.redis_runs {
            return;
        }
        if crash {
            self.world.redis_proxy.cut();
        }
        let popped: redis::RedisResult<()> = redis::cmd("LPOP")
            .arg("trades_window")
            .arg(count)
            .query_async(&mut self.world.connection().await)
            .await;
        popped.expect("elements can be removed");
        self.note_loss();
    }

    async fn forget_lease(&mut self) {
        if self.redis_runs {
            let removed: redis::RedisResult<()> = redis::cmd("DEL")
                .arg("data_collector_lease")
                .query_async(&mut self.world.connection().await)
                .await;
            removed.expect("a key can be removed");
        }
    }

    fn block_storage(&mut self, blocked: bool) {
        let storage = self.world.storage();
        let aside = self.world.directory().join("storage.aside");
        if blocked && !storage.is_file() {
            self.circumstances
                .storage_was_blocked
                .store(true, Ordering::SeqCst);
            self.crew.storage_blocked();
            fs::create_dir_all(&aside).expect("a directory beside storage");
            // A collector may make the directory anew at any moment.
            while fs::write(&storage, "in the way").is_err() {
                move_files(&storage, &aside).expect("storage can be moved aside");
            }
        } else if !blocked && storage.is_file() {
            fs::remove_file(&storage).expect("the file can be removed");
            while fs::rename(&aside, &storage).is_err() {
                move_files(&storage, &aside).expect("what is new can be moved to the rest");
            }
        }
    }

    fn leave_behind(&self) {
        let storage = self.world.storage();
        for directory in [storage.clone(), storage.join("unsaved")] {
            let leftover = directory.join(".trades_20251122_0001.tmp");
            // Where there is no directory there are no leftovers.
            drop(write_half(&leftover));
        }
    }
}

fn write_half(path: &Path) -> std::io::Result<()> {
    fs::write(path, "{\n  \"timestamp\": \"2025-11-22T")
}
