//! One value of a row, as JSON, CSV or osquery write it, and what it says as a time or a count.
//!
//! Each format decides which columns there are.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::time_spelling::{TimeProblem, TimeSpelling};
use super::{FileTime, InvalidTime, ParseSophosPidError, parse_time, unix_seconds_to_ms};

/// A value as found; numbers in JSON and numbers in text mean the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Field<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Integer(i64),
    Number(f64),
}

/// A field that does not hold what its column is for.
#[derive(Debug, thiserror::Error)]
pub(super) enum FieldError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0}: {1}")]
    Time(&'static str, TimeProblem),
    #[error(
        "{column} '{value}' is neither an IP address nor a host's name, alone, with a port or in a URL"
    )]
    Destination { column: &'static str, value: String },
    #[error("the destination names port {0}, {1} says {2}")]
    TwoPorts(u16, &'static str, u16),
    #[error("sophosPID: {0}")]
    SophosPid(#[from] ParseSophosPidError),
    #[error("{column} '{value}' is not a whole number from 0 to {largest}")]
    Count { column: &'static str, value: String, largest: u64 },
}

impl<'a> Field<'a> {
    /// '' if absent.
    #[inline]
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Field::Absent => Cow::Borrowed(""),
            Field::Text(text) => Cow::Borrowed(text),
            Field::Integer(number) => Cow::Owned(number.to_string()),
            Field::Number(number) => Cow::Owned(number.to_string()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Field::Absent => true,
            Field::Text(text) => is_blank(text),
            Field::Integer(_) | Field::Number(_) => false,
        }
    }

    /// A whole number up to `largest`; `None` if absent or ''.
    pub(super) fn count(
        &self,
        column: &'static str,
        largest: u64,
    ) -> Result<Option<u64>, FieldError> {
        let count = match self {
            Field::Integer(number) => u64::try_from(*number).ok(),
            Field::Number(number) => whole(*number),
            Field::Text(text) => text.parse().ok().or_else(|| {
                let text = text.trim();
                text.parse().ok().or_else(|| text.parse().ok().and_then(whole))
            }),
            Field::Absent => None,
        };
        match count.filter(|count| *count <= largest) {
            Some(count) => Ok(Some(count)),
            None if self.is_empty() => Ok(None),
            None => Err(FieldError::Count { column, value: self.text().into_owned(), largest }),
        }
    }

    /// A process id; `None` for what sources write where they know none ('', -1).
    pub(super) fn pid(&self) -> Result<Option<u32>, FieldError> {
        if matches!(self, Field::Integer(..0)) || self.text().trim().starts_with('-') {
            return Ok(None);
        }
        let pid = self.count("pid", u64::from(u32::MAX))?;
        Ok(pid.and_then(|pid| u32::try_from(pid).ok()))
    }

    /// Unix milliseconds; `None` if absent or ''.
    pub(super) fn time_ms(&self, column: &'static str) -> Result<Option<i64>, FieldError> {
        let invalid = || InvalidTime(self.text().into_owned());
        let time = match self {
            Field::Absent => return Ok(None),
            Field::Number(seconds) => unix_seconds_to_ms(*seconds).ok_or_else(invalid),
            Field::Integer(seconds) => unix_seconds_to_ms(*seconds as f64).ok_or_else(invalid),
            Field::Text(text) => parse_time(text),
        };
        match time {
            Ok(time_ms) => Ok(Some(time_ms)),
            Err(_) if self.is_empty() => Ok(None),
            Err(error) => Err(FieldError::Time(column, error.into())),
        }
    }

    /// Unix milliseconds, in any spelling that this column of the file may have; `None` if absent
    /// or ''.
    pub(super) fn time_spelled(
        &self,
        column: &'static str,
        spelling: &mut TimeSpelling,
    ) -> Result<Option<i64>, FieldError> {
        let time = match self {
            Field::Absent => return Ok(None),
            Field::Number(number) => spelling.number(*number),
            Field::Integer(number) => spelling.number(*number as f64),
            Field::Text(text) => spelling.text(text),
        };
        match time {
            Ok(time_ms) => Ok(Some(time_ms)),
            Err(_) if self.is_empty() => Ok(None),
            Err(problem) => Err(FieldError::Time(column, problem)),
        }
    }

    /// A process start: unix seconds, RFC 3339 or the ticks of a SophosPID; `None` if absent or 0.
    pub(super) fn process_start(&self) -> Result<Option<FileTime>, FieldError> {
        const COLUMN: &str = "process_start_time";
        const FIRST_TICKS: f64 = 1e15; // far beyond any time in seconds
        if self.is_empty() {
            return Ok(None);
        }
        let text = self.text();
        let text = text.trim();
        if text.parse::<f64>().is_ok_and(|number| number >= FIRST_TICKS) {
            let ticks = self.count(COLUMN, i64::MAX as u64)?;
            return Ok(ticks.and_then(|ticks| FileTime::from_journal_ticks(ticks as i64)));
        }
        // Any spelling that one value alone tells, since most files write two columns alike.
        let mut spelling = TimeSpelling::default();
        let _ = self.time_spelled(COLUMN, &mut spelling);
        let start = self.time_spelled(COLUMN, &mut spelling.learnt())?.filter(|ms| *ms > 0);
        Ok(start.and_then(FileTime::from_unix_ms))
    }
}

/// Whether there is nothing but whitespace.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// `number` as an integer if it is one.
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;

        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = Field<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
                Ok(Field::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
                Ok(Field::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Field<'de>, E> {
                Ok(Field::Integer(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Field<'de>, E> {
                Ok(match i64::try_from(number) {
                    Ok(number) => Field::Integer(number),
                    Err(_) => Field::Text(Cow::Owned(number.to_string())),
                })
            }

            fn visit_f64<E>(self, number: f64) -> Result<Field<'de>, E> {
                Ok(Field::Number(number))
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Field<'de>, E> {
                Ok(Field::Text(Cow::Borrowed(if truth { "true" } else { "false" })))
            }

            fn visit_unit<E>(self) -> Result<Field<'de>, E> {
                Ok(Field::Absent)
            }

            // Extra columns may hold anything; a column of ours that holds this is as good as absent.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Field::Absent)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Field::Absent)
            }
        }

        deserializer.deserialize_any(FieldVisitor)
    }
}
