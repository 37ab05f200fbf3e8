//! The model's final answer: found leniently, judged strictly. Pure.
//!
//! `find` looks for the one JSON object in the text, `Answer::read` takes its fields in any reasonable
//! spelling, [`judge`] decides whether it is an answer about this market. What must stay true: no text
//! makes it panic; nothing out of range, far from the market or away from every price the model was
//! given is ever accepted; words in prose are never searched for an action (B23).

mod find;
mod given;

use rust_decimal::{Decimal, dec};
use serde_json::Value;
use strategy_core::config::Language;
use strategy_core::model::advice::{Action, PriceRange, RiskLevel};
use strategy_core::model::report::Number;
use strategy_core::num::{parse_decimal, to_f64};

pub use self::given::{Given, Shown, is_inside};

/// Farthest an end of the range may be from mid, as a share of it.
const MAX_DISTANCE: Decimal = dec!(0.03);

/// Widest range, as a share of mid: a range that covers everything says nothing.
const MAX_WIDTH: Decimal = dec!(0.01);

/// Longest reasoning that is kept, in characters.
const MAX_REASONING: usize = 2000;

/// Why an answer cannot be used. The model is told in its language, in [`ReplyError::words`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Nothing but white space.
    #[error("the answer is blank")]
    Blank,
    /// A tool call written as text.
    #[error("the answer is a tool call written as text")]
    ToolMarkup,
    /// No JSON object in the text, or it is cut or broken.
    #[error("the answer contains no complete JSON object with an action")]
    NoObject,
    /// Longer than an answer may be.
    #[error("the answer is {0} bytes long, more than is read")]
    TooLong(usize),
    /// Several objects that say different things.
    #[error("the answer contains several JSON objects with an action")]
    Ambiguous,
    /// A required field is not there.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field is there twice.
    #[error("the field {0} is given twice")]
    Twice(String),
    /// A field is not what it should be.
    #[error("the field {field} is not {expected}")]
    Wrong {
        /// Name of the field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The lower end is above the upper end.
    #[error("price_range has its low {low} above its high {high}")]
    Reversed {
        /// First number.
        low: Decimal,
        /// Second number.
        high: Decimal,
    },
    /// Too far from the market.
    #[error("price_range {low} to {high} is more than 3 % away from the market at {mid}")]
    FarFromMarket {
        /// Lower end.
        low: Decimal,
        /// Upper end.
        high: Decimal,
        /// Middle of the book.
        mid: Decimal,
    },
    /// Too wide to mean anything.
    #[error("price_range {low} to {high} is wider than 1 % of the price")]
    TooWide {
        /// Lower end.
        low: Decimal,
        /// Upper end.
        high: Decimal,
    },
    /// It touches nothing the model was given.
    #[error("price_range {low} to {high} touches no level and no zone that was given")]
    TouchesNothing {
        /// Lower end.
        low: Decimal,
        /// Upper end.
        high: Decimal,
    },
    /// Orders of this action would have to cross the book.
    #[error("{}", crossing(*.action, *.bid, *.ask))]
    CrossesMarket {
        /// The action.
        action: Action,
        /// Best bid.
        bid: Decimal,
        /// Best ask.
        ask: Decimal,
    },
    /// All of it is a vacuum.
    #[error("price_range {low} to {high} lies in a liquidity vacuum, where no order should stand")]
    InVacuum {
        /// Lower end.
        low: Decimal,
        /// Upper end.
        high: Decimal,
    },
    /// It touches fleeting walls and nothing else.
    #[error("price_range {low} to {high} touches nothing but a fleeting wall")]
    OnlyFleeting {
        /// Lower end.
        low: Decimal,
        /// Upper end.
        high: Decimal,
    },
    /// It touches only what speaks for the opposite.
    #[error("price_range {low} to {high} touches no level or zone on the side of the market of {}", .action.as_str())]
    WrongSide {
        /// The action.
        action: Action,
        /// Lower end.
        low: Decimal,
        /// Upper end.
        high: Decimal,
    },
    /// The turn did not end with an answer.
    #[error("the answer ended with {0:?}")]
    Finish(String),
    /// The model kept calling tools.
    #[error("the model called tools in every round")]
    EndlessTools,
}

impl ReplyError {
    /// The reason in the language of the prompt.
    pub fn words(&self, language: Language) -> String {
        match language {
            Language::En => self.to_string(),
            Language::Zh => self.chinese(),
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::Blank => "回答为空".to_owned(),
            Self::ToolMarkup => "回答是以文本形式写出的工具调用".to_owned(),
            Self::NoObject => "回答中没有完整的、含 action 的 json 对象".to_owned(),
            Self::TooLong(bytes) => format!("回答长达 {bytes} 字节，超过读取上限"),
            Self::Ambiguous => "回答中有多个含 action 的 json 对象".to_owned(),
            Self::Missing(field) => format!("缺少字段 {field}"),
            Self::Twice(field) => format!("字段 {field} 出现两次"),
            Self::Wrong { field, expected } => {
                let expected = match *expected {
                    "a text" => "非空文字",
                    "a number from 0 to 1" => "0 到 1 的数字",
                    "[low, high] with two positive numbers" => "[低价, 高价] 两个正数",
                    // Words of the form itself.
                    other => &other.replace(" or ", " 或 "),
                };
                format!("字段 {field} 的值无效，应为：{expected}")
            }
            Self::Reversed { low, high } => format!("price_range 的低价 {low} 高于高价 {high}"),
            Self::FarFromMarket { low, high, mid } => {
                format!("price_range {low} 至 {high} 距离市价 {mid} 超过 3%")
            }
            Self::TooWide { low, high } => format!("price_range {low} 至 {high} 的宽度超过价格的 1%"),
            Self::TouchesNothing { low, high } => {
                format!("price_range {low} 至 {high} 没有触及给出的任何价位或区间")
            }
            Self::CrossesMarket { action, bid, ask } => match action {
                Action::Sell => format!("SELL 的 price_range 全部在最优买价 {bid} 或以下，无法被动挂卖单"),
                _ => format!("BUY 的 price_range 全部在最优卖价 {ask} 或以上，无法被动挂买单"),
            },
            Self::InVacuum { low, high } => {
                format!("price_range {low} 至 {high} 全部位于流动性真空区，不应在其中挂单")
            }
            Self::OnlyFleeting { low, high } => {
                format!("price_range {low} 至 {high} 只触及随时可能撤走的挂单墙（fleeting）")
            }
            Self::WrongSide { action, low, high } => format!(
                "price_range {low} 至 {high} 没有触及支持 {} 一侧的价位或区间",
                action.as_str()
            ),
            Self::Finish(reason) => format!("回答以 {reason:?} 结束"),
            Self::EndlessTools => "每一轮都在调用工具".to_owned(),
        }
    }
}

fn crossing(action: Action, bid: Decimal, ask: Decimal) -> String {
    match action {
        Action::Sell => {
            format!("price_range of a SELL lies at or below the best bid {bid}: no ask can rest there")
        }
        _ => format!("price_range of a BUY lies at or above the best ask {ask}: no bid can rest there"),
    }
}

/// A complete answer, its fields in their types.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What to do.
    pub action: Action,
    /// Where.
    pub range: PriceRange,
    /// 0..1, four decimals.
    pub confidence: f64,
    /// Why; not empty.
    pub reasoning: String,
    /// How dangerous.
    pub risk: RiskLevel,
}

/// Finds the answer in a text and accepts or refuses it.
///
/// # Errors
/// The first [`ReplyError`] found.
pub fn judge(text: &str, given: &Given) -> Result<Answer, ReplyError> {
    if text.trim().is_empty() {
        return Err(ReplyError::Blank);
    }
    if text.to_ascii_uppercase().contains("DSML") {
        return Err(ReplyError::ToolMarkup);
    }
    let answer = Answer::read(&find::object(text)?)?;
    check_range(answer.action, &answer.range, given)?;
    Ok(answer)
}

fn check_range(action: Action, range: &PriceRange, given: &Given) -> Result<(), ReplyError> {
    let (low, high) = (range.low.get(), range.high.get());
    let mid = given.mid();
    if low > high {
        return Err(ReplyError::Reversed { low, high });
    }
    let reach = mid * MAX_DISTANCE;
    if low < mid - reach || high > mid + reach {
        return Err(ReplyError::FarFromMarket { low, high, mid });
    }
    if high - low > mid * MAX_WIDTH {
        return Err(ReplyError::TooWide { low, high });
    }
    given.judge(action, low, high)
}

impl Answer {
    fn read(fields: &find::Fields) -> Result<Self, ReplyError> {
        let action = match word(fields, "action")?.as_str() {
            "BUY" | "买入" => Action::Buy,
            "SELL" | "卖出" => Action::Sell,
            "HOLD" | "持有" | "观望" => Action::Hold,
            _ => {
                return Err(ReplyError::Wrong {
                    field: "action",
                    expected: "BUY, SELL or HOLD",
                });
            }
        };
        let risk = match word(fields, "risk_level")?.as_str() {
            "LOW" | "低" => RiskLevel::Low,
            "MEDIUM" | "中" => RiskLevel::Medium,
            "HIGH" | "高" => RiskLevel::High,
            _ => {
                return Err(ReplyError::Wrong {
                    field: "risk_level",
                    expected: "LOW, MEDIUM or HIGH",
                });
            }
        };
        let reasoning = fields.required("reasoning")?.as_str().unwrap_or_default().trim();
        if reasoning.is_empty() {
            return Err(ReplyError::Wrong {
                field: "reasoning",
                expected: "a text",
            });
        }
        Ok(Self {
            action,
            range: price_range(fields.required("price_range")?)?,
            confidence: confidence(fields.required("confidence")?)?,
            reasoning: reasoning.chars().take(MAX_REASONING).collect(),
            risk,
        })
    }
}

/// The text of a field in upper case; empty when it is not a text.
fn word(fields: &find::Fields, field: &'static str) -> Result<String, ReplyError> {
    let text = fields.required(field)?.as_str().unwrap_or_default();
    Ok(text.trim().to_uppercase())
}

fn price_range(value: &Value) -> Result<PriceRange, ReplyError> {
    let wrong = ReplyError::Wrong {
        field: "price_range",
        expected: "[low, high] with two positive numbers",
    };
    let ends = match value {
        Value::Array(ends) if ends.len() == 2 => (&ends[0], &ends[1]),
        Value::Object(ends) if ends.len() == 2 => (&value["low"], &value["high"]),
        _ => return Err(wrong),
    };
    let end = |value| number(value).filter(|price| *price > Decimal::ZERO && *price < dec!(1e12));
    match (end(ends.0), end(ends.1)) {
        (Some(low), Some(high)) => Ok(PriceRange {
            low: Number::new(low),
            high: Number::new(high),
        }),
        _ => Err(wrong),
    }
}

fn confidence(value: &Value) -> Result<f64, ReplyError> {
    let share = match value.as_str().and_then(|text| text.trim().strip_suffix('%')) {
        Some(percent) => parse_decimal(percent.trim())
            .ok()
            .and_then(|percent| percent.checked_div(Decimal::ONE_HUNDRED)),
        None => number(value),
    };
    let in_range = share.filter(|share| (Decimal::ZERO..=Decimal::ONE).contains(share));
    in_range
        .map(|share| to_f64(share.round_dp(4)))
        .ok_or(ReplyError::Wrong {
            field: "confidence",
            expected: "a number from 0 to 1",
        })
}

/// A number, or a text that is one: `"110,136.01"`, `"$110136"`.
fn number(value: &Value) -> Option<Decimal> {
    match value {
        // The shortest text of the double is what the model wrote, up to 15 digits.
        Value::Number(number) => parse_decimal(&number.to_string()).ok(),
        Value::String(text) => {
            let text = text.trim();
            let text = text.strip_prefix('$').unwrap_or(text);
            if text.contains(',') && !has_grouped_thousands(text) {
                return None;
            }
            parse_decimal(&text.replace(',', "")).ok()
        }
        _ => None,
    }
}

/// True for `1,234,567.8`: commas only where thousands are told apart, so never a decimal comma.
fn has_grouped_thousands(text: &str) -> bool {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    (1..=3).contains(&first.len())
        && digits(first)
        && groups.all(|group| group.len() == 3 && digits(group))
        && !text
            .split_once('.')
            .is_some_and(|(_, fraction)| fraction.contains(','))
}

#[cfg(test)]
mod tests;
