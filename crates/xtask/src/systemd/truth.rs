//! The minutes in Redis against the trades of the exchange, both read in the machine.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::machine::Machine;

/// Parts of a unit in which amounts are compared: the exchange writes eight digits.
const PARTS: f64 = 1e8;

/// Most trades of a minute that one answer of the exchange holds.
const PAGE: usize = 1000;

/// Length of a minute in the exchange's time.
const MINUTE_MS: i64 = 60_000;

/// Compares the window with the exchange: no minute missing or twice, all of them complete but the newest
/// `may_be_open`, and each the sum of its trades. Answers how many minutes were compared.
pub(super) fn compare(machine: &Machine, may_be_open: usize) -> Result<usize> {
    let minutes = window(machine)?;
    ensure!(!minutes.is_empty(), "the window is empty");
    let mut compared = 0;
    let mut newer: Option<i64> = None;
    for (index, minute) in minutes.iter().enumerate() {
        let start = start_of(machine, minute)?;
        if let Some(newer) = newer.replace(start) {
            ensure!(
                newer - start == MINUTE_MS,
                "minutes are missing or doubled at {}",
                minute["timestamp"]
            );
        }
        if minute["complete"] != true {
            ensure!(index < may_be_open, "{} is not complete", minute["timestamp"]);
            continue;
        }
        compare_one(machine, minute, start)?;
        compared += 1;
    }
    Ok(compared)
}

/// The elements of the window, newest first.
pub(super) fn window(machine: &Machine) -> Result<Vec<Value>> {
    let text = machine.run("redis-cli --raw lrange trades_window 0 -1")?;
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).context("an element of the window is no JSON"))
        .collect()
}

fn start_of(machine: &Machine, minute: &Value) -> Result<i64> {
    let stamp = minute["timestamp"]
        .as_str()
        .context("an element without a time")?;
    let seconds = machine.run(&format!("date --date={stamp} +%s"))?;
    Ok(seconds.trim().parse::<i64>()? * 1000)
}

fn compare_one(machine: &Machine, minute: &Value, start: i64) -> Result<()> {
    let end = start + MINUTE_MS - 1;
    let path = format!("/api/v3/aggTrades?symbol=BTCFDUSD&startTime={start}&endTime={end}&limit={PAGE}");
    let body = machine.run(&format!(
        "exec 3<>/dev/tcp/127.0.0.1/18080; printf 'GET {path} HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' >&3; \
         sed '1,/^\\r$/d' <&3"
    ))?;
    let trades: Vec<Value> = serde_json::from_str(&body).with_context(|| format!("no trades but: {body}"))?;
    agree(minute, &trades)
}

/// A minute is the sum of its trades.
fn agree(minute: &Value, trades: &[Value]) -> Result<()> {
    ensure!(trades.len() < PAGE, "too many trades for one answer");
    let [mut bought, mut sold] = [0, 0];
    for trade in trades {
        let quantity: f64 = trade["q"].as_str().context("a trade without quantity")?.parse()?;
        *(if trade["m"] == true {
            &mut sold
        } else {
            &mut bought
        }) += parts(quantity);
    }
    let [mut buy_volume, mut sell_volume] = [0, 0];
    for level in minute["price_levels"]
        .as_object()
        .into_iter()
        .flat_map(|levels| levels.values())
    {
        buy_volume += parts(level["buy_volume"].as_f64().context("no buy_volume")?);
        sell_volume += parts(level["sell_volume"].as_f64().context("no sell_volume")?);
    }
    let id = |trade: Option<&Value>| trade.map_or(Value::Null, |trade| trade["a"].clone());
    let truth = (
        trades.len() as u64,
        id(trades.first()),
        id(trades.last()),
        bought,
        sold,
    );
    let found = (
        minute["trade_count"].as_u64().context("no trade_count")?,
        minute["first_trade_id"].clone(),
        minute["last_trade_id"].clone(),
        buy_volume,
        sell_volume,
    );
    ensure!(
        found == truth,
        "{}: {found:?} in redis, {truth:?} on the exchange",
        minute["timestamp"]
    );
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "amounts of a test are small")]
fn parts(amount: f64) -> i64 {
    (amount * PARTS).round() as i64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn minute(trade_count: u64, last: u64, sold: f64) -> Value {
        let levels = json!({
            "100": {"buy_volume": 0.1, "sell_volume": 0.0},
            "101": {"buy_volume": 0.2, "sell_volume": sold},
        });
        json!({"timestamp": "t", "trade_count": trade_count, "first_trade_id": 7, "last_trade_id": last,
               "price_levels": levels})
    }

    #[test]
    fn a_minute_is_true_only_by_count_ids_and_volumes() {
        let trade = |id: u64, quantity: &str, sold: bool| json!({"a": id, "q": quantity, "m": sold});
        // As floating numbers 0.1 and 0.2 are more than 0.3.
        let trades = [
            trade(7, "0.10000000", false),
            trade(8, "0.20000000", false),
            trade(9, "0.00000001", true),
        ];
        agree(&minute(3, 9, 0.000_000_01), &trades).unwrap();
        for wrong in [
            minute(2, 9, 0.000_000_01),
            minute(3, 8, 0.000_000_01),
            minute(3, 9, 0.000_000_02),
        ] {
            let error = agree(&wrong, &trades).unwrap_err().to_string();
            assert!(
                error.contains("in redis") && error.contains("on the exchange"),
                "{error}"
            );
        }
        let page = vec![trade(1, "1.00000000", true); PAGE];
        assert!(
            agree(&minute(1000, 1, 1000.0), &page).is_err(),
            "there may be more"
        );
    }
}
