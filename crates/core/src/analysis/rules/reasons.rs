//! Why the rules advise what they advise: as values, and in words.

use crate::language::Language;
use crate::model::advice::Action;
use crate::model::report::{Evidence, Note, Number};

/// Why the rules advise what they advise.
#[derive(Debug, Clone, PartialEq)]
pub struct Reasons {
    /// What was concluded.
    pub action: Action,
    /// The weightiest place below the market.
    pub support: Option<Ground>,
    /// The weightiest place above it.
    pub resistance: Option<Ground>,
    /// Recent pressure, -1..1: above zero takers buy.
    pub flow: f64,
    /// Delta and volume of the last hour, in base units; none without trades.
    pub last_hour: Option<(f64, f64)>,
    /// Where the scales stand, -1..1: above zero support outweighs.
    pub lean: f64,
    /// What was not known.
    pub unknown: Vec<Note>,
}

/// What stands on one side of the scales.
#[derive(Debug, Clone, PartialEq)]
pub enum Ground {
    /// A resonance zone.
    Resonance {
        /// Its centre.
        center: Number,
        /// Its score, 0..1.
        score: f64,
        /// What meets in it, heaviest first.
        kinds: Vec<Kind>,
    },
    /// A wall that stands alone.
    Wall {
        /// Its price.
        price: Number,
        /// Base units in it.
        volume: Number,
        /// Its strength, 0..1.
        strength: f64,
        /// Tests of it that held.
        held: u32,
        /// Tests of it that broke.
        broken: u32,
    },
}

/// Kinds of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A wall.
    Wall,
    /// A density zone.
    DensityZone,
    /// The point of control.
    PointOfControl,
    /// A high-volume node.
    HighVolumeNode,
    /// An end of the value area.
    ValueAreaEdge,
    /// Tests that held beyond chance.
    TestsHeld,
    /// A stacked imbalance.
    StackedImbalance,
}

impl Kind {
    /// The kind of a piece of evidence; none of what only explains a zone by itself.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        Some(match evidence {
            Evidence::Wall { .. } => Self::Wall,
            Evidence::DensityZone { .. } => Self::DensityZone,
            Evidence::PointOfControl { .. } => Self::PointOfControl,
            Evidence::HighVolumeNode { .. } => Self::HighVolumeNode,
            Evidence::ValueAreaEdge { .. } => Self::ValueAreaEdge,
            Evidence::ConfirmedTests { .. } => Self::TestsHeld,
            Evidence::StackedImbalance { .. } => Self::StackedImbalance,
            Evidence::DenseSums { .. }
            | Evidence::ThinSums { .. }
            | Evidence::EmptyBuckets { .. }
            | Evidence::ValueAreaGrowth { .. }
            | Evidence::LowVolumeNode { .. }
            | Evidence::Prominence { .. } => return None,
        })
    }

    /// Its name.
    pub fn name(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::En, Self::Wall) => "wall",
            (Language::En, Self::DensityZone) => "density zone",
            (Language::En, Self::PointOfControl) => "point of control",
            (Language::En, Self::HighVolumeNode) => "high-volume node",
            (Language::En, Self::ValueAreaEdge) => "value-area edge",
            (Language::En, Self::TestsHeld) => "tests held",
            (Language::En, Self::StackedImbalance) => "stacked imbalance",
            (Language::Zh, Self::Wall) => "大单墙",
            (Language::Zh, Self::DensityZone) => "高密度区间",
            (Language::Zh, Self::PointOfControl) => "POC",
            (Language::Zh, Self::HighVolumeNode) => "高成交量节点",
            (Language::Zh, Self::ValueAreaEdge) => "价值区边缘",
            (Language::Zh, Self::TestsHeld) => "多次测试守住",
            (Language::Zh, Self::StackedImbalance) => "堆叠失衡",
        }
    }
}

impl Reasons {
    /// The reasons as a few sentences with the numbers they rest on.
    pub fn words(&self, language: Language) -> String {
        match language {
            Language::Zh => self.chinese(),
            Language::En => self.english(),
        }
    }

    fn english(&self) -> String {
        let side = |ground: &Option<Ground>| ground.as_ref().map_or_else(|| "nothing".to_owned(), english);
        let verdict = match self.action {
            Action::Buy => "support outweighs resistance",
            Action::Sell => "resistance outweighs support",
            Action::Hold => "neither side outweighs the other",
        };
        let hour = self.last_hour.map_or_else(
            || "no trades in the last hour".to_owned(),
            |(delta, volume)| format!("delta of the last hour {delta:.4} of {volume:.4}"),
        );
        let text = format!(
            "Below: {}. Above: {}. Flow {:.2} ({hour}); lean {:.2}: {verdict}.",
            side(&self.support),
            side(&self.resistance),
            self.flow,
            self.lean,
        );
        if self.unknown.is_empty() {
            return text;
        }
        text + &format!(" Not known: {}.", self.notes(Language::En, "; "))
    }

    fn chinese(&self) -> String {
        let side = |ground: &Option<Ground>| ground.as_ref().map_or_else(|| "无".to_owned(), chinese);
        let verdict = match self.action {
            Action::Buy => "支撑强于阻力",
            Action::Sell => "阻力强于支撑",
            Action::Hold => "双方力量相当",
        };
        let hour = self.last_hour.map_or_else(
            || "最近一小时无成交".to_owned(),
            |(delta, volume)| format!("最近一小时 Delta {delta:.4}，成交量 {volume:.4}"),
        );
        let text = format!(
            "下方：{}。上方：{}。资金流 {:.2}（{hour}）；倾向 {:.2}：{verdict}。",
            side(&self.support),
            side(&self.resistance),
            self.flow,
            self.lean,
        );
        if self.unknown.is_empty() {
            return text;
        }
        text + &format!("未知：{}。", self.notes(Language::Zh, "；"))
    }

    fn notes(&self, language: Language, separator: &str) -> String {
        let notes: Vec<String> = self.unknown.iter().map(|note| note.words(language)).collect();
        notes.join(separator)
    }
}

fn names(kinds: &[Kind], language: Language) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name(language)).collect();
    names.join(" + ")
}

fn english(ground: &Ground) -> String {
    match ground {
        Ground::Resonance { center, score, kinds } => format!(
            "resonance at {} (score {score}, {})",
            center.get(),
            names(kinds, Language::En)
        ),
        Ground::Wall {
            price,
            volume,
            strength,
            held,
            broken,
        } => format!(
            "wall of {} at {} (strength {strength}, {held} tests held, {broken} broke)",
            volume.get(),
            price.get(),
        ),
    }
}

fn chinese(ground: &Ground) -> String {
    match ground {
        Ground::Resonance { center, score, kinds } => format!(
            "{} 处共振区（得分 {score}，{}）",
            center.get(),
            names(kinds, Language::Zh)
        ),
        Ground::Wall {
            price,
            volume,
            strength,
            held,
            broken,
        } => format!(
            "{} 处大单墙，{}（强度 {strength}，测试守住 {held} 次，跌破或突破 {broken} 次）",
            price.get(),
            volume.get(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    #[test]
    fn the_same_reasons_are_told_in_either_language() {
        let price = |whole: i64| Number::new(Decimal::from(whole));
        let reasons = Reasons {
            action: Action::Buy,
            support: Some(Ground::Resonance {
                center: price(110_136),
                score: 0.86,
                kinds: vec![Kind::Wall, Kind::PointOfControl],
            }),
            resistance: Some(Ground::Wall {
                price: price(110_200),
                volume: price(12),
                strength: 0.5,
                held: 1,
                broken: 2,
            }),
            flow: 0.25,
            last_hour: None,
            lean: 0.4,
            unknown: vec![Note::SingleSnapshot, Note::ProfileHoles { damaged: 3 }],
        };
        assert_eq!(
            reasons.words(Language::En),
            "Below: resonance at 110136 (score 0.86, wall + point of control). Above: wall of 12 at 110200 \
             (strength 0.5, 1 tests held, 2 broke). Flow 0.25 (no trades in the last hour); lean 0.40: support \
             outweighs resistance. Not known: a single snapshot: nothing is known of the life of walls; 3 minutes \
             of the profile window are missing or incomplete."
        );
        assert_eq!(
            reasons.words(Language::Zh),
            "下方：110136 处共振区（得分 0.86，大单墙 + POC）。上方：110200 处大单墙，12（强度 0.5，测试守住 1 次，\
             跌破或突破 2 次）。资金流 0.25（最近一小时无成交）；倾向 0.40：支撑强于阻力。未知：只有一个快照：大单墙的历史未知；\
             成交分布窗口中有 3 分钟缺失或不完整。"
        );
    }
}
