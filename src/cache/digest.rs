//! The digest of a block: what its row tells of the rhythm and the repetition of its connections, in
//! bytes that are opaque to SQLite.
//!
//! What the numbers mean is said where they are counted: in `variation`, `pauses` and `repetition`.

use super::block::DecodeError;
use super::checkins::{READINGS, Reading};
use super::column::{put_varint, take_varint};
use super::pauses::Pauses;
use super::repetition::{Hour, Hours};
use super::summary::Rhythms;
use super::variation::Variation;

/// That of connections at `times_ms`, sorted: numbers as LEB128. Zeros at the end are left out, which
/// most of a small block's are.
pub(super) fn of(times_ms: &[i64]) -> Vec<u8> {
    let Rhythms { variations, mut pauses } = Rhythms::by(times_ms, Variation::of_part);
    let mut bytes = Vec::with_capacity(64);
    for number in [
        |variation: &Variation| variation.checkins,
        |variation: &Variation| variation.sum,
        |variation: &Variation| variation.absences,
        |variation: &Variation| variation.sum_of_absences,
    ] {
        variations.iter().for_each(|each| put_varint(number(each), &mut bytes));
    }
    for (pauses, _) in of_one_agent(&mut pauses) {
        // In whole seconds, so rounded that nothing is ruled out by it.
        put_varint(pauses.active_ms as u64 / 1000, &mut bytes);
        put_varint((pauses.paused_ms as u64).div_ceil(1000), &mut bytes);
    }
    let Hours { first, last, share_between } = Hours::of(times_ms);
    let hours = [first.intervals, first.most_frequent, last.intervals, last.most_frequent];
    hours.iter().chain([&share_between]).for_each(|number| put_varint(*number, &mut bytes));
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(length);
    bytes
}

/// Adds the digest `bytes` of the block that comes next, `gap_ms` after the one before, to `rhythms`;
/// gives its clock hours.
pub(super) fn add(
    mut bytes: &[u8],
    gap_ms: Option<i64>,
    rhythms: &mut Rhythms,
) -> Result<Hours, DecodeError> {
    let mut next = || if bytes.is_empty() { Ok(0) } else { take_varint(&mut bytes) };
    let Rhythms { variations, pauses } = rhythms;
    for (variation, reading) in variations.iter_mut().zip(READINGS) {
        let goes_on = gap_ms.is_some_and(|gap_ms| gap_ms <= reading.merge_gap_ms);
        variation.add_checkins(next()?, goes_on, reading);
    }
    // A damaged cache may hold any number.
    for sum in variations.iter_mut().map(|variation| &mut variation.sum) {
        *sum = sum.saturating_add(next()?);
    }
    for absences in variations.iter_mut().map(|variation| &mut variation.absences) {
        *absences = absences.saturating_add(next()?);
    }
    for sum in variations.iter_mut().map(|variation| &mut variation.sum_of_absences) {
        *sum = sum.saturating_add(next()?);
    }
    for (pauses, reading) in of_one_agent(pauses) {
        gap_ms.into_iter().for_each(|gap_ms| pauses.add_gap(gap_ms, reading));
        for sum_ms in [&mut pauses.active_ms, &mut pauses.paused_ms] {
            *sum_ms = sum_ms.saturating_add(milliseconds(next()?));
        }
    }
    let mut hour = || Ok(Hour { intervals: next()?, most_frequent: next()? });
    let (first, last) = (hour()?, hour()?);
    let hours = Hours { first, last, share_between: next()? };
    if bytes.is_empty() { Ok(hours) } else { Err(DecodeError::TrailingBytes) }
}

fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}

/// Those of readings with one agent; several are merged over nothing.
fn of_one_agent(pauses: &mut [Pauses]) -> impl Iterator<Item = (&mut Pauses, Reading)> {
    pauses.iter_mut().zip(READINGS).filter(|(_, reading)| reading.agents == 1)
}
