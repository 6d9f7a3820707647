//! What is computed of one group for its row: each statistic if a column needs it.

use super::gather::{ReadLevel, ResultGroup};
use super::plan::{QueryPlan, RHYTHMIC};
use super::prefilter::Member;
use crate::beacon::Window;
use crate::beacon::detectors::periodic::Rhythm;
use crate::beacon::detectors::repetitive_interval::{Finding, Thresholds};
use crate::beacon::detectors::{Evidence, Findings, Prefilter, detected_by};
use crate::beacon::intervals::{IntervalDistribution, IntervalStatistics};
use crate::beacon::rita;
use crate::beacon::sparkline::sparkline;
use crate::cache::Parts;
use crate::table::column::Needs;

/// The statistics of a group; what no column needs is empty.
#[derive(Default)]
pub(super) struct Statistics {
    pub(super) intervals: Option<IntervalStatistics>,
    pub(super) distribution: Option<IntervalDistribution>,
    pub(super) repetition: Finding,
    /// Clock hours in which the rule of the repetitive interval held, of public destinations only.
    pub(super) beacon_hours: u64,
    /// Without a period where that is shorter than the times can tell.
    pub(super) rhythm: Option<Rhythm>,
    /// That of the rhythm; `None` where the period is.
    pub(super) score: Option<f64>,
    pub(super) detected_by: Vec<&'static str>,
    pub(super) rita: Option<rita::Scores>,
    pub(super) sparkline: String,
}

impl Statistics {
    /// Of a group of which this has been found already.
    pub(super) fn compute(
        group: &ResultGroup,
        findings: &mut Findings,
        prefilter: Prefilter,
        plan: &QueryPlan<'_>,
        last_day: Window,
    ) -> Statistics {
        let needs = plan.needs;
        let thresholds = &plan.parameters.thresholds;
        let mut evidence = evidence(group, prefilter, findings, plan);
        let mut statistics = Statistics {
            intervals: IntervalStatistics::from_outline(&group.outline),
            ..Statistics::default()
        };
        if needs.any(Needs::MEDIAN.and(Needs::DEVIATION)) {
            statistics.distribution =
                IntervalDistribution::from_times(&group.times_ms, &group.outline);
        }
        if needs.any(Needs::REPETITION) {
            statistics.repetition = evidence.repetition(&Thresholds::among(thresholds));
            statistics.beacon_hours =
                if group.has_public { statistics.repetition.hours } else { 0 };
        }
        if needs.any(RHYTHMIC) {
            let rhythm = evidence.rhythm();
            let is_told = !evidence.is_blurred(&rhythm);
            statistics.score = is_told.then_some(rhythm.score);
            let periodicity = rhythm.periodicity.filter(|_| is_told);
            statistics.rhythm = Some(Rhythm { periodicity, ..rhythm });
        }
        if needs.any(Needs::DETECTORS) {
            statistics.detected_by = detected_by(&mut evidence, prefilter, thresholds).collect();
        }
        if needs.any(Needs::RITA) {
            statistics.rita = rita::scores(&group.times_ms, &group.sizes, last_day.span_ms());
        }
        if needs.any(Needs::TIMES) {
            statistics.sparkline = sparkline(&group.times_ms, plan.parameters.window.span_ms());
        }
        statistics
    }
}

/// What detectors look at of a group.
pub(super) fn evidence<'a>(
    group: &'a ResultGroup,
    prefilter: Prefilter,
    findings: &'a mut Findings,
    plan: &QueryPlan<'_>,
) -> Evidence<'a> {
    // Only the endpoint itself has a source that blurs times.
    const THIS_ENDPOINT: u32 = 0;
    let is_of_this_endpoint = group.latest.group.host == THIS_ENDPOINT;
    Evidence {
        outline: &group.outline,
        times_ms: &group.times_ms,
        public_times_ms: group.public_times_ms.as_deref(),
        has_public: group.has_public,
        shortest_period_s: if is_of_this_endpoint { plan.shortest_period_s } else { 0.0 },
        may_hold_rhythm: prefilter.may_hold_rhythm(),
        findings,
    }
}

/// How much has to be read of a group to compute its statistics and these parts. Where the group is one
/// of the cache's, `alone`, its sketch may be enough: a score that is ruled out is 0 without any times.
pub(super) fn read_level(
    needs: Needs,
    parts: Parts,
    prefilter: Prefilter,
    alone: Option<&Member>,
) -> ReadLevel {
    let decides = needs.any(Needs::DETECTORS.and(Needs::SCORE)) && prefilter.may_hold_rhythm()
        || needs.any(Needs::DETECTORS) && prefilter.is_open();
    let spread = alone.and_then(|member| member.outline.spread);
    let median = spread.and_then(|spread| spread.median.ms());
    let needs_times = needs.any(Needs::DEVIATION) && spread.is_none()
        || needs.any(Needs::MEDIAN) && median.is_none()
        || needs.any(Needs::REPETITION.and(Needs::RHYTHM).and(Needs::RITA).and(Needs::TIMES));
    match decides || needs_times || !parts.are_times_only() {
        true => ReadLevel::Connections(parts),
        false => ReadLevel::Sketch,
    }
}
