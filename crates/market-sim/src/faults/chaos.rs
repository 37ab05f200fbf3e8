//! A seeded schedule of faults, for demonstrations and long tests.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{DepthEdit, Faults, RestFault, StreamMode};
use crate::exchange::Endpoint;

/// Injects one fault every few seconds of wall time, forever. The order of faults depends on the seed
/// only.
pub async fn run_chaos(faults: Faults, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    loop {
        tokio::time::sleep(Duration::from_millis(rng.random_range(4_000..20_000))).await;
        let kind = rng.random_range(0_u32..16);
        tracing::info!(kind, "chaos: injecting a fault");
        match kind {
            0 => faults.rest(
                Endpoint::AggTrades,
                RestFault::server_error(),
                rng.random_range(1..4),
            ),
            1 => faults.rest(
                Endpoint::Depth,
                RestFault::bad_gateway_html(),
                rng.random_range(1..4),
            ),
            2 => faults.rest(Endpoint::AggTrades, RestFault::too_many_requests(3), 1),
            3 => faults.rest(Endpoint::Depth, RestFault::Depth(DepthEdit::Crossed), 1),
            4 => faults.rest(Endpoint::AggTrades, RestFault::ShortPage(7), 1),
            5 => faults.rest(Endpoint::AggTrades, RestFault::Cut(5000), 1),
            6 => faults.rest(Endpoint::Depth, RestFault::Truncated(100_000), 1),
            7 => {
                faults.refuse_upgrade(429, 1);
                faults.drop_all();
            }
            8 => faults.close_all(1008, "Pong timeout"),
            9 => faults.skip_rows(rng.random_range(1..30)),
            10 => faults.duplicate_rows(rng.random_range(1..30)),
            11 => faults.swap_rows(rng.random_range(1..10)),
            12 => faults.send_text("{\"e\":\"aggTr"),
            13 => faults.send_unknown_event(),
            14 => {
                faults.set_mode(StreamMode::DataSilent);
                tokio::time::sleep(Duration::from_secs(rng.random_range(2..20))).await;
                faults.set_mode(StreamMode::Normal);
            }
            _ => faults.command(super::WsCommand::Shutdown),
        }
    }
}
