//! The version of sketches: sums that were made by other maths mean something else, and would rule out
//! beacons without a word.

use super::{bytes, pauses, repetition, variation};
use crate::beacon::HYPOTHESES;

/// Raise this where what a sketch holds changes otherwise than by one of the constants below. The test
/// here tells.
const REVISION: u64 = 1;

/// Of the maths that make a sketch: a hash of all constants that its sums depend on. A sketch with any
/// other version is not used, but made anew from its block.
pub const VERSION: u16 = {
    let mut hash = hashed(0xcbf2_9ce4_8422_2325, REVISION);
    let mut at = 0;
    while at < HYPOTHESES.len() {
        hash = hashed(hash, HYPOTHESES[at].merge_gap_ms as u64);
        hash = hashed(hash, HYPOTHESES[at].agents as u64);
        at += 1;
    }
    hash = hashed(hash, variation::SCALE.to_bits());
    hash = hashed(hash, variation::ABSENCE as u64);
    hash = hashed(hash, pauses::LONGEST as u64);
    hash = hashed(hash, repetition::COUNTED_ABOVE_S as u64);
    hash = hashed(hash, repetition::TOO_FEW);
    hash = hashed(hash, bytes::SUM_PART);
    (hash >> 48) as u16
};

/// A step of FNV-1a, a whole number at a time and mixed upwards.
const fn hashed(hash: u64, number: u64) -> u64 {
    let mixed = (hash ^ number).wrapping_mul(0x0000_0100_0000_01b3);
    mixed ^ mixed.rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::sketch::encode;

    /// The present version, and a hash of the sketches that its maths make of the timelines below.
    const RECORDED: (u16, u64) = (47_711, 2_147_682_750_890_555_815);

    /// Timelines that every sum has a part in: from milliseconds between connections to hours, alone
    /// and in bursts, on a clock and not.
    fn timelines() -> impl Iterator<Item = Vec<i64>> {
        (1..40_u64).map(|seed| {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut time_ms = 1_777_881_600_000;
            let intervals = (0..20 * seed).map(move |index| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let scale_ms = [900, 6_000, 14_000, 25_000, 90_000, 700_000][(seed % 6) as usize];
                match random % 11 {
                    0..3 => random >> 11 & 1_023,
                    3 => scale_ms * (1 + index % 13),
                    4..8 => scale_ms + (random >> 20) % (scale_ms / 10),
                    _ => (random >> 20) % scale_ms,
                }
            });
            let times = intervals.map(move |interval_ms| {
                time_ms += interval_ms as i64;
                time_ms
            });
            times.collect()
        })
    }

    #[test]
    fn no_sketch_changes_without_its_version() {
        let mut fingerprint = 0;
        for times_ms in timelines() {
            let mut sketch = Vec::new();
            encode(&times_ms, &mut sketch);
            let content = &sketch[size_of_val(&VERSION)..];
            fingerprint =
                content.iter().fold(fingerprint, |hash, byte| hashed(hash, (*byte).into()));
        }
        assert!(
            VERSION != RECORDED.0 || fingerprint == RECORDED.1,
            "sketches hold something else under the same version: raise REVISION"
        );
        assert_eq!((VERSION, fingerprint), RECORDED, "a new version: record what belongs to it");
    }
}
