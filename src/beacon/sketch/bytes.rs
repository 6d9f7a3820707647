//! The bytes of a sketch's sums: what tells of the rhythm and the repetition of a block's connections.
//!
//! What the numbers mean is said where they are counted: in `variation`, `pauses` and `repetition`.

use super::RhythmSums;
use super::repetition::{Hour, Hours};
use super::variation::Variation;
use crate::beacon::hypothesis::HYPOTHESES;
use crate::varint::DecodeError;

/// Hypotheses of one agent, which come first; several are merged over nothing, and have no pauses.
const OF_ONE_AGENT: usize = 6;
const _: () = assert!(HYPOTHESES[OF_ONE_AGENT - 1].agents < HYPOTHESES[OF_ONE_AGENT].agents);
/// Four for the variation in each hypothesis, two for the pauses in each of one agent, and those of the
/// clock hours.
const NUMBERS: usize = 4 * HYPOTHESES.len() + 2 * OF_ONE_AGENT + 5;
/// Sums of terms are divided by this and rounded down, so that those of a full block at random fit into two
/// bytes. A sum that is too low stays a lower bound, which is all that it is used as; so does one that does
/// not fit and is kept as the largest number that does.
pub(super) const SUM_PART: u64 = 4;
/// Stands for pauses of whatever length, and is counted as more than any block's, in milliseconds.
const ANY_PAUSE: u16 = u16::MAX;
const LONGEST_PAUSE_MS: i64 = 1 << 31;

/// Those of connections at `times_ms`, sorted: numbers of two bytes each, which are sooner added up
/// than those of any length. Zeros at the end are left out, which many of a small block's are.
pub(super) fn from_times(times_ms: &[i64]) -> Vec<u8> {
    let RhythmSums { variations, pauses } = RhythmSums::from_part(times_ms);
    let of_variations = variations.iter().flat_map(|variation| {
        let Variation { checkins, sum, absences, sum_of_absences, pairs: _ } = *variation;
        [checkins, sum / SUM_PART, absences, sum_of_absences / SUM_PART]
    });
    // In whole seconds, so rounded that nothing is ruled out by it.
    let of_pauses = pauses.iter().take(OF_ONE_AGENT).flat_map(|pauses| {
        [pauses.active_ms as u64 / 1000, (pauses.paused_ms as u64).div_ceil(1000)]
    });
    let Hours { first, last, share_between } = Hours::from_times(times_ms);
    let of_hours =
        [first.intervals, first.most_frequent, last.intervals, last.most_frequent, share_between];
    let numbers = of_variations.chain(of_pauses).chain(of_hours);
    let mut bytes: Vec<u8> = numbers
        .flat_map(|number| u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes())
        .collect();
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(length.next_multiple_of(2));
    bytes
}

/// Adds the sums in `bytes` of the block that comes next, `gap_ms` after the one before, to `rhythms`;
/// gives its clock hours.
pub(super) fn add(
    bytes: &[u8],
    gap_ms: Option<i64>,
    rhythms: &mut RhythmSums,
) -> Result<Hours, DecodeError> {
    let mut numbers = [0; NUMBERS];
    let (pairs, rest) = bytes.as_chunks::<2>();
    if pairs.len() > NUMBERS || !rest.is_empty() {
        return Err(DecodeError::TrailingBytes);
    }
    for (number, pair) in numbers.iter_mut().zip(pairs) {
        *number = u16::from_le_bytes(*pair);
    }
    let (of_variations, rest) = numbers.split_at(4 * HYPOTHESES.len());
    let (of_pauses, of_hours) = rest.split_at(2 * OF_ONE_AGENT);
    // Of numbers of two bytes no cache holds enough for these sums, or those of hours, to overflow.
    let each = rhythms.variations.iter_mut().zip(HYPOTHESES).zip(of_variations.as_chunks().0);
    for ((variation, hypothesis), [checkins, sum, absences, sum_of_absences]) in each {
        let goes_on = gap_ms.is_some_and(|gap_ms| gap_ms <= hypothesis.merge_gap_ms);
        variation.add_checkins((*checkins).into(), goes_on, hypothesis);
        variation.sum += u64::from(*sum) * SUM_PART;
        variation.absences += u64::from(*absences);
        variation.sum_of_absences += u64::from(*sum_of_absences) * SUM_PART;
    }
    let each = rhythms.pauses.iter_mut().zip(HYPOTHESES).zip(of_pauses.as_chunks().0);
    for ((pauses, hypothesis), [active_s, paused_s]) in each {
        if let Some(gap_ms) = gap_ms {
            pauses.add_gap(gap_ms, hypothesis);
        }
        pauses.active_ms = pauses.active_ms.saturating_add(i64::from(*active_s) * 1000);
        let paused_ms =
            if *paused_s == ANY_PAUSE { LONGEST_PAUSE_MS } else { i64::from(*paused_s) * 1000 };
        pauses.paused_ms = pauses.paused_ms.saturating_add(paused_ms);
    }
    let [of_first, most_of_first, of_last, most_of_last, share_between] = of_hours else {
        return Err(DecodeError::Truncated);
    };
    let hour = |intervals: &u16, most_frequent: &u16| Hour {
        intervals: (*intervals).into(),
        most_frequent: (*most_frequent).into(),
    };
    Ok(Hours {
        first: hour(of_first, most_of_first),
        last: hour(of_last, most_of_last),
        share_between: (*share_between).into(),
    })
}
