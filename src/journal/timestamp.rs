//! Points in time as journals write them: unix seconds or RFC 3339, kept as milliseconds.
//!
//! Nothing here reads a clock.

use jiff::Timestamp;

/// The text is neither unix seconds >= 0 nor RFC 3339.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a time: give unix seconds (>= 0) or RFC 3339, like 2026-05-04T09:30:00Z")]
pub struct InvalidTime(pub String);

/// Unix milliseconds of `text`: unix seconds (a fraction is allowed) or RFC 3339.
/// Digits beyond the millisecond are cut, not rounded.
pub fn parse_time(text: &str) -> Result<i64, InvalidTime> {
    if let Some(ms) = plain_seconds_to_ms(text) {
        return Ok(ms);
    }
    let text = text.trim();
    let parsed = match text.parse::<f64>() {
        Ok(seconds) => unix_seconds_to_ms(seconds),
        Err(_) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
    };
    parsed.filter(|ms| *ms >= 0).ok_or_else(|| InvalidTime(text.to_owned()))
}

/// Unix milliseconds of unix seconds with six decimals, as most logs write them: what floating
/// point makes of these, at a fraction of its price.
fn plain_seconds_to_ms(text: &str) -> Option<i64> {
    let (seconds, decimals) = text.as_bytes().split_last_chunk::<7>()?;
    let [b'.', microseconds @ ..] = decimals else {
        return None;
    };
    let seconds = u32::try_from(digits(seconds)?).ok()?;
    Some(1000 * i64::from(seconds) + digits(microseconds)? / 1000)
}

/// A number of up to ten digits and of nothing else.
fn digits(text: &[u8]) -> Option<i64> {
    let mut number = 0;
    for byte in text.iter().take(11) {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = 10 * number + i64::from(byte - b'0');
    }
    (text.len() <= 10).then_some(number)
}

/// Unix milliseconds of unix seconds; `None` below 0 or beyond the year 9999.
pub fn unix_seconds_to_ms(seconds: f64) -> Option<i64> {
    const YEAR_10000: f64 = 253_402_300_800.0;
    if !(0.0..YEAR_10000).contains(&seconds) {
        return None;
    }
    // Through whole microseconds: 1553015553.602 lies a hair under its own milliseconds.
    Some((seconds * 1e6).round() as i64 / 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_seconds_are_what_floating_point_makes_of_them(
            seconds: u32, microseconds in 0..1_000_000,
        ) {
            let text = format!("{seconds}.{microseconds:06}");
            let expected = unix_seconds_to_ms(text.parse().unwrap());
            prop_assert_eq!(plain_seconds_to_ms(&text), expected);
        }
    }

    #[test]
    fn seconds_and_rfc_3339_give_the_same_milliseconds() {
        for (text, ms) in [
            ("0", 0),
            ("1553015553", 1_553_015_553_000),
            ("1553015553.602", 1_553_015_553_602),
            ("1517336154.078555", 1_517_336_154_078),
            ("1517336154.999999", 1_517_336_154_999),
            ("2019-03-19T17:12:33.602Z", 1_553_015_553_602),
            ("2019-03-19T18:12:33.602+01:00", 1_553_015_553_602),
        ] {
            assert_eq!(parse_time(text), Ok(ms), "{text}");
        }
        for text in ["", "-1", "NaN", "inf", "1e300", "yesterday", "1960-01-01T00:00:00Z"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
