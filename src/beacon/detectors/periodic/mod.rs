//! The detector `periodic`: the score of a group's rhythm, from 0 (none) to 1 (clockwork, and plenty of
//! it).
//!
//! The score is derived, with its limits, in docs/detection.md. `screening` rules out most groups by
//! their sketches; `fit` compares the best `timer` of the others' `intervals` with the best `ordinary`
//! model; `best_fit` does so under every hypothesis, and `rhythm` says what is shown of it.

mod best_fit;
mod fit;
mod intervals;
mod ordinary;
mod rhythm;
mod screening;
mod timer;

pub use self::best_fit::BestFit;
pub use self::rhythm::Rhythm;
use super::{Detector, Known, Verdict};

/// The detector's name.
pub const NAME: &str = "periodic";

/// This detector.
pub const DETECTOR: Detector = Detector {
    name: NAME,
    thresholds: &[],
    prefilter,
    names: |evidence, _| evidence.is_periodic(),
};

/// Above this a rhythm is no chance: the detector names it.
pub const THRESHOLD: f64 = 0.33;

fn prefilter(known: &Known<'_>, _: &[f64]) -> Verdict {
    Verdict::open_if(match known.sketch {
        Some(sketch) => screening::may_hold_rhythm(&sketch.rhythm),
        None => screening::can_hold(known.connections),
    })
}

/// The rhythm of connections at `times_ms`, which must be sorted.
pub fn rhythm(times_ms: &[i64]) -> Rhythm {
    Rhythm::from_times(times_ms, BestFit::from_times(times_ms))
}
