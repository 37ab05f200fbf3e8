//! The collector's figures for a monitoring system. Their names are part of the outside surface: `docs/metrics.md`.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use strategy_core::metrics::{self, Page};
use tokio_util::sync::CancellationToken;

use crate::health::{Part, Snapshot};
use crate::recorder::RecorderCounts;
use crate::shared::Shared;

/// What the present term shares; none before the first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Current(Arc<Mutex<Option<Arc<Shared>>>>);

impl Current {
    /// A new term has begun.
    pub(crate) fn set(&self, shared: &Arc<Shared>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(shared));
    }

    fn get(&self) -> Option<Arc<Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves the figures until the program stops.
///
/// # Errors
/// None.
pub(crate) async fn serve(
    listen: SocketAddr,
    current: Current,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let of_page = current.clone();
    let page = move || of_page.get().map_or(String::new(), |shared| text(&shared));
    let note = move |error: Option<&std::io::Error>| {
        let health = current.get();
        if let Some(error) = error {
            let words = format!("metrics: {listen} cannot be listened on: {error}");
            if health.is_some_and(|shared| shared.health.degrade(Part::Metrics, words)) {
                tracing::warn!(%listen, error = error as &dyn Error, "metrics cannot be served; trying again");
            }
        } else {
            if let Some(shared) = health {
                shared.health.recover(Part::Metrics);
            }
            tracing::info!(url = format!("http://{listen}/metrics"), "metrics are served");
        }
    };
    metrics::serve(listen, page, note, stop).await
}

fn text(shared: &Shared) -> String {
    let state = shared.health.snapshot();
    let mut page = Page::of("data-collector", shared.settings.symbol.as_str());
    let owner = *shared.owned.borrow();
    page.gauge(
        "owner",
        "1 while this collector owns the keys, 0 as a standby.",
        u8::from(owner),
    );
    stream(&mut page, shared, &state);
    rows(&mut page, state.recorder);
    minutes(&mut page, shared, &state);
    rare(&mut page, &state);
    let count = |name: &str| state.counters.get(name).copied().unwrap_or_default();
    page.counter(
        "depth_snapshots_total",
        "Order books stored.",
        count("depth_snapshots"),
    );
    page.counter(
        "depth_rejected_total",
        "Order books refused.",
        count("depth_rejected"),
    );
    page.counter(
        "rest_weight_used_total",
        "Request weight spent at the exchange.",
        shared.rest.transport().weight_spent(),
    );
    page.counter(
        "storage_failures_total",
        "Attempts to write a file that failed.",
        count("storage_failures"),
    );
    page.counter(
        "log_lines_lost_total",
        "Lines that the log file did not take.",
        shared.log.lost_lines(),
    );
    resources(&mut page, shared, &state);
    page.into_text()
}

fn stream(page: &mut Page, shared: &Shared, state: &Snapshot) {
    let count = |name: &str| state.counters.get(name).copied().unwrap_or_default();
    let (frames, last) = shared.health.frames();
    let connections = count("stream_connections");
    let counts = state.recorder;
    page.gauge(
        "stream_connected",
        "1 while a trade stream is open.",
        u8::from(state.websocket_connected),
    );
    page.counter("stream_frames_total", "Text frames of the trade stream.", frames);
    page.counter(
        "stream_frames_rejected_total",
        "Frames that cannot be true.",
        count("frames_rejected"),
    );
    page.known_gauge(
        "stream_last_frame_timestamp_seconds",
        "When the last frame came.",
        last.map(|millis| millis as f64 / 1000.0),
    );
    page.counter("stream_connections_total", "Trade streams opened.", connections);
    page.counter(
        "stream_reconnects_total",
        "Trade streams opened after the first.",
        connections.saturating_sub(1),
    );
    page.counter("trades_total", "Trades counted, each once.", counts.trades);
    page.counter("gaps_found_total", "Gaps in the ids of the stream.", counts.gaps);
    page.counter(
        "gaps_healed_total",
        "Gaps that REST has filled.",
        counts.gaps_healed,
    );
    page.counter("gaps_left_total", "Gaps left to the history.", counts.gaps_left);
    page.counter(
        "trades_repaired_total",
        "Trades that REST gave for gaps.",
        counts.repaired_trades,
    );
}

/// Rows and ids that are not simply the next trade.
fn rows(page: &mut Page, counts: RecorderCounts) {
    for (name, help, count) in [
        (
            "dead_rows_total",
            "Ids that the exchange has emptied.",
            counts.dead_rows,
        ),
        ("duplicate_rows_total", "Ids that came again.", counts.duplicates),
        (
            "rejected_rows_total",
            "Rows that cannot be true.",
            counts.rejected_rows,
        ),
        (
            "unreadable_rows_total",
            "Ids whose row in REST is no trade.",
            counts.unreadable_rows,
        ),
        (
            "missing_ids_total",
            "Ids that the exchange does not have.",
            counts.hole_ids,
        ),
        (
            "ids_left_to_history_total",
            "Ids behind a gap that REST did not fill in time.",
            counts.left_to_history,
        ),
        (
            "minutes_amended_total",
            "Finished minutes that got one more trade.",
            counts.amended_minutes,
        ),
        (
            "minutes_invalidated_total",
            "Finished minutes that turned out to lack a trade.",
            counts.invalidated_minutes,
        ),
    ] {
        page.counter(name, help, count);
    }
}

/// What should hardly ever happen.
fn rare(page: &mut Page, state: &Snapshot) {
    for (name, help, counter) in [
        (
            "mute_streams_total",
            "Trade streams given up because they lacked trades.",
            "mute_streams",
        ),
        (
            "minutes_let_go_total",
            "Minutes dropped while Redis was away, to be asked for again.",
            "minutes_let_go",
        ),
        (
            "trades_too_late_total",
            "Trades of minutes that had left the window.",
            "trades_too_late",
        ),
    ] {
        let count = state.counters.get(counter).copied().unwrap_or_default();
        page.counter(name, help, count);
    }
}

fn minutes(page: &mut Page, shared: &Shared, state: &Snapshot) {
    let counts = state.recorder;
    page.counter(
        "minutes_sealed_total",
        "Minutes finished whole.",
        counts.minutes_complete,
    );
    page.counter(
        "minutes_incomplete_total",
        "Minutes finished that lack trades.",
        counts.minutes_incomplete,
    );
    page.gauge("window_minutes", "Minutes in Redis.", state.window_count);
    page.gauge(
        "window_minutes_incomplete",
        "Minutes in Redis that are not complete.",
        state.incomplete_minutes,
    );
    page.gauge(
        "backfill_minutes_done",
        "Minutes filled from the history.",
        state.backfill.done_minutes,
    );
    page.gauge(
        "backfill_minutes_wanted",
        "Minutes that were missing.",
        state.backfill.total_minutes,
    );
    page.gauge(
        "outbox_minutes",
        "Minutes that wait for Redis, at most 360.",
        shared.outbox.len(),
    );
}

fn resources(page: &mut Page, shared: &Shared, state: &Snapshot) {
    let meter = &shared.settings.store.meter;
    let server = state.server.as_ref();
    page.redis(meter);
    page.known_gauge(
        "redis_memory_used_bytes",
        "Memory of the server.",
        server.map(|server| server.used_bytes),
    );
    page.known_gauge(
        "redis_memory_limit_bytes",
        "Memory that the server may use.",
        server.and_then(|server| server.limit_bytes),
    );
    page.known_gauge(
        "redis_keys_bytes",
        "Size of the lists kept here.",
        server.map(|server| server.keys_bytes),
    );
    page.known_gauge(
        "storage_files",
        "Files of minutes.",
        state.files.map(|files| files.files),
    );
    page.known_gauge(
        "storage_bytes",
        "Size of the files of minutes.",
        state.files.map(|files| files.bytes),
    );
    let notices = !shared.rest.transport().notices().is_empty();
    let unwell = Part::ALL.map(|part| (part.name(), state.is_unwell(part)));
    page.gauges(
        "degraded",
        "1 for a part that is unwell.",
        unwell
            .into_iter()
            .chain([
                ("request_budget", notices),
                ("log", shared.log.trouble().is_some()),
            ])
            .map(|(part, is_unwell)| (vec![("part", part)], u8::from(is_unwell))),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_its_own_figure() {
        let counts = RecorderCounts {
            dead_rows: 1,
            duplicates: 2,
            rejected_rows: 3,
            unreadable_rows: 4,
            hole_ids: 5,
            left_to_history: 6,
            amended_minutes: 7,
            invalidated_minutes: 8,
            ..RecorderCounts::default()
        };
        let names = ["mute_streams", "minutes_let_go", "trades_too_late"];
        let mut state = Snapshot::default();
        state.counters.extend(names.into_iter().zip(9..));
        let mut page = Page::default();
        rows(&mut page, counts);
        rare(&mut page, &state);
        let text = page.into_text();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "strategy_agent_dead_rows_total 1",
                "strategy_agent_duplicate_rows_total 2",
                "strategy_agent_rejected_rows_total 3",
                "strategy_agent_unreadable_rows_total 4",
                "strategy_agent_missing_ids_total 5",
                "strategy_agent_ids_left_to_history_total 6",
                "strategy_agent_minutes_amended_total 7",
                "strategy_agent_minutes_invalidated_total 8",
                "strategy_agent_mute_streams_total 9",
                "strategy_agent_minutes_let_go_total 10",
                "strategy_agent_trades_too_late_total 11",
            ]
        );
    }
}
