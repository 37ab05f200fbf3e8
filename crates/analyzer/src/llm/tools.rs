//! The two tools the model may call, answered on this machine from the current report. Pure.
//!
//! An answer is always a JSON text; what cannot be answered is answered with `{"error": …}`, because every
//! call must have an answer. No number in an answer comes from anywhere but the report.

use serde::Serialize;
use serde_json::{Value, json};
use strategy_core::config::Language;
use strategy_core::json;
use strategy_core::model::report::{
    BookSide, Confirmation, FlowDelta, Level, LevelType, MarketReport, Number, PriceZone, StackedImbalance,
};
use strategy_core::symbol::Symbol;

use super::reply::Shown;

/// Walls, zones and vacuums of the newest book.
pub const DEPTH: &str = "depth_snapshot_analysis";

/// What was traded, where, and what that confirms.
pub const FLOW: &str = "orderflow_analysis";

/// Most entries of one list; the strongest are kept. Only what is listed may be rested on.
pub(super) const MAX_ENTRIES: usize = 12;

/// The tools as the request names them; the same bytes in every request.
pub fn definitions() -> Value {
    let tool = |name: &str, description: &str| {
        json!({"type": "function", "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {"symbol": {"type": "string", "description": "Market, for instance BTCFDUSD"}},
                "required": ["symbol"],
                "additionalProperties": false
            }
        }})
    };
    json!([
        tool(
            DEPTH,
            "Walls (support and resistance), density zones and liquidity vacuums of the newest order book."
        ),
        tool(
            FLOW,
            "Volume profile, value area, levels confirmed by trades, delta, and how complete the data are."
        ),
    ])
}

/// Answers one call; says what was shown with it, if anything was.
pub fn answer(
    name: &str,
    arguments: &str,
    report: &MarketReport,
    language: Language,
) -> (String, Option<Shown>) {
    let refused = |error: String| (json!({ "error": error }).to_string(), None);
    if let Err(error) = check_arguments(arguments, &report.symbol) {
        return refused(error);
    }
    let (answer, shown) = match name {
        DEPTH => (json::to_string(&depth(report)), Shown::Depth),
        FLOW => (json::to_string(&flow(report, language)), Shown::Flow),
        _ => {
            return refused(format!(
                "there is no tool of that name; the tools are {DEPTH} and {FLOW}"
            ));
        }
    };
    match answer {
        Ok(answer) => (answer, Some(shown)),
        // A report that can be stored can be written here too.
        Err(_) => refused("not available".to_owned()),
    }
}

/// Arguments are a JSON object; a symbol in it must be the market's. None at all are taken as given.
pub(crate) fn check_arguments(arguments: &str, symbol: &Symbol) -> Result<(), String> {
    let arguments = arguments.trim();
    if matches!(arguments, "" | "null") {
        return Ok(());
    }
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(arguments) else {
        return Err("the arguments are not a JSON object".to_owned());
    };
    match fields.get("symbol") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(name)) if is_same_market(name, symbol) => Ok(()),
        Some(_) => Err(format!("only {symbol} is analysed")),
    }
}

/// True for `BTCFDUSD`, `btcfdusd`, `BTC-FDUSD`, `BTC/FDUSD` and nothing.
fn is_same_market(name: &str, symbol: &Symbol) -> bool {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    letters.is_empty() || letters == symbol.as_str()
}

#[derive(Serialize)]
struct DepthAnswer<'a> {
    symbol: &'a Symbol,
    best_bid: Option<Number>,
    best_ask: Option<Number>,
    mid: Option<Number>,
    spread: Option<Number>,
    imbalance_0_1_percent: Option<f64>,
    imbalance_1_percent: Option<f64>,
    support_levels: Vec<LevelAnswer>,
    resistance_levels: Vec<LevelAnswer>,
    density_zones: Vec<ZoneAnswer>,
    vacuum_ranges: Vec<ZoneAnswer>,
    snapshot_age_seconds: Option<f64>,
    book_truncated: bool,
}

#[derive(Serialize)]
struct LevelAnswer {
    price: Number,
    strength: f64,
    volume: Number,
    /// Share of the recent snapshots that had the wall.
    presence: f64,
    age_seconds: i64,
    fleeting: bool,
    tests: Tests,
}

impl LevelAnswer {
    fn list(levels: &[Level]) -> Vec<Self> {
        let strongest = levels.iter().take(MAX_ENTRIES);
        strongest
            .map(|level| Self {
                price: level.price,
                strength: level.strength,
                volume: level.volume_at_level,
                presence: level.wall_life.presence,
                age_seconds: level.wall_life.age_seconds,
                fleeting: level.fleeting,
                tests: Tests::of(&level.confirmation),
            })
            .collect()
    }
}

/// How often trades came to a level, and what became of it.
#[derive(Serialize)]
pub(super) struct Tests {
    held: u32,
    broken: u32,
    open: u32,
}

impl Tests {
    pub(super) fn of(confirmation: &Confirmation) -> Self {
        Self {
            held: confirmation.held,
            broken: confirmation.broken,
            open: confirmation.open,
        }
    }
}

/// A zone without its evidence, which would cost tokens and is for people.
#[derive(Serialize)]
struct ZoneAnswer {
    low: Number,
    high: Number,
    side: BookSide,
    volume: Number,
    strength: f64,
}

impl ZoneAnswer {
    fn list(zones: &[PriceZone]) -> Vec<Self> {
        let strongest = zones.iter().take(MAX_ENTRIES);
        strongest
            .map(|zone| Self {
                low: zone.low,
                high: zone.high,
                side: zone.side,
                volume: zone.volume,
                strength: zone.strength,
            })
            .collect()
    }
}

fn depth(report: &MarketReport) -> DepthAnswer<'_> {
    DepthAnswer {
        symbol: &report.symbol,
        best_bid: report.context.best_bid,
        best_ask: report.context.best_ask,
        mid: report.context.mid,
        spread: report.context.spread,
        imbalance_0_1_percent: report.context.imbalance_0_1,
        imbalance_1_percent: report.context.imbalance_1_0,
        support_levels: LevelAnswer::list(&report.support_levels),
        resistance_levels: LevelAnswer::list(&report.resistance_levels),
        density_zones: ZoneAnswer::list(&report.density_zones),
        vacuum_ranges: ZoneAnswer::list(&report.vacuum_ranges),
        snapshot_age_seconds: report.data_honesty.snapshot_age_seconds,
        book_truncated: report.data_honesty.book_truncated,
    }
}

#[derive(Serialize)]
struct FlowAnswer<'a> {
    symbol: &'a Symbol,
    poc_levels: &'a [Number],
    value_area: Option<AreaAnswer>,
    confirmed_levels: Vec<ConfirmedAnswer>,
    broken_levels: Vec<ConfirmedAnswer>,
    resonance_zones: Vec<ResonanceAnswer>,
    delta: &'a [FlowDelta],
    stacked_imbalances: Vec<&'a StackedImbalance>,
    completeness: Completeness,
}

#[derive(Serialize)]
struct AreaAnswer {
    poc: Number,
    low: Number,
    high: Number,
}

#[derive(Serialize)]
struct ConfirmedAnswer {
    price: Number,
    #[serde(rename = "type")]
    kind: &'static str,
    confirmation_strength: f64,
    held: u32,
    broken: u32,
}

#[derive(Serialize)]
struct ResonanceAnswer {
    low: Number,
    high: Number,
    center: Number,
    score: f64,
}

#[derive(Serialize)]
struct Completeness {
    minutes_used: u32,
    incomplete_minutes: u32,
    missing_minutes: u32,
    flow_window_minutes: u32,
    flow_complete_minutes: u32,
    notes: Vec<String>,
}

impl ConfirmedAnswer {
    fn of(price: Number, kind: &'static str, tested: &Confirmation) -> Self {
        Self {
            price,
            kind,
            confirmation_strength: tested.mean,
            held: tested.held,
            broken: tested.broken,
        }
    }

    /// More tests held than broke.
    fn is_confirmed(&self) -> bool {
        self.held > self.broken
    }

    /// At least one test broke, and not fewer than held.
    fn is_broken(&self) -> bool {
        self.broken > 0 && !self.is_confirmed()
    }
}

fn flow(report: &MarketReport, language: Language) -> FlowAnswer<'_> {
    let honesty = &report.data_honesty;
    let levels = report.support_levels.iter().chain(&report.resistance_levels);
    let tested = levels.map(|level| {
        let kind = match level.level_type {
            LevelType::Support => "support",
            LevelType::Resistance => "resistance",
        };
        ConfirmedAnswer::of(level.price, kind, &level.confirmation)
    });
    let poc = report.value_area.as_ref().zip(report.poc_confirmation.as_ref());
    let poc = poc.map(|(area, tested)| ConfirmedAnswer::of(area.poc, "poc", tested));
    let (confirmed, others): (Vec<_>, Vec<_>) = tested.chain(poc).partition(ConfirmedAnswer::is_confirmed);
    let broken = others.into_iter().filter(ConfirmedAnswer::is_broken);
    FlowAnswer {
        symbol: &report.symbol,
        poc_levels: &report.poc_levels,
        value_area: report.value_area.as_ref().map(|area| AreaAnswer {
            poc: area.poc,
            low: area.low,
            high: area.high,
        }),
        confirmed_levels: confirmed.into_iter().take(2 * MAX_ENTRIES).collect(),
        broken_levels: broken.take(2 * MAX_ENTRIES).collect(),
        resonance_zones: report
            .resonance
            .iter()
            .take(MAX_ENTRIES)
            .map(|zone| ResonanceAnswer {
                low: zone.low,
                high: zone.high,
                center: zone.center,
                score: zone.score,
            })
            .collect(),
        delta: &report.flow_deltas,
        stacked_imbalances: report.stacked_imbalances.iter().take(MAX_ENTRIES).collect(),
        completeness: Completeness {
            minutes_used: honesty.minutes_used,
            incomplete_minutes: honesty.incomplete_minutes,
            missing_minutes: honesty.missing_minutes,
            flow_window_minutes: honesty.flow_window_minutes,
            flow_complete_minutes: honesty.flow_complete_minutes,
            notes: honesty.notes.iter().map(|note| note.words(language)).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use proptest::prelude::*;

    fn asked(name: &str, arguments: &str) -> Value {
        let (text, shown) = answer(name, arguments, &sample::report(), Language::En);
        let answered: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(shown.is_some(), answered["error"].is_null(), "{text}");
        answered
    }

    #[test]
    fn the_depth_tool_answers_the_fields_of_the_contract() {
        let depth = asked(DEPTH, r#"{"symbol":"BTCFDUSD"}"#);
        assert_eq!(depth["best_bid"], 110_149.99);
        assert_eq!(depth["support_levels"][0]["price"], 110_136);
        assert_eq!(depth["support_levels"][0]["strength"], 0.82);
        assert_eq!(depth["support_levels"][0]["volume"], 25);
        assert_eq!(depth["resistance_levels"][0]["price"], 110_200);
        assert_eq!(depth["vacuum_ranges"][0]["side"], "bid");
    }

    #[test]
    fn the_flow_tool_answers_the_fields_of_the_contract() {
        let flow = asked(FLOW, r#"{"symbol":"btc-fdusd"}"#);
        assert_eq!(flow["poc_levels"][0], 110_150);
        assert_eq!(flow["value_area"]["low"], 110_100);
        assert_eq!(flow["confirmed_levels"][0]["price"], 110_136);
        assert_eq!(flow["confirmed_levels"][0]["type"], "support");
        assert_eq!(flow["confirmed_levels"][0]["confirmation_strength"], 0.75);
        assert_eq!(flow["completeness"]["minutes_used"], 180);
    }

    #[test]
    fn a_level_that_broke_as_often_as_it_held_is_not_confirmed_and_not_untested() {
        for (held, broken, list) in [
            (2, 1, "confirmed_levels"),
            (1, 1, "broken_levels"),
            (0, 3, "broken_levels"),
            (1, 4, "broken_levels"),
        ] {
            let mut report = sample::report();
            report.support_levels[0].confirmation.held = held;
            report.support_levels[0].confirmation.broken = broken;
            let (text, _) = answer(FLOW, "{}", &report, Language::En);
            let flow: Value = serde_json::from_str(&text).unwrap();
            for name in ["confirmed_levels", "broken_levels"] {
                let levels = flow[name].as_array().unwrap();
                assert_eq!(levels.len(), usize::from(name == list), "{held} {broken} {name}");
            }
            let (text, _) = answer(DEPTH, "{}", &report, Language::En);
            let tests = &serde_json::from_str::<Value>(&text).unwrap()["support_levels"][0]["tests"];
            assert_eq!((&tests["held"], &tests["broken"]), (&held.into(), &broken.into()));
        }
    }

    #[test]
    fn notes_are_in_the_language_of_the_prompt() {
        let (text, _) = answer(FLOW, "{}", &sample::report(), Language::Zh);
        assert!(text.contains("成交分布窗口中有 1 分钟缺失或不完整"), "{text}");
    }

    #[test]
    fn a_call_that_makes_no_sense_is_answered_with_an_error() {
        for (name, arguments) in [
            ("get_price", "{}"),
            (DEPTH, "{symbol: BTC}"),
            (DEPTH, r#"{"symbol":"ETHFDUSD"}"#),
            (DEPTH, r#"{"symbol":5}"#),
            (FLOW, "[]"),
        ] {
            assert!(asked(name, arguments)["error"].is_string(), "{name} {arguments}");
        }
    }

    #[test]
    fn missing_arguments_are_no_obstacle() {
        for arguments in ["", "null", "{}", r#"{"symbol":null}"#, r#"{"symbol":""}"#] {
            assert!(asked(DEPTH, arguments)["error"].is_null(), "{arguments}");
        }
    }

    #[test]
    fn the_definitions_are_the_same_bytes_every_time() {
        assert_eq!(definitions().to_string(), definitions().to_string());
    }

    proptest! {
        #[test]
        fn every_call_gets_a_json_answer(name in "\\PC{0,30}", arguments in "\\PC{0,60}") {
            let (text, _) = answer(&name, &arguments, &sample::report(), Language::Zh);
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
