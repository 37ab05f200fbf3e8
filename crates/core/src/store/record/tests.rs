//! Documents survive, and the two ways of reading agree.

use super::depth::StoredDepth;
use super::minute::StoredMinute;
use super::*;
use crate::model::{AggTrade, Aggressor, DepthLevel, DepthSnapshot, IdRange, MinuteFootprint};
use crate::num::{BucketWidth, Price, Quantity};
use crate::symbol::Symbol;
use crate::time::Minute;
use proptest::prelude::*;
use rust_decimal::Decimal;

fn symbol() -> Symbol {
    Symbol::new("BTCFDUSD").unwrap()
}

fn trade(id: u64, price: &str, quantity: &str, aggressor: Aggressor) -> AggTrade {
    let (price, quantity) = (Price::parse(price).unwrap(), Quantity::parse(quantity).unwrap());
    AggTrade {
        id,
        price,
        quantity,
        traded_at: 0,
        aggressor,
    }
}

#[test]
fn a_minute_reads_as_the_layout_says() {
    let minute = Minute::from_number(29_396_534).unwrap();
    let mut footprint = MinuteFootprint::empty(minute, true);
    for trade in [
        trade(300_192_502, "110176.83", "0.06", Aggressor::Buyer),
        trade(300_192_503, "110176.10", "0.001", Aggressor::Buyer),
        trade(300_192_504, "110176.00", "0.05", Aggressor::Seller),
    ] {
        footprint.add(&trade, BucketWidth::ONE).unwrap();
    }
    let text = encode_minute(&symbol(), &footprint).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"timestamp":"2025-11-22T06:14:00+00:00","symbol":"BTCFDUSD","price_levels":{"110176":"#,
            r#"{"price_level":110176,"buy_volume":0.061,"sell_volume":0.05,"total_volume":0.111,"#,
            r#""delta":0.011,"trade_count":3}},"first_trade_id":300192502,"last_trade_id":300192504,"#,
            r#""trade_count":3,"complete":true}"#
        )
    );
    assert_eq!(decode_minute(&text).unwrap(), (Some(symbol()), footprint));
}

#[test]
fn counts_without_a_sum_are_refused() {
    let level = |price: u32| {
        format!(
            r#""{price}":{{"price_level":{price},"buy_volume":1,"sell_volume":1,"trade_count":{}}}"#,
            u64::MAX
        )
    };
    let text = format!(
        r#"{{"timestamp":"2026-11-22T06:14:00+00:00","price_levels":{{{},{}}}}}"#,
        level(1),
        level(2)
    );
    assert!(decode_minute(&text).is_err(), "{text}");
}

#[test]
fn a_minute_without_trades_has_no_ids() {
    let minute = MinuteFootprint::empty(Minute::from_number(29_396_534).unwrap(), true);
    let text = encode_minute(&symbol(), &minute).unwrap();
    assert!(text.contains(r#""price_levels":{},"first_trade_id":null,"last_trade_id":null,"trade_count":0"#));
    assert_eq!(decode_minute(&text).unwrap().1, minute);
}

#[test]
fn float_noise_of_older_documents_is_rounded_away() {
    let text = r#"{"timestamp":"2025-10-26T00:24:00+00:00","price_levels":{"111495":{"price_level":111495.0,
        "buy_volume":0.30000000000000004,"sell_volume":5e-05,"total_volume":0.3,"delta":0.3,"trade_count":2}}}"#;
    let (symbol, minute) = decode_minute(text).unwrap();
    let flow = minute.levels.values().next().unwrap();
    assert_eq!((symbol, minute.complete, minute.trade_count), (None, false, 2));
    assert_eq!(flow.buy_volume, Quantity::parse("0.3").unwrap());
    assert_eq!(flow.sell_volume, Quantity::parse("0.00005").unwrap());
}

#[test]
fn what_is_not_a_minute_is_refused() {
    for text in [
        "",
        "[]",
        r#"{"timestamp":"2025-10-26T00:24:40.544939","price_levels":{}}"#,
        r#"{"timestamp":"2025-10-26T00:24:00+00:00","price_levels":{"1":{"price_level":1,"buy_volume":-1,"sell_volume":0}}}"#,
        r#"{"timestamp":"2025-10-26T00:24:00+00:00","price_levels":{"1":{"price_level":1,"buy_volume":"1","sell_volume":0}}}"#,
        r#"{"timestamp":"2025-10-26T00:24:00+00:00","price_levels":{},"first_trade_id":5,"last_trade_id":4}"#,
    ] {
        assert!(decode_minute(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn a_minute_survives_redis_and_file(
        trades in prop::collection::vec((1_u32..50_000_000, 1_u64..10_000_000_000, any::<bool>()), 0..60),
        complete in any::<bool>(),
        holes in prop::collection::vec((1_u64..100, 0_u64..9), 0..3),
    ) {
        let mut footprint = MinuteFootprint::empty(Minute::from_number(29_396_534).unwrap(), complete);
        for (id, (cents, units, maker)) in trades.into_iter().enumerate() {
            let price = Price::new(Decimal::new(i64::from(cents), 2)).unwrap();
            let quantity = Quantity::new(Decimal::new(i64::try_from(units).unwrap(), 8)).unwrap();
            let aggressor = Aggressor::from_buyer_is_maker(maker);
            let trade = AggTrade { id: id as u64, price, quantity, traded_at: 0, aggressor };
            footprint.add(&trade, BucketWidth::ONE).unwrap();
        }
        footprint.permanent_holes =
            holes.into_iter().map(|(first, more)| IdRange { first, last: first + more }).collect();
        let compact = encode_minute(&symbol(), &footprint).unwrap();
        let pretty = encode_minute_pretty(&symbol(), &footprint).unwrap();
        let usual = footprint.permanent_holes.is_empty();
        prop_assert_eq!(StoredMinute::scan(compact.as_bytes()).is_some(), usual);
        prop_assert_eq!(&decode_minute(&compact).unwrap().1, &footprint);
        prop_assert_eq!(&decode_minute(&pretty).unwrap().1, &footprint);
    }

    #[test]
    fn a_book_survives_redis(bids in 1_usize..50, asks in 0_usize..50, step in 1_i64..500) {
        let level = |cents: i64| DepthLevel {
            price: Price::new(Decimal::new(cents, 2)).unwrap(),
            quantity: Quantity::new(Decimal::new(cents % 977 + 1, 5)).unwrap(),
        };
        let bids = (0..bids).map(|row| level(10_000_000 - i64::try_from(row).unwrap() * step)).collect();
        let asks = (0..asks).map(|row| level(10_000_001 + i64::try_from(row).unwrap() * step)).collect();
        let at = DateTime::from_timestamp_micros(1_763_792_040_123_456).unwrap();
        let book = DepthSnapshot::new(symbol(), at, 30_154_000_331, bids, asks).unwrap();
        let text = encode_depth(&book).unwrap();
        prop_assert!(StoredDepth::scan(text.as_bytes()).is_some());
        prop_assert_eq!(decode_depth(&text).unwrap(), book);
    }

    // Whatever the scanners take they read as serde does.
    #[test]
    fn a_changed_byte_is_read_as_before_or_not_at_all(at in 0_usize..600, byte in 0x20_u8..0x7f, cut in any::<bool>()) {
        let mut footprint = MinuteFootprint::empty(Minute::from_number(29_396_534).unwrap(), true);
        for (id, price) in [(7, "110176.83"), (8, "110178"), (9, "0.5")] {
            footprint.add(&trade(id, price, "0.061", Aggressor::Seller), BucketWidth::ONE).unwrap();
        }
        let level = |cents: i64| DepthLevel {
            price: Price::new(Decimal::new(cents, 2)).unwrap(),
            quantity: Quantity::new(Decimal::new(cents % 977 + 1, 5)).unwrap(),
        };
        let now = DateTime::from_timestamp_micros(1_763_792_040_123_456).unwrap();
        let book = DepthSnapshot::new(symbol(), now, 7, vec![level(900), level(705)], vec![level(1005)]).unwrap();
        let change = |text: String| {
            let mut bytes = text.into_bytes();
            let at = at % bytes.len();
            if cut { bytes.drain(at..=at); } else { bytes[at] = byte; }
            String::from_utf8(bytes).unwrap()
        };
        let minute = change(encode_minute(&symbol(), &footprint).unwrap());
        if let Some(scanned) = StoredMinute::scan(minute.as_bytes()) {
            prop_assert_eq!(scanned, serde_json::from_str(&minute).unwrap(), "{}", minute);
        }
        let book = change(encode_depth(&book).unwrap());
        if let Some(scanned) = StoredDepth::scan(book.as_bytes()) {
            prop_assert_eq!(scanned, serde_json::from_str(&book).unwrap(), "{}", book);
        }
    }

    #[test]
    fn reading_never_panics(text in ".{0,200}") {
        let _outcome = (decode_minute(&text), decode_depth(&text));
    }
}
