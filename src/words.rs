//! Numbers and times in a few words: for people, beside the exact values of the tables.

use indicatif::{DecimalBytes, HumanCount};
use jiff::fmt::friendly::{FractionalUnit, SpanPrinter};
use jiff::{SignedDuration, Span, Timestamp};

const HOUR_MS: i64 = 3_600_000;

/// A length of time in seconds, rounded to what is worth reading: `10m 7s`.
pub fn duration(seconds: f64) -> String {
    let step_ms = match seconds.abs() {
        ..0.1 => 1,
        ..1.0 => 10,
        ..10.0 => 100,
        ..7_200.0 => 1_000,
        ..172_800.0 => 60_000,
        _ => HOUR_MS,
    };
    let steps = (seconds * 1000.0 / step_ms as f64).round() as i64;
    let rounded = SignedDuration::from_millis(steps.saturating_mul(step_ms));
    let printer = SpanPrinter::new().fractional(Some(FractionalUnit::Second));
    let (days, hours) = (rounded.as_hours() / 24, rounded.as_hours() % 24);
    match Span::new().try_days(days) {
        Ok(span) if step_ms == HOUR_MS => printer.span_to_string(&span.hours(hours)),
        _ => printer.duration_to_string(&rounded),
    }
}

/// A moment in unix milliseconds, in UTC to the second: `2026-05-04 08:00:00Z`.
pub fn time(ms: i64) -> String {
    match Timestamp::from_second(ms.div_euclid(1000)) {
        Ok(time) => time.strftime("%F %TZ").to_string(),
        Err(_) => format!("{ms} ms after 1970"),
    }
}

/// A moment in unix seconds, in the same words.
pub fn time_of_second(second: i64) -> String {
    time(second.saturating_mul(1000))
}

/// A number of bytes: `1.24 kB`.
pub fn bytes(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

/// A share as a percentage: `0.9 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A number: `1,200`.
pub fn number(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A number with the thing that is counted: `1 connection`, `1,200 connections`.
pub fn count(count: u64, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_is_worth_reading() {
        for (seconds, words) in [
            (0.0, "0s"),
            (0.0144, "0.014s"),
            (0.416, "0.42s"),
            (2.349, "2.3s"),
            (300.011, "5m"),
            (607.038, "10m 7s"),
            (21_600.4, "6h"),
            (270_000.0, "3d 3h"),
        ] {
            assert_eq!(duration(seconds), words);
        }
        assert!(duration(f64::MAX).starts_with("2562047788015h"));
    }

    #[test]
    fn times_beyond_the_calendar_are_no_crash() {
        assert_eq!(time(1_120_999), "1970-01-01 00:18:40Z");
        assert_eq!(time(i64::MAX), format!("{} ms after 1970", i64::MAX));
    }
}
