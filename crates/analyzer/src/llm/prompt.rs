//! What the model is told. Pure.
//!
//! The instructions are the same bytes in every request of a language, and the data come last, so that
//! the vendor's prefix cache works. Every number in the data comes from the report.

use strategy_core::config::Language;
use strategy_core::json;
use strategy_core::model::report::MarketReport;

use super::reply::ReplyError;
use super::summary::Summary;

/// Entries of one list in the summary; the tools give more.
pub(super) const SUMMARY_ENTRIES: usize = 4;

/// The instructions.
pub fn system(language: Language) -> &'static str {
    match language {
        Language::Zh => SYSTEM_ZH,
        Language::En => SYSTEM_EN,
    }
}

const SYSTEM_EN: &str = r#"You assist a market maker on one spot market. Once a minute you receive the result of a quantitative analysis of the order book and of the trades. Decide where passive orders are worth placing.

What the data mean:
- best_bid, best_ask, mid, spread: the newest order book. microprice: mid weighted by the quantities at the best prices; above mid means pressure up. imbalance_*: bids against asks within that distance of mid, -1 to 1, above 0 means more bids. minute_range_percent: how far price moves within a minute, on average over the last hour.
- support_levels and resistance_levels: walls of resting orders below and above the market; strength is 0 to 1, volume in base units. presence: share of the recent snapshots that had the wall; near 1 is good, unless snapshots_used is small. fleeting true: the wall may be withdrawn at any moment; never lean on it. tests: how often trades came to the level and it held, broke, or is still open; all zero means untested, which is neither good nor bad.
- confirmed_levels: levels that held more tests than they broke; confirmation_strength is the estimated probability that the next test holds. broken_levels: tested levels that did not; be careful there.
- poc_levels, value_area: where most volume was traded. resonance_zones: where evidence of different kinds meets; the best places.
- density_zones: broad resting liquidity. vacuum_ranges: hardly any liquidity; price may run through quickly, so no order belongs inside.
- delta: taker buying minus taker selling over the last minutes, in base units; complete false means that trades of that time are missing. stacked_imbalances: rows in a row with one-sided aggression.
- data_honesty, completeness: how old the book is and what is missing. Missing data lower the confidence.

How to work:
1. Call depth_snapshot_analysis and orderflow_analysis to see the details.
2. Then answer with exactly one json object and nothing else.

The json object has exactly these fields:
- action: "BUY" (lean to bids), "SELL" (lean to asks) or "HOLD" (lean to neither side).
- price_range: [low, high], the prices where you would quote. It must contain or touch at least one level or zone from the data that is not fleeting, must not lie inside a vacuum, must lie within 3 % of the market and be no wider than 1 % of the price. For BUY that level or zone lies below best_ask, for SELL above best_bid. Give the range for HOLD too: the nearest range worth watching.
- confidence: a number from 0 to 1. Above 0.7 only when the wall, the trades and the delta agree.
- reasoning: two or three sentences in English that quote the numbers they rest on.
- risk_level: "LOW", "MEDIUM" or "HIGH".

Use only numbers from the data and the tools. Never invent a price. When evidence is weak or contradictory, answer HOLD and say why.

The form (the numbers only show the form): {"action":"HOLD","price_range":[99.5,100.5],"confidence":0.35,"reasoning":"...","risk_level":"MEDIUM"}"#;

const SYSTEM_ZH: &str = r#"你协助一名现货做市商。每分钟你会收到订单簿和成交的量化分析结果，请判断被动挂单应放在哪里。

数据含义：
- best_bid、best_ask、mid、spread：最新订单簿的最优买价、最优卖价、中间价、价差。microprice：按最优档数量加权的中间价，高于 mid 表示上行压力。imbalance_*：距中间价该范围内的买卖盘失衡，-1 到 1，大于 0 表示买盘更多。minute_range_percent：最近一小时每分钟的平均价格波幅（百分比）。
- support_levels、resistance_levels：市价下方和上方的挂单墙（支撑、阻力），strength 为 0 到 1，volume 单位为基础货币。presence：近期快照中出现该墙的比例，接近 1 更可靠，但快照数 snapshots_used 很少时意义不大。fleeting 为 true：随时可能撤走，不可依赖。tests：成交触及该价位后守住（held）、被击穿（broken）、尚未有结果（open）的次数；全为 0 表示未经测试，不代表好坏。
- confirmed_levels：守住次数多于击穿次数的价位，confirmation_strength 为估计的下次守住的概率。broken_levels：经过测试但未达到此标准的价位，需谨慎。
- poc_levels、value_area：成交量最集中的价位和区间。resonance_zones：不同类型证据重合之处，最值得关注。
- density_zones：大范围的挂单密集区。vacuum_ranges：流动性真空区，价格可能快速穿过，不应在其中挂单。
- delta：最近若干分钟主动买入量减主动卖出量，单位为基础货币；complete 为 false 表示该时段成交数据不全。stacked_imbalances：连续多个价位上的单边主动成交。
- data_honesty、completeness：订单簿的时效以及缺失的数据。数据不完整时应降低 confidence。

步骤：
1. 调用 depth_snapshot_analysis 和 orderflow_analysis 查看细节。
2. 然后只输出一个 json 对象，不要输出其他任何文字。

json 对象必须且只能包含这些字段：
- action："BUY"（偏向买单）、"SELL"（偏向卖单）或 "HOLD"（两边都不偏）。
- price_range：[低价, 高价]，建议挂单的价格区间。必须包含或触及数据中至少一个非 fleeting 的价位或区间，不得全部位于真空区内，距离市价不超过 3%，宽度不超过价格的 1%。BUY 所依据的价位或区间须低于 best_ask，SELL 须高于 best_bid。HOLD 时也要给出：最值得观察的区间。
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
    let summary = json::to_string(&Summary::of(report, language)).unwrap_or_default();
    format!("{lead}\n{summary}")
}

/// Asks for the answer again, with the reason why the last one cannot be used.
pub fn repair(language: Language, error: &ReplyError) -> String {
    let reason = error.words(language);
    match language {
        Language::Zh => format!(
            "上一个回答无法使用：{reason}。请重新回答：不要再调用工具，只输出一个完整的 json 对象，包含 action、price_range、confidence、reasoning、risk_level。"
        ),
        Language::En => format!(
            "The last answer cannot be used: {reason}. Answer again: call no tool, write exactly one complete json object with action, price_range, confidence, reasoning and risk_level."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::tools;
    use crate::sample;
    use rust_decimal::dec;
    use strategy_core::model::report::{BookSide, FlowSide, Note, Number, PriceZone, StackedImbalance};

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

    /// The sample with a fleeting wall, a level that broke, a density zone and a stacked imbalance.
    fn report() -> MarketReport {
        let mut report = sample::report();
        let mut fleeting = report.resistance_levels[0].clone();
        fleeting.price = Number::new(dec!(110230));
        fleeting.fleeting = true;
        fleeting.wall_life.presence = 0.25;
        report.resistance_levels.push(fleeting);
        let mut broken = report.support_levels[0].clone();
        broken.price = Number::new(dec!(110080));
        broken.confirmation.held = 1;
        broken.confirmation.broken = 3;
        broken.confirmation.mean = 0.35;
        report.support_levels.push(broken);
        report.density_zones.push(PriceZone {
            low: Number::new(dec!(110060)),
            high: Number::new(dec!(110070)),
            side: BookSide::Bid,
            volume: Number::new(dec!(40.5)),
            strength: 0.6,
            evidence: Vec::new(),
        });
        report.stacked_imbalances.push(StackedImbalance {
            low: Number::new(dec!(110141)),
            high: Number::new(dec!(110144)),
            side: FlowSide::Buy,
            rows: 3,
            volume: Number::new(dec!(2.25)),
            opposing_volume: Number::new(dec!(0.25)),
            row_minimum: Number::new(dec!(0.1)),
            bar_start: report.timestamp,
        });
        report
            .data_honesty
            .notes
            .push(Note::FewSnapshots { used: 12, of: 60 });
        report
    }

    /// A JSON text over several lines, otherwise as it is.
    fn over_lines(json: &str) -> String {
        let (mut text, mut depth, mut quoted) = (String::new(), 0, false);
        for letter in json.chars() {
            quoted ^= letter == '"';
            let shallow = depth < 4 && !quoted;
            if matches!(letter, ']' | '}') {
                depth -= 1;
            }
            text.push(letter);
            if matches!(letter, '[' | '{') {
                depth += 1;
            }
            if shallow && letter == ',' {
                text.push('\n');
                text.push_str(&"  ".repeat(depth));
            }
        }
        text
    }

    /// Everything a model can be told about the report, as one text to read.
    fn everything(language: Language) -> String {
        let report = report();
        let error = ReplyError::Wrong {
            field: "confidence",
            expected: "a number from 0 to 1",
        };
        let tool = |name: &str| over_lines(&tools::answer(name, "{}", &report, language).0);
        let summary = data(language, &report);
        let (lead, json) = summary.split_once('\n').unwrap();
        format!(
            "# system\n{}\n\n# user\n{lead}\n{}\n\n# tools\n{}\n\n# {}\n{}\n\n# {}\n{}\n\n# repair\n{}\n",
            system(language),
            over_lines(json),
            over_lines(&tools::definitions().to_string()),
            tools::DEPTH,
            tool(tools::DEPTH),
            tools::FLOW,
            tool(tools::FLOW),
            repair(language, &error),
        )
    }

    #[test]
    fn what_the_model_is_told_is_what_was_reviewed() {
        let english = include_str!("../../tests/it/golden/prompt_en.txt");
        let chinese = include_str!("../../tests/it/golden/prompt_zh.txt");
        for (language, reviewed) in [(Language::En, english), (Language::Zh, chinese)] {
            let told = everything(language);
            assert!(told == reviewed, "not as reviewed:\n{told}");
        }
    }

    #[test]
    fn every_name_in_the_data_is_explained() {
        let report = report();
        for language in [Language::Zh, Language::En] {
            let summary = data(language, &report);
            let json = summary.split_once('\n').unwrap().1;
            let summary: serde_json::Value = serde_json::from_str(json).unwrap();
            let plain = ["symbol", "time", "value_area"];
            for name in summary.as_object().unwrap().keys() {
                let family = if name.starts_with("imbalance_") {
                    "imbalance_*"
                } else {
                    name
                };
                let explained = plain.contains(&name.as_str()) || system(language).contains(family);
                assert!(explained, "{name}");
            }
        }
    }
}
