//! The analyzer's figures for a monitoring system. Their names are part of the outside surface: `docs/metrics.md`.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use strategy_core::metrics::{self, Page};
use strategy_core::store::StoreMeter;
use tokio_util::sync::CancellationToken;

use crate::status::Board;

/// Parts that can be unwell, as the board knows them.
const PARTS: [&str; 10] = [
    "advice",
    "analysis",
    "archive",
    "cost",
    "data",
    "documents",
    "journal",
    "journal_lost",
    "metrics",
    "model",
];

/// Serves the figures until the program stops.
///
/// # Errors
/// None.
pub(crate) async fn serve(
    listen: SocketAddr,
    board: Board,
    meter: Arc<StoreMeter>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let of_page = board.clone();
    let page = move || text(&of_page, &meter);
    let note = move |error: Option<&std::io::Error>| {
        let words = error.map(|error| format!("metrics: {listen} cannot be listened on: {error}"));
        let changed = board.trouble("metrics", words);
        match error {
            Some(error) if changed => {
                tracing::warn!(%listen, error = error as &dyn Error, "metrics cannot be served; trying again");
            }
            Some(_) => {}
            None => tracing::info!(url = format!("http://{listen}/metrics"), "metrics are served"),
        }
    };
    metrics::serve(listen, page, note, stop).await
}

fn text(board: &Board, meter: &StoreMeter) -> String {
    let facts = board.figures();
    let totals = facts.totals;
    let mut page = Page::of("analyzer", board.symbol());
    let count = |name: &str| facts.counters.get(name).copied().unwrap_or_default();
    page.counter("cycles_total", "Analysis cycles finished.", count("cycles"));
    page.counter(
        "unreadable_documents_total",
        "Documents in Redis that are not what the layout says.",
        count("unreadable_documents"),
    );
    page.counter(
        "foreign_minutes_total",
        "Minutes in Redis that are of another market.",
        count("foreign_minutes"),
    );
    page.counter(
        "log_lines_lost_total",
        "Lines that the log file did not take.",
        board.log.lost_lines(),
    );
    let outcomes = totals
        .outcomes
        .iter()
        .flat_map(|([source, status, action], reasons)| {
            reasons.iter().map(|(reason, count)| {
                let labels = [
                    ("source", *source),
                    ("status", *status),
                    ("action", *action),
                    ("reason", reason.as_str()),
                ];
                (labels.to_vec(), *count)
            })
        });
    page.counters(
        "outcomes_total",
        "Recommendations by what they say and why.",
        outcomes,
    );
    page.counter(
        "model_calls_total",
        "Requests sent to the model.",
        totals.spending.requests,
    );
    let tokens = [
        ("cached_input", totals.spending.cached_tokens),
        ("input", totals.spending.input_tokens),
        ("output", totals.spending.output_tokens),
    ];
    page.counters(
        "model_tokens_total",
        "Tokens as the vendor stated them.",
        tokens.map(|(kind, count)| (vec![("kind", kind)], count)),
    );
    page.counter(
        "model_cost_usd_total",
        "What the model cost.",
        totals.spending.cost_usd.normalize(),
    );
    page.known_gauge(
        "last_analysis_timestamp_seconds",
        "When the last analysis was stored.",
        facts.last_analysis.map(|at| at.timestamp()),
    );
    page.known_gauge(
        "last_recommendation_timestamp_seconds",
        "When the last recommendation was written.",
        facts.last_recommendation.map(|at| at.timestamp()),
    );
    let (log, redis) = totals.waiting;
    page.gauges(
        "lines_waiting",
        "Recommendations that wait for the log or for Redis, at most 1440 each.",
        [(vec![("for", "log")], log), (vec![("for", "redis")], redis)],
    );
    page.redis(meter);
    let unwell = PARTS.map(|part| (part, facts.unwell.contains(part)));
    page.gauges(
        "degraded",
        "1 for a part that is unwell.",
        unwell
            .into_iter()
            .chain([("redis", facts.redis_unwell), ("log", facts.log_unwell)])
            .map(|(part, is_unwell)| (vec![("part", part)], u8::from(is_unwell))),
    );
    page.into_text()
}
