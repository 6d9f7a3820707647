//! What a row shows of the times of its connections, a block at a time: a million of them need not be
//! at hand, which they would be slowly.
//!
//! Which groups that is enough for is decided by `judgement`.

use crate::beacon::checkins::Merging;
use crate::beacon::detectors::periodic::Rhythm;
use crate::beacon::rita::{Scores, Scoring};
use crate::beacon::sketch::{Counting, Spread};
use crate::beacon::sparkline::Activity;

/// What is asked for, of connections that come one block after the other.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) intervals: Option<Counting>,
    pub(super) checkins: Option<Merging>,
    pub(super) scoring: Option<Scoring>,
    pub(super) activity: Option<Activity>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Tallied {
    pub(super) spread: Option<Spread>,
    pub(super) rhythm: Option<Rhythm>,
    pub(super) rita: Option<Scores>,
    pub(super) sparkline: String,
}

impl Tally {
    /// Adds connections, sorted, none of them before those that are there.
    pub(super) fn add(&mut self, times_ms: &[i64]) {
        if let Some(intervals) = &mut self.intervals {
            intervals.add(times_ms);
        }
        if let Some(checkins) = &mut self.checkins {
            checkins.add(times_ms);
        }
        if let Some(scoring) = &mut self.scoring {
            scoring.add(times_ms);
        }
        if let Some(activity) = &mut self.activity {
            activity.add(times_ms);
        }
    }

    /// Of connections that sent these bytes.
    pub(super) fn finish(self, bytes_sent: &[u64]) -> Tallied {
        Tallied {
            spread: self.intervals.and_then(|intervals| intervals.spread()),
            rhythm: self.checkins.map(|merging| Rhythm::without_fit(merging.checkins())),
            rita: self.scoring.and_then(|scoring| scoring.scores(bytes_sent)),
            sparkline: self.activity.map(|activity| activity.sparkline()).unwrap_or_default(),
        }
    }
}
