//! Looks whether the market is open, at the start and then every hour: symbols are halted and delisted.

use std::sync::Arc;
use std::time::Duration;

use crate::binance::error::RestError;
use crate::error::CollectorError;
use crate::health::Part;
use crate::shared::Shared;
use crate::signs::Task;

/// How often the market's status is asked for.
const EVERY: Duration = Duration::from_secs(3600);

/// Wait after a question that was not answered.
const RETRY: Duration = Duration::from_secs(60);

/// The exchange's code for a symbol it does not know.
const INVALID_SYMBOL: i64 = -1121;

/// Runs until the program stops.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), CollectorError> {
    if !shared.owned().await {
        return Ok(());
    }
    loop {
        let Some(outcome) = shared.stop.run_until_cancelled(shared.rest.symbol_status()).await else {
            break;
        };
        let symbol = &shared.settings.symbol;
        let wait = match outcome {
            Ok(status) if status == "TRADING" => {
                shared.health.recover(Part::Market);
                EVERY
            }
            Ok(status) => {
                if shared.health.degrade(
                    Part::Market,
                    format!("market: the status of {symbol} is {status}"),
                ) {
                    tracing::warn!(symbol = %symbol, status, "the market is not trading");
                }
                RETRY
            }
            Err(RestError::Rejected {
                code: Some(INVALID_SYMBOL),
                ..
            }) => {
                if shared.health.degrade(
                    Part::Market,
                    format!("market: the exchange does not know {symbol}"),
                ) {
                    tracing::error!(symbol = %symbol, "the exchange does not know this symbol: check binance.symbol");
                }
                RETRY
            }
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the market's status is unknown"
                );
                RETRY
            }
        };
        shared.signs.sign(Task::Market, wait);
        if !shared.pause(wait).await {
            break;
        }
    }
    Ok(())
}
