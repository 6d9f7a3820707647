//! The detector `periodic`: the score of a group's rhythm, from 0 (none) to 1 (clockwork, and plenty of
//! it).
//!
//! The score is derived, with its limits, in docs/detection.md. `hypotheses` rules out most groups by
//! their sketches; `fit` compares the best `timer` with the best `ordinary` model of the others'
//! `intervals`; `best_fit` does so under every hypothesis, and `rhythm` says what is shown of it.

mod best_fit;
mod fit;
mod hypotheses;
mod intervals;
mod ordinary;
mod rhythm;
mod timer;

pub use self::best_fit::BestFit;
pub use self::hypotheses::HypothesisSet;
pub use self::rhythm::Rhythm;

/// Above this a rhythm is no chance: the detector `periodic`.
pub const THRESHOLD: f64 = 0.33;

/// The rhythm of connections at `times_ms`, which must be sorted.
pub fn rhythm(times_ms: &[i64]) -> Rhythm {
    Rhythm::from_times(
        times_ms,
        BestFit::from_times(times_ms, &HypothesisSet::from_times(times_ms)),
    )
}
