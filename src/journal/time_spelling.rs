//! How a journal's column writes its times: the unit of its numbers, and whether its dates begin
//! with the month or with the day. One value may not tell; all of them together mostly do.
//!
//! What a time is for does not matter here, and nothing here reads a clock.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::{InvalidTime, parse_time};

/// The end of the year 9999, in unix seconds.
const LATEST_S: f64 = 253_402_300_800.0;

/// The unit of numbers, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    const ALL: [Unit; 4] =
        [Unit::Seconds, Unit::Milliseconds, Unit::Microseconds, Unit::Nanoseconds];

    fn in_a_second(self) -> f64 {
        [1.0, 1e3, 1e6, 1e9][self as usize]
    }

    fn name(self) -> &'static str {
        ["seconds", "milliseconds", "microseconds", "nanoseconds"][self as usize]
    }

    /// The coarsest unit in which the number is a time up to the year 9999. In a finer one it lies
    /// in 1978 at the latest.
    fn of(number: f64) -> Option<Unit> {
        Unit::ALL.into_iter().find(|unit| (0.0..LATEST_S).contains(&(number / unit.in_a_second())))
    }

    fn to_ms(self, number: f64) -> i64 {
        match self {
            // Through whole microseconds: 1553015553.602 lies a hair under its own milliseconds.
            Unit::Seconds => (number * 1e6).round() as i64 / 1000,
            // Whole numbers of microseconds are exact here, and so is their quotient.
            finer => (number / (finer.in_a_second() / 1000.0)) as i64,
        }
    }
}

/// What comes first in a date like 5/4/2026.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Month,
    Day,
}

/// How a column's times are written, as far as is known, and what its values told of that.
#[derive(Clone, Debug, Default)]
pub(super) struct TimeSpelling {
    /// `None` until the first number, which decides unless it was known before.
    unit: Option<Unit>,
    first: Option<First>,
    told: Told,
}

/// How many values can be read in which way.
#[derive(Clone, Debug, Default)]
struct Told {
    of_unit: [u64; 4],
    month_first: u64,
    day_first: u64,
    /// Dates that can be read both ways, and differ.
    either: u64,
}

/// A value that is no time, or not one alone.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum TimeProblem {
    #[error(transparent)]
    Invalid(#[from] InvalidTime),
    #[error(
        "'{text}' is {}, or in {} {}, which the file's other times are in",
        in_unit(*likely, *number), wanted.name(), utc(wanted.to_ms(*number))
    )]
    OtherUnit { text: String, number: f64, likely: Unit, wanted: Unit },
    #[error(
        "'{text}' is {} or {}, and no other date of the file tells which", utc(*month_first),
        utc(*day_first)
    )]
    Ambiguous { text: String, month_first: i64, day_first: i64 },
}

fn in_unit(unit: Unit, number: f64) -> String {
    format!("{} in {}", utc(unit.to_ms(number)), unit.name())
}

fn utc(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

impl TimeSpelling {
    /// Unix milliseconds of a number.
    pub(super) fn number(&mut self, number: f64) -> Result<i64, TimeProblem> {
        let invalid = || InvalidTime(number.to_string());
        let likely = Unit::of(number).ok_or_else(invalid)?;
        if number == 0.0 {
            return Ok(0); // in any unit
        }
        self.told.of_unit[likely as usize] += 1;
        let wanted = *self.unit.get_or_insert(likely);
        if likely == wanted {
            return Ok(wanted.to_ms(number));
        }
        let text = number.to_string();
        Err(TimeProblem::OtherUnit { text, number, likely, wanted })
    }

    /// Unix milliseconds of a text: a number, RFC 3339, the same without `T` or offset (then it is
    /// UTC), or a date with slashes or points and a time of 12 or 24 hours.
    pub(super) fn text(&mut self, text: &str) -> Result<i64, TimeProblem> {
        if self.unit == Some(Unit::Seconds)
            && let Ok(time_ms) = parse_time(text)
        {
            self.told.of_unit[Unit::Seconds as usize] += 1;
            return Ok(time_ms);
        }
        let trimmed = text.trim();
        if let Ok(number) = trimmed.parse::<f64>() {
            return self.number(number).map_err(|problem| with_text(problem, trimmed));
        }
        if let Some(time_ms) = year_first(trimmed) {
            return Ok(time_ms);
        }
        match year_last(trimmed) {
            Some((Some(month_first), Some(day_first))) if month_first == day_first => {
                Ok(month_first)
            }
            Some((Some(month_first), Some(day_first))) => {
                self.told.either += 1;
                match self.first {
                    Some(First::Month) => Ok(month_first),
                    Some(First::Day) => Ok(day_first),
                    None => Err(TimeProblem::Ambiguous {
                        text: trimmed.to_owned(),
                        month_first,
                        day_first,
                    }),
                }
            }
            Some((Some(month_first), None)) => {
                self.told.month_first += 1;
                Ok(month_first)
            }
            Some((None, Some(day_first))) => {
                self.told.day_first += 1;
                Ok(day_first)
            }
            _ => Err(InvalidTime(trimmed.to_owned()).into()),
        }
    }

    /// How the values that were read so far are written.
    pub(super) fn learnt(&self) -> TimeSpelling {
        let Told { of_unit, month_first, day_first, .. } = self.told;
        let most = of_unit.into_iter().max().filter(|most| *most > 0);
        let unit = Unit::ALL.into_iter().find(|unit| Some(of_unit[*unit as usize]) == most);
        let first = match (month_first, day_first) {
            (1.., 0) => Some(First::Month),
            (0, 1..) => Some(First::Day),
            _ => None, // neither fits them all
        };
        TimeSpelling { unit, first, told: Told::default() }
    }

    /// Whether more values could tell what these have not.
    pub(super) fn needs_more(&self) -> bool {
        let Told { month_first, day_first, either, .. } = self.told;
        either > 0 && month_first == 0 && day_first == 0
    }
}

/// The same problem, with the number as it is written.
fn with_text(problem: TimeProblem, written: &str) -> TimeProblem {
    let text = written.to_owned();
    match problem {
        TimeProblem::Invalid(_) => TimeProblem::Invalid(InvalidTime(text)),
        TimeProblem::OtherUnit { number, likely, wanted, .. } => {
            TimeProblem::OtherUnit { text, number, likely, wanted }
        }
        ambiguous => ambiguous,
    }
}

/// Unix milliseconds of `2026-05-04 08:00:00.250`, with or without `T`, offset or `UTC`.
pub(super) fn year_first(text: &str) -> Option<i64> {
    let plain = text.strip_suffix("UTC").map_or(text, str::trim_end);
    let plain = match plain.contains('/') {
        true => Cow::Owned(plain.replace('/', "-")),
        false => Cow::Borrowed(plain),
    };
    let timestamp = plain.parse::<Timestamp>().ok();
    let timestamp = timestamp.or_else(|| utc_of(plain.parse::<DateTime>().ok()?));
    timestamp.map(Timestamp::as_millisecond).filter(|ms| *ms >= 0)
}

/// Unix milliseconds of `5/4/2026, 8:00:00.250 AM` and its like, with the month first and with the
/// day first. `None` where it is no date of this kind.
fn year_last(text: &str) -> Option<(Option<i64>, Option<i64>)> {
    let separator = text.trim_start_matches(|c: char| c.is_ascii_digit()).chars().next()?;
    if !matches!(separator, '/' | '.') {
        return None;
    }
    // Some browsers write a narrow space before AM.
    let text = text.replace(',', " ").to_ascii_uppercase();
    let (date, time) = text.trim().split_once(char::is_whitespace)?;
    let time = time.split_whitespace().collect::<Vec<_>>().join(" ");
    let time = ["%I:%M:%S%.f %p", "%I:%M %p", "%H:%M:%S%.f", "%H:%M"]
        .into_iter()
        .find_map(|format| strtime::parse(format, &time).ok()?.to_time().ok())?;
    let read = |format: &str| {
        let date = strtime::parse(format, date).ok()?.to_date().ok()?;
        let ms = utc_of(DateTime::from_parts(date, time))?.as_millisecond();
        (ms >= 0).then_some(ms)
    };
    Some(match separator {
        '/' => (read("%m/%d/%Y"), read("%d/%m/%Y")),
        _ => (None, read("%d.%m.%Y")), // with points, the day always comes first
    })
}

fn utc_of(time: DateTime) -> Option<Timestamp> {
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a column makes of its values once it has seen them all.
    fn column(values: &[&str]) -> Vec<Result<i64, String>> {
        let mut first = TimeSpelling::default();
        for value in values {
            let _ = first.text(value);
        }
        let mut second = first.learnt();
        let read = |value: &&str| second.text(value).map_err(|problem| problem.to_string());
        values.iter().map(read).collect()
    }

    const FOURTH_OF_MAY: i64 = 1_777_881_600_250;

    #[test]
    fn one_time_has_many_spellings() {
        for text in [
            "1777881600.25",
            "1777881600250",
            "1777881600250123",
            "1777881600250123456",
            "2026-05-04T08:00:00.25Z",
            "2026-05-04T10:00:00.2500000+02:00",
            "2026-05-04 08:00:00.250",
            "2026-05-04T08:00:00.250",
            "2026-05-04 08:00:00.250 UTC",
            "2026/05/04 08:00:00.250",
            "4.5.2026 08:00:00.250",
        ] {
            assert_eq!(column(&[text]), [Ok(FOURTH_OF_MAY)], "{text}");
        }
    }

    #[test]
    fn what_comes_first_in_a_date_is_told_by_the_other_dates() {
        let month_first = ["5/4/2026, 8:00:00.250 AM", "5/13/2026, 8:00:00 PM", "12/12/2026 20:00"];
        let read = column(&month_first);
        assert_eq!(read, [Ok(FOURTH_OF_MAY), Ok(1_778_702_400_000), Ok(1_797_105_600_000)]);
        let day_first = ["04/05/2026 08:00:00.250", "13/05/2026 20:00:00"];
        assert_eq!(column(&day_first), [Ok(FOURTH_OF_MAY), Ok(1_778_702_400_000)]);
        // U+202F, as browsers write it.
        assert_eq!(column(&["4.5.2026, 8:00:00.250\u{202f}AM"]), [Ok(FOURTH_OF_MAY)]);
        let alone = column(&["5/4/2026, 8:00:00.250 AM"]);
        let said = alone[0].clone().unwrap_err();
        for reading in ["2026-05-04T08:00:00.25Z", "2026-04-05T08:00:00.25Z"] {
            assert!(said.contains(reading), "{said}");
        }
        // Neither fits both: only the dates that can be read in one way are.
        let torn = column(&["5/13/2026 20:00", "13/5/2026 20:00", "5/4/2026 8:00"]);
        assert_eq!(torn.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn a_number_of_another_unit_than_most_is_rejected_with_both_readings() {
        let read = column(&["1777881600250", "1777881660250", "1777881600"]);
        assert_eq!(read[0], Ok(FOURTH_OF_MAY));
        assert_eq!(
            read[2].clone().unwrap_err(),
            "'1777881600' is 2026-05-04T08:00:00Z in seconds, or in milliseconds \
             1970-01-21T13:51:21.6Z, which the file's other times are in"
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-1",
            "NaN",
            "inf",
            "1e300",
            "yesterday",
            "1/2",
            "1/2/3",
            "13/13/2026 8:00",
            "5/13/2026 25:00",
            "1960-01-01 00:00:00",
            "203.0.113.9",
        ] {
            assert!(column(&[text])[0].is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in "\\PC{0,30}") {
            let _ = column(&[&text]);
        }

        #[test]
        fn numbers_of_any_unit_come_back(seconds in 300_000_000u64..9_000_000_000, ms in 0u64..1000) {
            let time_ms = seconds * 1000 + ms;
            for text in [time_ms.to_string(), format!("{time_ms}000"), format!("{time_ms}007")] {
                prop_assert_eq!(column(&[&text]), [Ok(time_ms as i64)], "{}", text);
            }
        }
    }
}
