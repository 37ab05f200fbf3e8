//! What the model is told. Pure.
//!
//! The instructions are the same bytes in every request of a language, and the data come last, so that
//! the vendor's prefix cache works. Every number in the data comes from the report.

use serde::Serialize;
use strategy_core::config::Language;
use strategy_core::json;
use strategy_core::model::report::{FlowDelta, Level, MarketReport, Note, Number, ValueArea};
use strategy_core::time::format_time;

use super::reply::ReplyError;

/// Levels of each side in the summary; the tools give more.
const SUMMARY_LEVELS: usize = 4;

/// The instructions.
pub fn system(language: Language) -> &'static str {
    match language {
        Language::Zh => SYSTEM_ZH,
        Language::En => SYSTEM_EN,
    }
}

const SYSTEM_EN: &str = r#"You assist a market maker on one spot market. Once a minute you receive the result of a quantitative analysis of the order book and of the trades. Decide where passive orders are worth placing.

What the data mean:
- support_levels and resistance_levels are walls of resting orders; strength is 0 to 1. A wall seen in many snapshots (presence near 1) counts more; a fleeting wall may be withdrawn and is no place to lean on.
- confirmed_levels are levels at which trades turned price around; held and broken count the tests.
- poc_levels, value_area: where most volume was traded. resonance_zones: where evidence of different kinds meets; the best places.
- density_zones: broad resting liquidity. vacuum_ranges: hardly any liquidity; price may run through quickly.
- delta: taker buying minus taker selling, in base units.
- completeness, data_honesty: what is missing. Missing data lower the confidence.

How to work:
1. Call depth_snapshot_analysis and orderflow_analysis to see the details.
2. Then answer with exactly one json object and nothing else.

The json object has exactly these fields:
- action: "BUY" (lean to bids), "SELL" (lean to asks) or "HOLD" (lean to neither side).
- price_range: [low, high], the prices where you would quote. It must contain or touch at least one level or zone from the data, lie within 3 % of the market and be no wider than 1 % of the price. Give it for HOLD too: the nearest range worth watching.
- confidence: a number from 0 to 1. Above 0.7 only when the wall, the trades and the delta agree.
- reasoning: two or three sentences in English that quote the numbers they rest on.
- risk_level: "LOW", "MEDIUM" or "HIGH".

Use only numbers from the data and the tools. Never invent a price. When evidence is weak or contradictory, answer HOLD and say why.

The form (the numbers only show the form): {"action":"HOLD","price_range":[99.5,100.5],"confidence":0.35,"reasoning":"...","risk_level":"MEDIUM"}"#;

const SYSTEM_ZH: &str = r#"你协助一名现货做市商。每分钟你会收到订单簿和成交的量化分析结果，请判断被动挂单应放在哪里。

数据含义：
- support_levels、resistance_levels：挂单墙（支撑、阻力），strength 为 0 到 1。presence 接近 1 的墙更可靠；fleeting 为 true 的墙可能随时撤走，不可依赖。
- confirmed_levels：成交曾在此价位掉头，held 为守住次数，broken 为击穿次数。
- poc_levels、value_area：成交量最集中的价位和区间。resonance_zones：不同类型证据重合之处，最值得关注。
- density_zones：大范围的挂单密集区。vacuum_ranges：流动性真空区，价格可能快速穿过。
- delta：主动买入量减主动卖出量，单位为基础货币。
- completeness、data_honesty：缺失的数据。数据不完整时应降低 confidence。

步骤：
1. 调用 depth_snapshot_analysis 和 orderflow_analysis 查看细节。
2. 然后只输出一个 json 对象，不要输出其他任何文字。

json 对象必须且只能包含这些字段：
- action："BUY"（偏向买单）、"SELL"（偏向卖单）或 "HOLD"（两边都不偏）。
- price_range：[低价, 高价]，建议挂单的价格区间。必须包含或触及数据中至少一个价位或区间，距离市价不超过 3%，宽度不超过价格的 1%。HOLD 时也要给出：最值得观察的区间。
- confidence：0 到 1 的数字。只有挂单墙、成交和 delta 相互印证时才可高于 0.7。
- reasoning：用中文写两到三句话，引用所依据的数字。
- risk_level："LOW"、"MEDIUM" 或 "HIGH"。

只能使用数据和工具给出的数字，绝不编造价格。证据不足或互相矛盾时，回答 HOLD 并说明原因。

格式示例（数字仅示意格式）：{"action":"HOLD","price_range":[99.5,100.5],"confidence":0.35,"reasoning":"……","risk_level":"MEDIUM"}"#;

/// The data of one cycle.
pub fn data(language: Language, report: &MarketReport) -> String {
    let lead = match language {
        Language::Zh => "当前市场摘要（json）：",
        Language::En => "Summary of the market now (json):",
    };
    // A report that can be stored can be written here too.
    let summary = json::to_string(&Summary::of(report)).unwrap_or_default();
    format!("{lead}\n{summary}")
}

/// Asks for the answer again, with the reason why the last one cannot be used.
pub fn repair(language: Language, error: &ReplyError) -> String {
    match language {
        Language::Zh => format!(
            "上一个回答无法使用：{error}。请重新回答：不要再调用工具，只输出一个完整的 json 对象，包含 action、price_range、confidence、reasoning、risk_level。"
        ),
        Language::En => format!(
            "The last answer cannot be used: {error}. Answer again: call no tool, write exactly one complete json object with action, price_range, confidence, reasoning and risk_level."
        ),
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    symbol: &'a str,
    time: String,
    best_bid: Option<Number>,
    best_ask: Option<Number>,
    mid: Option<Number>,
    spread: Option<Number>,
    microprice: Option<f64>,
    imbalance_0_1_percent: Option<f64>,
    imbalance_0_5_percent: Option<f64>,
    imbalance_1_percent: Option<f64>,
    minute_range_percent: Option<f64>,
    support_levels: Vec<SummaryLevel>,
    resistance_levels: Vec<SummaryLevel>,
    poc_levels: Vec<Number>,
    value_area: Option<SummaryArea>,
    resonance_zones: Vec<SummaryZone>,
    delta: Vec<SummaryDelta>,
    data_honesty: SummaryHonesty<'a>,
}

#[derive(Serialize)]
struct SummaryLevel {
    price: Number,
    strength: f64,
    volume: Number,
}

#[derive(Serialize)]
struct SummaryArea {
    poc: Number,
    low: Number,
    high: Number,
}

#[derive(Serialize)]
struct SummaryZone {
    low: Number,
    high: Number,
    score: f64,
}

#[derive(Serialize)]
struct SummaryDelta {
    minutes: u32,
    delta: Number,
    volume: Number,
    complete: bool,
}

#[derive(Serialize)]
struct SummaryHonesty<'a> {
    snapshot_age_seconds: Option<f64>,
    snapshots_used: u32,
    minutes_used: u32,
    incomplete_minutes: u32,
    missing_minutes: u32,
    book_truncated: bool,
    notes: &'a [Note],
}

impl<'a> Summary<'a> {
    fn of(report: &'a MarketReport) -> Self {
        let (context, honesty) = (&report.context, &report.data_honesty);
        Self {
            symbol: report.symbol.as_str(),
            time: format_time(report.timestamp),
            best_bid: context.best_bid,
            best_ask: context.best_ask,
            mid: context.mid,
            spread: context.spread,
            microprice: context.microprice,
            imbalance_0_1_percent: context.imbalance_0_1,
            imbalance_0_5_percent: context.imbalance_0_5,
            imbalance_1_percent: context.imbalance_1_0,
            minute_range_percent: context.minute_range_percent,
            support_levels: summary_levels(&report.support_levels),
            resistance_levels: summary_levels(&report.resistance_levels),
            poc_levels: report.poc_levels.iter().take(SUMMARY_LEVELS).copied().collect(),
            value_area: report.value_area.as_ref().map(SummaryArea::of),
            resonance_zones: report
                .resonance
                .iter()
                .take(SUMMARY_LEVELS)
                .map(|zone| SummaryZone {
                    low: zone.low,
                    high: zone.high,
                    score: zone.score,
                })
                .collect(),
            delta: report.flow_deltas.iter().map(SummaryDelta::of).collect(),
            data_honesty: SummaryHonesty {
                snapshot_age_seconds: honesty.snapshot_age_seconds,
                snapshots_used: honesty.snapshots_used,
                minutes_used: honesty.minutes_used,
                incomplete_minutes: honesty.incomplete_minutes,
                missing_minutes: honesty.missing_minutes,
                book_truncated: honesty.book_truncated,
                notes: &honesty.notes,
            },
        }
    }
}

impl SummaryArea {
    fn of(area: &ValueArea) -> Self {
        Self {
            poc: area.poc,
            low: area.low,
            high: area.high,
        }
    }
}

impl SummaryDelta {
    fn of(flow: &FlowDelta) -> Self {
        Self {
            minutes: flow.minutes,
            delta: flow.delta,
            volume: flow.volume,
            complete: flow.complete,
        }
    }
}

fn summary_levels(levels: &[Level]) -> Vec<SummaryLevel> {
    let strongest = levels.iter().take(SUMMARY_LEVELS);
    strongest
        .map(|level| SummaryLevel {
            price: level.price,
            strength: level.strength,
            volume: level.volume_at_level,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_instructions_name_every_field_and_contain_the_word_json() {
        for language in [Language::Zh, Language::En] {
            let text = system(language);
            for word in [
                "json",
                "action",
                "price_range",
                "confidence",
                "reasoning",
                "risk_level",
                "depth_snapshot_analysis",
                "orderflow_analysis",
                "BUY",
                "SELL",
                "HOLD",
                "3 %",
                "1 %",
            ] {
                let word = if language == Language::Zh {
                    word.replace(" %", "%")
                } else {
                    word.to_owned()
                };
                assert!(text.contains(&word), "{word}");
            }
        }
    }

    #[test]
    fn the_data_hold_the_numbers_of_the_report_and_what_is_missing() {
        let text = data(Language::En, &sample::report());
        let expected = concat!(
            "Summary of the market now (json):\n",
            r#"{"symbol":"BTCFDUSD","time":"2025-11-22T06:14:05+00:00","best_bid":110149.99,"#,
            r#""best_ask":110150.01,"mid":110150,"spread":0.02,"microprice":null,"#,
            r#""imbalance_0_1_percent":0.12,"imbalance_0_5_percent":null,"imbalance_1_percent":-0.05,"#,
            r#""minute_range_percent":null,"#,
            r#""support_levels":[{"price":110136,"strength":0.82,"volume":25}],"#,
            r#""resistance_levels":[{"price":110200,"strength":0.82,"volume":25}],"poc_levels":[110150],"#,
            r#""value_area":{"poc":110150,"low":110100,"high":110200},"#,
            r#""resonance_zones":[{"low":110130,"high":110140,"score":0.7}],"#,
            r#""delta":[{"minutes":15,"delta":-1.5,"volume":20,"complete":true}],"#,
            r#""data_honesty":{"snapshot_age_seconds":4.5,"snapshots_used":12,"minutes_used":180,"#,
            r#""incomplete_minutes":0,"missing_minutes":0,"book_truncated":false,"#,
            r#""notes":["1 minutes of the profile window are missing or incomplete"]}}"#,
        );
        assert_eq!(text, expected);
    }
}
