//! How a product writes times, where it is neither unix seconds nor RFC 3339.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

use crate::journal::field::Field;
use crate::journal::{FileTime, parse_time};

/// How a field holds a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum TimeFormat {
    /// A number since 1970, of whose thousandths so many are a millisecond.
    Unix { thousandths_in_ms: i64 },
    /// 100-ns ticks since 1601.
    FileTime,
    /// RFC 3339, or the same without an offset, which is UTC then.
    Iso8601,
    /// Conversions of strptime, UTC if there is no offset among them.
    Pattern(String),
}

/// Neither a unit nor a pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a time format: give seconds, milliseconds, microseconds, nanoseconds, filetime, \
     iso8601, or a pattern with date and time like '%Y-%m-%d %H:%M:%S'"
)]
pub(super) struct UnknownTimeFormat(String);

impl FromStr for TimeFormat {
    type Err = UnknownTimeFormat;

    fn from_str(text: &str) -> Result<TimeFormat, UnknownTimeFormat> {
        let of_unit = |thousandths_in_ms| Ok(TimeFormat::Unix { thousandths_in_ms });
        match text {
            "seconds" => of_unit(1),
            "milliseconds" => of_unit(1_000),
            "microseconds" => of_unit(1_000_000),
            "nanoseconds" => of_unit(1_000_000_000),
            "filetime" => Ok(TimeFormat::FileTime),
            "iso8601" => Ok(TimeFormat::Iso8601),
            pattern => {
                let format = TimeFormat::Pattern(pattern.to_owned());
                if format.can_read_what_it_writes(pattern) {
                    Ok(format)
                } else {
                    Err(UnknownTimeFormat(text.to_owned()))
                }
            }
        }
    }
}

impl TimeFormat {
    /// Whether a pattern holds a date and a time of day, and nothing that cannot be parsed: that is
    /// told at once, not once a line.
    fn can_read_what_it_writes(&self, pattern: &str) -> bool {
        const AFTERNOON_MS: i64 = 1_777_925_347_000; // 2026-05-04T20:09:07Z
        const MINUTE_MS: i64 = 60_000; // seconds may be left out
        let written = Timestamp::from_millisecond(AFTERNOON_MS)
            .and_then(|time| strtime::format(pattern, &time.to_zoned(TimeZone::UTC)));
        let read = written.ok().and_then(|text| self.read(&Field::Text(text.into())));
        read.is_some_and(|time_ms| (AFTERNOON_MS - time_ms).abs() < MINUTE_MS)
    }

    fn read(&self, value: &Field<'_>) -> Option<i64> {
        match self {
            TimeFormat::Unix { thousandths_in_ms } => {
                i64::try_from(thousandths(value)? / i128::from(*thousandths_in_ms)).ok()
            }
            TimeFormat::FileTime => {
                let ticks = value.text().trim().parse().ok().filter(|ticks| *ticks > 0)?;
                Some(FileTime::from_ticks(ticks).unix_ms())
            }
            TimeFormat::Iso8601 => read_iso8601(&value.text()),
            TimeFormat::Pattern(pattern) => {
                let text = value.text();
                let time = BrokenDownTime::parse(pattern, text.trim()).ok()?;
                let timestamp = match time.offset() {
                    Some(_) => time.to_timestamp().ok()?,
                    None => time.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
                };
                Some(timestamp.as_millisecond())
            }
        }
    }
}

/// A number in thousandths; digits beyond are cut.
fn thousandths(value: &Field<'_>) -> Option<i128> {
    if let Field::Integer(number) = value {
        return Some(1000 * i128::from(*number));
    }
    let text = value.text();
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let fraction = format!("{:0<3.3}", fraction).parse::<i128>().ok()?;
    whole.parse::<i128>().ok()?.checked_mul(1000)?.checked_add(fraction)
}

fn read_iso8601(text: &str) -> Option<i64> {
    let text = text.trim();
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    Some(timestamp.as_millisecond())
}

/// Unix milliseconds of a value in the first of these formats that it fits; `None` if it fits none.
/// Without formats it is unix seconds, RFC 3339, or that without an offset. May be below 0.
pub(super) fn read_time(formats: &[TimeFormat], value: &Field<'_>) -> Option<i64> {
    if formats.is_empty() {
        let text = value.text();
        return parse_time(&text).ok().or_else(|| read_iso8601(&text));
    }
    formats.iter().find_map(|format| format.read(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: &str, text: &str) -> Option<i64> {
        read_time(&[format.parse().unwrap()], &Field::Text(text.into()))
    }

    #[test]
    fn units_and_patterns_say_how_a_time_is_read() {
        for (format, text, time_ms) in [
            ("seconds", "1777881600.250999", 1_777_881_600_250),
            ("milliseconds", "1777881600250", 1_777_881_600_250),
            ("microseconds", "1777881600250999", 1_777_881_600_250),
            ("nanoseconds", "1777881600250999999", 1_777_881_600_250),
            ("filetime", "134223552002500000", 1_777_881_600_250),
            ("%Y-%m-%d %H:%M:%S%.f", "2026-05-04 08:00:00.250", 1_777_881_600_250),
            ("%m/%d/%Y, %I:%M:%S%.f %p", "5/4/2026, 8:00:00.250 AM", 1_777_881_600_250),
            ("%Y-%m-%dT%H:%M:%S%.f%z", "2026-05-04T10:00:00.250+0200", 1_777_881_600_250),
        ] {
            assert_eq!(read(format, text), Some(time_ms), "{format} {text}");
        }
        for (format, text) in [
            ("milliseconds", "2026-05-04T08:00:00Z"),
            ("seconds", "-1"),
            ("seconds", ""),
            ("filetime", "0"),
            ("%Y-%m-%d %H:%M", "2026-13-04 08:00"),
        ] {
            assert_eq!(read(format, text), None, "{format} {text}");
        }
        for unknown in ["", "days", "2026", "%!", "%H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %I:%M", "%c %Z"]
        {
            assert!(unknown.parse::<TimeFormat>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_time_without_an_offset_is_utc() {
        for text in
            ["2026-05-04 08:00:00.250", "2026-05-04T08:00:00.250", "2026-05-04T08:00:00.250Z"]
        {
            assert_eq!(
                read_time(&[], &Field::Text(text.into())),
                Some(1_777_881_600_250),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}|[0-9]{0,60}\\.[0-9]{0,60}") {
            for format in ["seconds", "nanoseconds", "filetime", "%m/%d/%Y, %I:%M:%S%.f %p"] {
                read(format, &text);
            }
            read_time(&[], &Field::Text(text.into()));
        }
    }
}
