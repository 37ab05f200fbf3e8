//! What the tasks share, for tests of one of them: no server and no exchange behind it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strategy_core::num::BucketWidth;
use strategy_core::pulse::Pulse;
use strategy_core::store::{LeaseToken, StoreOptions};
use strategy_core::symbol::Symbol;
use strategy_core::time::SystemClock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::binance::rest::RestClient;
use crate::binance::transport::TransportOptions;
use crate::shared::{Settings, Shared};
use crate::signs::Signs;

/// Redis, where there is none.
pub(crate) fn store() -> StoreOptions {
    StoreOptions {
        host: "127.0.0.1".to_owned(),
        port: 1,
        db: 0,
        username: String::new(),
        password: None,
        tls: false,
        key_prefix: String::new(),
        socket_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        tls_ca: None,
        meter: Arc::default(),
    }
}

/// Files in `storage`; the program began so long ago.
pub(crate) fn shared(storage: &Path, uptime: Duration) -> Arc<Shared> {
    let started = Instant::now().checked_sub(uptime).unwrap();
    let symbol = Symbol::new("BTCFDUSD").unwrap();
    let store = store();
    let timeout = Duration::from_secs(30);
    let rest = RestClient::new(
        symbol.clone(),
        TransportOptions {
            base: "http://127.0.0.1:1".to_owned(),
            weight_per_minute: 6000,
            timeout,
            hold_file: storage.join(".rest_hold"),
            started,
            clock: Arc::new(SystemClock),
        },
    )
    .unwrap();
    let signs = Signs::new(Pulse::default(), &store, timeout);
    let settings = Settings {
        symbol,
        store,
        storage_dir: storage.to_owned(),
        stream_url: "ws://127.0.0.1:1".to_owned(),
        depth_limit: 100,
        depth_interval: Duration::from_secs(60),
        depth_window: 60,
        window_minutes: 10,
        bucket_width: BucketWidth::ONE,
        max_levels: 100,
        backfill_minutes: 10,
        retention_days: 0,
    };
    Arc::new(Shared::new(
        settings,
        Arc::new(SystemClock),
        Arc::new(rest),
        LeaseToken::new("BTCFDUSD@test", 1, 1),
        signs,
        CancellationToken::new(),
        started,
    ))
}
