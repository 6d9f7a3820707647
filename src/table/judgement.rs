//! What the detectors say of one group.

use super::grouping::ResultGroup;
use super::parameters::Parameters;
use crate::beacon::intervals::IntervalStatistics;
use crate::beacon::score::{self, Rhythm, THRESHOLD};
use crate::beacon::{fixed_interval, repetitive_interval};

/// Statistics, rhythm, and the detectors that name the group.
pub(super) struct Judgement {
    pub(super) statistics: Option<IntervalStatistics>,
    pub(super) repetitive: repetitive_interval::Finding,
    /// Clock hours in which the repetitive interval held, of public destinations only.
    pub(super) beacon_hours: u64,
    pub(super) rhythm: Rhythm,
    pub(super) detected_by: Vec<&'static str>,
}

impl Judgement {
    pub(super) fn of(group: &ResultGroup, parameters: &Parameters) -> Judgement {
        let times_ms = group.timeline.times_ms();
        let statistics = IntervalStatistics::of(times_ms);
        let repetitive = repetitive_interval::find(
            group.public_times_ms.as_deref().unwrap_or(times_ms),
            &parameters.repetitive_interval,
        );
        let beacon_hours = if group.has_public { repetitive.hours } else { 0 };
        let rhythm = score::rhythm(times_ms);
        let is_fixed =
            fixed_interval::holds(times_ms.len(), statistics.as_ref(), &parameters.fixed_interval);
        let detectors = [
            ("fixed_interval", is_fixed),
            ("repetitive_interval", beacon_hours > 0),
            ("periodic", rhythm.score > THRESHOLD),
        ];
        let detected_by =
            detectors.into_iter().filter_map(|(name, holds)| holds.then_some(name)).collect();
        Judgement { statistics, repetitive, beacon_hours, rhythm, detected_by }
    }
}
