//! What an analysis did not know.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Serialize, Serializer};

use crate::language::Language;
use crate::model::report::BookSide;

/// One thing that was not known, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Note {
    /// Documents of the market in Redis cannot be read.
    Unreadable {
        /// Snapshots.
        books: usize,
        /// Minutes of trades.
        minutes: usize,
    },
    /// There is no snapshot of the market.
    NoSnapshot,
    /// The newest snapshot is too old.
    SnapshotOld {
        /// Its age in seconds.
        age_seconds: f64,
        /// Seconds a snapshot may be old.
        limit_seconds: f64,
    },
    /// The newest snapshot is dated ahead of the clock by so many seconds.
    SnapshotAhead {
        /// Seconds.
        seconds: f64,
    },
    /// A side of the newest book has no level.
    SideEmpty {
        /// The side.
        side: BookSide,
    },
    /// A side of the newest book spans few buckets.
    SideShort {
        /// The side.
        side: BookSide,
        /// Buckets it spans.
        buckets: usize,
    },
    /// No minute of trades is inside the window.
    NoMinute,
    /// The newest minute of trades ended too long ago.
    MinuteOld {
        /// Seconds since it ended.
        age_seconds: i64,
    },
    /// Minutes dated ahead of the clock were left out.
    FutureMinutes {
        /// How many.
        minutes: usize,
    },
    /// Minutes of the profile window are missing or incomplete, few enough to bear.
    ProfileHoles {
        /// How many.
        damaged: u32,
    },
    /// More than a twentieth of the profile window is missing or incomplete.
    ProfileDamaged {
        /// Minutes missing or incomplete.
        damaged: u32,
        /// Minutes of the window.
        length: u32,
    },
    /// The record began inside the window.
    RecordShort {
        /// Minutes of the window before it.
        unrecorded: u32,
        /// Minutes of the window.
        length: u32,
    },
    /// More than a twentieth of the flow window is missing or incomplete.
    FlowDamaged {
        /// Minutes missing or incomplete.
        damaged: u32,
        /// Minutes of the window.
        length: u32,
    },
    /// There are fewer snapshots than the life of walls is followed over.
    FewSnapshots {
        /// Snapshots used.
        used: usize,
        /// Snapshots of a whole window.
        of: usize,
    },
    /// There is one snapshot only.
    SingleSnapshot,
    /// Snapshots of another market were left out.
    ForeignSnapshots {
        /// How many.
        snapshots: usize,
    },
    /// Bars with missing trades were left out of the imbalances.
    BarsLeftOut {
        /// How many.
        bars: u32,
    },
    /// Rows too far from the rest were left out of the profile.
    ProfileCut,
}

impl Note {
    /// The note in words.
    pub fn words(self, language: Language) -> String {
        match language {
            Language::Zh => self.chinese(),
            Language::En => self.english(),
        }
    }

    fn english(self) -> String {
        match self {
            Self::Unreadable { books, minutes } => {
                format!("in redis {books} snapshots and {minutes} minutes of trades cannot be read")
            }
            Self::NoSnapshot => "no snapshot of this market".to_owned(),
            Self::SnapshotOld {
                age_seconds,
                limit_seconds,
            } => {
                format!("the newest snapshot is {age_seconds:.0} s old, more than {limit_seconds:.0} s")
            }
            Self::SnapshotAhead { seconds } => {
                format!("the newest snapshot is {seconds:.0} s in the future: a clock is wrong")
            }
            Self::SideEmpty { side } => format!("the {} side is empty", side_english(side)),
            Self::SideShort { side, buckets } => format!(
                "the {} side shows {buckets} buckets only: hardly anything can be concluded from it",
                side_english(side)
            ),
            Self::NoMinute => "no minute of trades inside the window".to_owned(),
            Self::MinuteOld { age_seconds } => {
                format!("the newest minute of trades ended {age_seconds} s ago")
            }
            Self::FutureMinutes { minutes } => {
                format!("{minutes} minutes of the future left out: a clock is wrong")
            }
            Self::ProfileHoles { damaged } => {
                format!("{damaged} minutes of the profile window are missing or incomplete")
            }
            Self::ProfileDamaged { damaged, length } => {
                format!("{damaged} of {length} minutes of the profile window are missing or incomplete")
            }
            Self::RecordShort { unrecorded, length } => {
                format!("the record begins {unrecorded} minutes into the window of {length}")
            }
            Self::FlowDamaged { damaged, length } => {
                format!("{damaged} of {length} minutes of the flow window are missing or incomplete")
            }
            Self::FewSnapshots { used, of } => {
                format!("only {used} of {of} snapshots: the life of walls is short")
            }
            Self::SingleSnapshot => "a single snapshot: nothing is known of the life of walls".to_owned(),
            Self::ForeignSnapshots { snapshots } => {
                format!("{snapshots} snapshots of another market left out")
            }
            Self::BarsLeftOut { bars } => {
                format!("{bars} bars left out of the imbalances: trades are missing in them")
            }
            Self::ProfileCut => {
                "rows more than 100000 buckets from the largest left out of the profile".to_owned()
            }
        }
    }

    fn chinese(self) -> String {
        match self {
            Self::Unreadable { books, minutes } => {
                format!("Redis 中有 {books} 个快照和 {minutes} 个成交分钟无法读取")
            }
            Self::NoSnapshot => "没有该交易对的深度快照".to_owned(),
            Self::SnapshotOld {
                age_seconds,
                limit_seconds,
            } => {
                format!("最新快照已有 {age_seconds:.0} 秒，超过 {limit_seconds:.0} 秒")
            }
            Self::SnapshotAhead { seconds } => format!("最新快照的时间超前 {seconds:.0} 秒：时钟有误"),
            Self::SideEmpty { side } => format!("{}为空", side_chinese(side)),
            Self::SideShort { side, buckets } => {
                format!("{}只有 {buckets} 个价格桶：几乎得不出结论", side_chinese(side))
            }
            Self::NoMinute => "窗口内没有成交分钟".to_owned(),
            Self::MinuteOld { age_seconds } => format!("最新的成交分钟在 {age_seconds} 秒前结束"),
            Self::FutureMinutes { minutes } => format!("略去 {minutes} 个时间超前的分钟：时钟有误"),
            Self::ProfileHoles { damaged } => format!("成交分布窗口中有 {damaged} 分钟缺失或不完整"),
            Self::ProfileDamaged { damaged, length } => {
                format!("成交分布窗口 {length} 分钟中有 {damaged} 分钟缺失或不完整")
            }
            Self::RecordShort { unrecorded, length } => {
                format!("记录从 {length} 分钟窗口的第 {unrecorded} 分钟之后才开始")
            }
            Self::FlowDamaged { damaged, length } => {
                format!("订单流窗口 {length} 分钟中有 {damaged} 分钟缺失或不完整")
            }
            Self::FewSnapshots { used, of } => format!("只有 {used}/{of} 个快照：大单墙的历史较短"),
            Self::SingleSnapshot => "只有一个快照：大单墙的历史未知".to_owned(),
            Self::ForeignSnapshots { snapshots } => format!("略去 {snapshots} 个其他交易对的快照"),
            Self::BarsLeftOut { bars } => format!("失衡统计略去 {bars} 根成交不全的K线"),
            Self::ProfileCut => "成交分布略去距最大成交行 100000 行以外的部分".to_owned(),
        }
    }
}

/// What was not known, in a fixed order, and the language it is written in.
#[derive(Debug, Clone, PartialEq)]
pub struct Notes {
    list: Vec<Note>,
    language: Language,
}

impl Notes {
    /// The same notes, written in this language.
    pub fn spoken(&mut self, language: Language) {
        self.language = language;
    }
}

impl Default for Notes {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<Note>> for Notes {
    fn from(list: Vec<Note>) -> Self {
        Self {
            list,
            language: Language::En,
        }
    }
}

impl Deref for Notes {
    type Target = Vec<Note>;

    fn deref(&self) -> &Vec<Note> {
        &self.list
    }
}

impl DerefMut for Notes {
    fn deref_mut(&mut self) -> &mut Vec<Note> {
        &mut self.list
    }
}

impl Serialize for Notes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list.iter().map(|note| note.words(self.language)))
    }
}

fn side_english(side: BookSide) -> &'static str {
    match side {
        BookSide::Bid => "bid",
        BookSide::Ask => "ask",
    }
}

fn side_chinese(side: BookSide) -> &'static str {
    match side {
        BookSide::Bid => "买盘",
        BookSide::Ask => "卖盘",
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.english())
    }
}
