//! The usual layouts of the exchange's messages, from left to right. Pure.
//!
//! `None` means that a message deviates, or holds something that needs a closer look: then `parse` reads it with
//! `serde_json` and says what is wrong with it. What is read here is read there to the same value; the tests
//! of this file hold both together.

#![expect(
    clippy::inline_always,
    reason = "a message is read in one function, as in strategy_core::scan"
)]

use strategy_core::model::{AggTrade, Aggressor, DepthLevel};
use strategy_core::num::{Price, Quantity, is_worth_more};
use strategy_core::scan::Scanner;
use strategy_core::symbol::Symbol;
use strategy_core::time::ExchangeMs;

use crate::binance::error::MAX_NOTIONAL;
use crate::binance::parse::{TradeRow, is_too_late, parse_time, row_of};
use crate::binance::wire::TradeRecord;

/// Bytes of a row of a page, usually more.
const ROW_BYTES: usize = 110;

/// Most rows for which room is made at once.
const MOST_ROWS: usize = 1000;

/// A trade of the stream in raw form, and when it was sent.
#[inline]
pub(super) fn frame(text: &str, symbol: &Symbol) -> Option<(AggTrade, ExchangeMs)> {
    let mut scan = Scanner::new(text);
    scan.pass(r#"{"e":"aggTrade","E":"#)?;
    let sent_at = time(&mut scan)?;
    scan.pass(r#","s":""#)?;
    scan.pass(symbol.as_str())?;
    scan.pass(r#"","#)?;
    let trade = trade(&mut scan)?;
    scan.end()?;
    (!is_too_late(&trade, sent_at)).then_some((trade, sent_at))
}

/// A time, nearly always in milliseconds.
#[inline(always)]
fn time(scan: &mut Scanner<'_>) -> Option<ExchangeMs> {
    let value = match scan.milliseconds() {
        Some(value) => value,
        None => scan.integer()?,
    };
    parse_time(value).ok()
}

/// The fields a frame and a row of a page share, of a living trade, and the end of their object.
#[inline(always)]
fn trade(scan: &mut Scanner<'_>) -> Option<AggTrade> {
    scan.pass(r#""a":"#)?;
    let id = scan.unsigned()?;
    scan.pass(r#","p":"#)?;
    let price = Price::scan_quoted(scan)?;
    scan.pass(r#","q":"#)?;
    let quantity = Quantity::scan_quoted(scan).filter(|quantity| !quantity.is_zero())?;
    scan.pass(r#","f":"#)?;
    scan.skip_unsigned()?;
    scan.pass(r#","l":"#)?;
    scan.skip_unsigned()?;
    scan.pass(r#","T":"#)?;
    let traded_at = time(scan)?;
    scan.pass(r#","m":"#)?;
    let buyer_is_maker = scan.boolean()?;
    scan.pass(r#","M":"#)?;
    scan.boolean()?;
    scan.pass("}")?;
    (!is_worth_more(price, quantity, MAX_NOTIONAL)).then_some(AggTrade {
        id,
        price,
        quantity,
        traded_at,
        aggressor: Aggressor::from_buyer_is_maker(buyer_is_maker),
    })
}

/// A page of trades, dead ones and such that are none among them.
pub(super) fn page(text: &str) -> Option<Vec<TradeRow>> {
    let mut scan = Scanner::new(text);
    let mut rows = Vec::with_capacity((text.len() / ROW_BYTES).min(MOST_ROWS));
    scan.pass("[")?;
    loop {
        let start = scan;
        scan.pass("{")?;
        let row = if let Some(trade) = trade(&mut scan) {
            TradeRow::Trade(trade)
        } else {
            scan = start;
            row_of(&TradeRecord::scan(&mut scan)?)
        };
        rows.push(row);
        if !scan.passes(",") {
            break;
        }
    }
    scan.pass("]")?;
    scan.end()?;
    Some(rows)
}

/// A book: its number, bids and asks.
pub(super) fn book(text: &str) -> Option<(u64, Vec<DepthLevel>, Vec<DepthLevel>)> {
    let mut scan = Scanner::new(text);
    scan.pass(r#"{"lastUpdateId":"#)?;
    let id = scan.unsigned()?;
    scan.pass(r#","bids":"#)?;
    let bids = levels(&mut scan)?;
    scan.pass(r#","asks":"#)?;
    let asks = levels(&mut scan)?;
    scan.pass("}")?;
    scan.end()?;
    Some((id, bids, asks))
}

fn levels(scan: &mut Scanner<'_>) -> Option<Vec<DepthLevel>> {
    let mut levels = Vec::new();
    scan.pass("[")?;
    if scan.passes("]") {
        return Some(levels);
    }
    loop {
        scan.pass("[")?;
        let price = Price::scan_quoted(scan)?;
        scan.pass(",")?;
        let quantity = Quantity::scan_quoted(scan)?;
        scan.pass("]")?;
        levels.push(DepthLevel { price, quantity });
        if !scan.passes(",") {
            break;
        }
    }
    scan.pass("]")?;
    Some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    use crate::binance::parse::{parse_depth, parse_frame, parse_rows};

    const FRAME: &str = r#"{"e":"aggTrade","E":1672515782136,"s":"BTCFDUSD","a":12345,"p":"113558.13000000","q":"0.02000000","f":100,"l":105,"T":1672515782130,"m":true,"M":true}"#;
    const PAGE: &str = r#"[{"a":7,"p":"1.50","q":"2","f":1,"l":1,"T":1498793709153,"m":true,"M":true},{"a":8,"p":"0","q":"0","f":-1,"l":-1,"T":1498793709153,"m":false,"M":true},{"a":9,"p":"1.5","q":"x","f":1,"l":1,"T":1498793709153,"m":true,"M":true}]"#;
    const BOOK: &str = r#"{"lastUpdateId":9,"bids":[["113558.12000000","0.0046"],["113558.1","7"]],"asks":[["113562.99","0.0165"]]}"#;

    fn symbol() -> Symbol {
        Symbol::new("BTCFDUSD").unwrap()
    }

    /// The same value with a space in it, which no scanner takes.
    fn spaced(text: &str) -> String {
        let spaced = text.replacen(':', ": ", 1);
        if spaced == text {
            format!(" {text}")
        } else {
            spaced
        }
    }

    #[test]
    fn the_usual_layouts_are_taken() {
        assert!(frame(FRAME, &symbol()).is_some());
        assert_eq!(page(PAGE).map(|rows| rows.len()), Some(3));
        assert!(book(BOOK).is_some());
        assert_eq!(
            book(r#"{"lastUpdateId":9,"bids":[],"asks":[]}"#),
            Some((9, vec![], vec![]))
        );
    }

    #[test]
    fn what_deviates_is_left_to_the_parser() {
        for text in [
            FRAME.replace("true}", "true,\"n\":1}"),
            FRAME.replace("BTCFDUSD", "ETHFDUSD"),
            FRAME.replace("0.02000000", "0.00000000"),
            FRAME.replace("0.02000000", "99999999999.9"),
            FRAME.replace("\"f\":100", "\"f\":-1"),
            FRAME.replace("1672515782130", "1672599999999"),
            spaced(FRAME),
        ] {
            assert_eq!(frame(&text, &symbol()), None, "{text}");
        }
        assert_eq!(page("[]"), None);
        assert_eq!(page(&spaced(PAGE)), None);
        assert_eq!(book(&spaced(BOOK)), None);
    }

    proptest! {
        // A changed or missing byte: what is taken is what the parser makes of the same value in another layout.
        #[test]
        fn what_is_taken_is_read_as_the_parser_reads_it(at in 0_usize..400, byte in 0x20_u8..0x7f, cut in any::<bool>()) {
            let change = |text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                let at = at % bytes.len();
                if cut {
                    bytes.remove(at);
                } else {
                    bytes[at] = byte;
                }
                String::from_utf8(bytes).unwrap()
            };
            let text = change(FRAME);
            if frame(&text, &symbol()).is_some() {
                let other = parse_frame(&spaced(&text), &symbol());
                prop_assert_eq!(parse_frame(&text, &symbol()).unwrap(), other.unwrap(), "{}", text);
            }
            let text = change(PAGE);
            if page(&text).is_some() {
                let other = parse_rows(&spaced(&text), 10);
                prop_assert_eq!(parse_rows(&text, 10).unwrap(), other.unwrap(), "{}", text);
            }
            let text = change(BOOK);
            if book(&text).is_some() {
                let read = |text: &str| parse_depth(text, &symbol(), DateTime::UNIX_EPOCH).ok();
                prop_assert_eq!(read(&text), read(&spaced(&text)), "{}", text);
            }
        }
    }
}
