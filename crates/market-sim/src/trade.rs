//! One simulated aggregate trade and its two wire forms.

use strategy_core::model::{AggTrade, Aggressor};
use strategy_core::num::{NumError, Price, Quantity};
use strategy_core::time::ExchangeMs;

use crate::amount::{push_fixed8, push_integer, to_decimal};

/// One row of the tape, in integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimTrade {
    /// Aggregate trade id (`a`).
    pub id: u64,
    /// Trade time (`T`), milliseconds. May step back while the id grows.
    pub time_ms: ExchangeMs,
    /// When the exchange publishes the row (`E`), milliseconds. Never steps back while the id grows.
    pub event_ms: ExchangeMs,
    /// Price in units of 1e-8; 0 in a dead row.
    pub price_e8: u64,
    /// Quantity in units of 1e-8; 0 in a dead row.
    pub quantity_e8: u64,
    /// First raw trade id (`f`); -1 in a dead row.
    pub first_raw: i64,
    /// Last raw trade id (`l`); -1 in a dead row.
    pub last_raw: i64,
    /// `m`: true if the taker sold.
    pub buyer_is_maker: bool,
}

/// Unit of the times in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// The default.
    #[default]
    Millisecond,
    /// Asked for by header or query.
    Microsecond,
}

impl TimeUnit {
    /// A time of the exchange in this unit.
    pub fn of(self, at: ExchangeMs) -> i64 {
        match self {
            Self::Millisecond => at,
            Self::Microsecond => at.saturating_mul(1000),
        }
    }
}

impl SimTrade {
    /// A row the exchange neutralised in place: it uses up an id and is no trade.
    pub fn is_dead(&self) -> bool {
        self.first_raw < 0
    }

    /// The trade as the daemons model it; none for a dead row.
    ///
    /// # Errors
    /// [`NumError`] when an amount has more digits than the model keeps.
    pub fn to_agg_trade(&self) -> Result<Option<AggTrade>, NumError> {
        if self.is_dead() {
            return Ok(None);
        }
        Ok(Some(AggTrade {
            id: self.id,
            price: Price::new(to_decimal(self.price_e8))?,
            quantity: Quantity::new(to_decimal(self.quantity_e8))?,
            traded_at: self.time_ms,
            aggressor: Aggressor::from_buyer_is_maker(self.buyer_is_maker),
        }))
    }

    /// Appends the element of a REST `aggTrades` page.
    pub fn push_rest(&self, out: &mut String, unit: TimeUnit) {
        out.push('{');
        self.push_fields(out, unit);
        out.push('}');
    }

    /// The payload of the `aggTrade` stream.
    pub fn stream_payload(&self, symbol: &str, unit: TimeUnit) -> String {
        let mut out = String::with_capacity(220);
        out.push_str("{\"e\":\"aggTrade\",\"E\":");
        push_signed(&mut out, unit.of(self.event_ms));
        out.push_str(",\"s\":\"");
        out.push_str(symbol);
        out.push_str("\",");
        self.push_fields(&mut out, unit);
        out.push('}');
        out
    }

    fn push_fields(&self, out: &mut String, unit: TimeUnit) {
        out.push_str("\"a\":");
        push_integer(out, self.id);
        out.push_str(",\"p\":\"");
        push_amount(out, self.price_e8);
        out.push_str("\",\"q\":\"");
        push_amount(out, self.quantity_e8);
        out.push_str("\",\"f\":");
        push_signed(out, self.first_raw);
        out.push_str(",\"l\":");
        push_signed(out, self.last_raw);
        out.push_str(",\"T\":");
        push_signed(out, unit.of(self.time_ms));
        out.push_str(if self.buyer_is_maker {
            ",\"m\":true,\"M\":true"
        } else {
            ",\"m\":false,\"M\":true"
        });
    }
}

/// A dead row says `"0"`, everything else has eight decimals.
fn push_amount(out: &mut String, amount_e8: u64) {
    if amount_e8 == 0 {
        out.push('0');
    } else {
        push_fixed8(out, amount_e8);
    }
}

fn push_signed(out: &mut String, value: i64) {
    if value < 0 {
        out.push('-');
    }
    push_integer(out, value.unsigned_abs());
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: SimTrade = SimTrade {
        id: 12345,
        time_ms: 1_672_515_782_136,
        event_ms: 1_672_515_782_137,
        price_e8: 11_355_813_000_000,
        quantity_e8: 2_000_000,
        first_raw: 100,
        last_raw: 105,
        buyer_is_maker: true,
    };

    #[test]
    fn the_stream_payload_is_the_documented_one() {
        assert_eq!(
            ROW.stream_payload("BTCFDUSD", TimeUnit::Millisecond),
            r#"{"e":"aggTrade","E":1672515782137,"s":"BTCFDUSD","a":12345,"p":"113558.13000000","q":"0.02000000","f":100,"l":105,"T":1672515782136,"m":true,"M":true}"#
        );
    }

    #[test]
    fn a_dead_row_is_no_trade() {
        let dead = SimTrade {
            price_e8: 0,
            quantity_e8: 0,
            first_raw: -1,
            last_raw: -1,
            ..ROW
        };
        let mut out = String::new();
        dead.push_rest(&mut out, TimeUnit::Microsecond);
        assert_eq!(
            out,
            r#"{"a":12345,"p":"0","q":"0","f":-1,"l":-1,"T":1672515782136000,"m":true,"M":true}"#
        );
        assert_eq!(dead.to_agg_trade(), Ok(None));
        let trade = ROW.to_agg_trade().unwrap().unwrap();
        assert_eq!(trade.aggressor, Aggressor::Seller);
        assert_eq!(trade.price, Price::parse("113558.13").unwrap());
    }
}
