//! Clock minutes, time texts, and the only place that reads the local clock.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;

/// Source of the local time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The local time now.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the machine's clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// An instant of the exchange, in milliseconds since the Unix epoch.
pub type ExchangeMs = i64;

/// One minute of the clock, named by its number since the Unix epoch.
///
/// The years 1970 to 9999 are representable; everything else is refused, so that a minute always has
/// a text and a file name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(i64);

/// A time outside the years 1970 to 9999, or not on a whole minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a representable minute: {0}")]
pub struct MinuteError(pub i64);

impl Minute {
    /// The first minute of 1970.
    pub const EPOCH: Self = Self(0);

    /// First second of the year 10000, in minutes.
    const END: i64 = 253_402_300_800 / 60;

    /// The minute with this number since the Unix epoch.
    ///
    /// # Errors
    /// [`MinuteError`] outside the years 1970 to 9999.
    pub fn from_number(number: i64) -> Result<Self, MinuteError> {
        if (0..Self::END).contains(&number) {
            Ok(Self(number))
        } else {
            Err(MinuteError(number))
        }
    }

    /// The minute that contains an instant of the exchange.
    ///
    /// # Errors
    /// [`MinuteError`] outside the years 1970 to 9999.
    pub fn containing(at: ExchangeMs) -> Result<Self, MinuteError> {
        Self::from_number(at.div_euclid(MINUTE_MS))
    }

    /// The minute that contains a point in time.
    ///
    /// # Errors
    /// [`MinuteError`] outside the years 1970 to 9999.
    pub fn of(at: DateTime<Utc>) -> Result<Self, MinuteError> {
        Self::containing(at.timestamp_millis())
    }

    /// Number of the minute since the Unix epoch.
    pub fn number(self) -> i64 {
        self.0
    }

    /// First millisecond of the minute.
    pub fn start_ms(self) -> ExchangeMs {
        self.0 * MINUTE_MS
    }

    /// First millisecond after the minute.
    pub fn end_ms(self) -> ExchangeMs {
        (self.0 + 1) * MINUTE_MS
    }

    /// Start of the minute.
    pub fn start(self) -> DateTime<Utc> {
        // In range by construction.
        DateTime::from_timestamp(self.0 * 60, 0).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// The minute after this one; the last representable minute is its own successor.
    pub fn next(self) -> Self {
        self.offset(1)
    }

    /// The minute before this one; the first minute is its own predecessor.
    pub fn previous(self) -> Self {
        self.offset(-1)
    }

    /// The minute `minutes` later (earlier when negative), kept inside the representable range.
    pub fn offset(self, minutes: i64) -> Self {
        Self(self.0.saturating_add(minutes).clamp(0, Self::END - 1))
    }

    /// Minutes from `earlier` to this one; negative when `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// `YYYYMMDD_HHMM` in UTC, as file names have it.
    pub fn file_stamp(self) -> String {
        self.start().format("%Y%m%d_%H%M").to_string()
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&format_time(self.start()))
    }
}

impl fmt::Debug for Minute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Minute({self})")
    }
}

impl Serialize for Minute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Minute {
    /// Reads an RFC 3339 time on a whole minute.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let at = rfc3339::deserialize(deserializer)?;
        let minute = Self::of(at).map_err(D::Error::custom)?;
        if minute.start() == at {
            Ok(minute)
        } else {
            Err(D::Error::custom(MinuteError(at.timestamp_millis())))
        }
    }
}

/// RFC 3339 in UTC with offset, as `2026-11-22T06:14:00+00:00`; microseconds only where there are any.
pub fn format_time(at: DateTime<Utc>) -> String {
    let precision = if at.timestamp_subsec_micros() == 0 {
        SecondsFormat::Secs
    } else {
        SecondsFormat::Micros
    };
    at.to_rfc3339_opts(precision, false)
}

/// A point in time as its RFC 3339 text, for `#[serde(with = "rfc3339")]`.
pub mod rfc3339 {
    use super::{DateTime, Deserialize, Deserializer, Serializer, Utc, format_time};
    use serde::de::Error as _;

    /// Writes the time as [`format_time`] does.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_time(*at))
    }

    /// Reads any RFC 3339 time.
    ///
    /// # Errors
    /// When the text is not an RFC 3339 time; a time without offset is not one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text)
            .map(|at| at.with_timezone(&Utc))
            .map_err(D::Error::custom)
    }
}

/// A span in whole and fractional seconds, for logs.
pub fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_contains_its_first_but_not_its_last_millisecond() {
        let minute = Minute::containing(1_763_792_040_000).unwrap();
        assert_eq!(minute.to_string(), "2025-11-22T06:14:00+00:00");
        assert_eq!(Minute::containing(1_763_792_099_999).unwrap(), minute);
        assert_eq!(Minute::containing(1_763_792_100_000).unwrap(), minute.next());
        assert_eq!(minute.file_stamp(), "20251122_0614");
        assert!(Minute::containing(-1).is_err());
        assert!(Minute::containing(i64::MAX).is_err());
    }

    #[test]
    fn times_are_read_with_any_offset_and_written_in_utc() {
        let minute: Minute = serde_json::from_str("\"2025-11-22T14:14:00+08:00\"").unwrap();
        assert_eq!(
            serde_json::to_string(&minute).unwrap(),
            "\"2025-11-22T06:14:00+00:00\""
        );
        assert!(serde_json::from_str::<Minute>("\"2025-11-22T06:14:30+00:00\"").is_err());
        assert!(serde_json::from_str::<Minute>("\"2025-11-22T06:14:00\"").is_err());
    }

    #[test]
    fn microseconds_are_written_where_there_are_any() {
        let at = DateTime::from_timestamp_micros(1_763_792_040_123_456).unwrap();
        assert_eq!(format_time(at), "2025-11-22T06:14:00.123456+00:00");
    }
}
