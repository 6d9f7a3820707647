//! What is computed of one group: what the detectors say, and what a query's columns show.

use super::QueryContext;
use super::grouping::{Detail, ResultGroup};
use super::parameters::Parameters;
use super::selection::{Member, Open};
use super::tally::Tally;
use crate::beacon::Window;
use crate::beacon::checkins::{MERGE_GAP_MS, Merging};
use crate::beacon::detectors::fixed_interval;
use crate::beacon::detectors::periodic::{BestFit, HypothesisSet, Rhythm, THRESHOLD};
use crate::beacon::detectors::repetitive_interval::{self, Finding};
use crate::beacon::intervals::{IntervalDistribution, IntervalStatistics};
use crate::beacon::rita::Scoring;
use crate::beacon::sketch::{Counting, Outline};
use crate::beacon::sparkline::Activity;
use crate::cache::Parts;

/// What a query wants computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Which detectors name a group.
    names: bool,
    /// The order by score, where that decides which rows are returned.
    pub(super) order: bool,
    median: bool,
    deviation: bool,
    repetition: bool,
    rhythm: bool,
    /// Where it goes.
    pub(super) destination: bool,
    /// RITA's scores.
    pub(super) rita: bool,
    sparkline: bool,
    /// What is read of connections besides their times, once a row is to be returned.
    pub(super) parts: Parts,
}

impl Wanted {
    /// For the columns that `context` uses and narrows by.
    pub(super) fn by(context: &QueryContext) -> Wanted {
        let any = |columns: &[&str]| {
            columns.iter().any(|column| context.uses(column) || context.on(column).next().is_some())
        };
        Wanted {
            names: any(&["detected_by"]),
            order: any(&["beacon_score"]),
            median: any(&["median_interval"]),
            deviation: any(&["stddev_interval"]),
            repetition: any(&[
                "most_frequent_interval",
                "most_frequent_interval_count",
                "beacon_percent",
                "beacon_hours",
            ]),
            rhythm: any(&["checkins", "period", "jitter", "missed_checkins", "merge_gap"]),
            destination: any(&["destination", "tuple"]),
            rita: any(&[
                "timestamp_score",
                "datasize_score",
                "duration_score",
                "histogram_score",
                "rita_score",
            ]),
            sparkline: any(&["sparkline"]),
            parts: Parts {
                instances: any(&["pathname", "sophosPID", "pid", "cmdline", "process_count"]),
                domains: any(&["domain"]),
                bytes: any(&["bytes_sent", "bytes_received", "datasize_score", "rita_score"]),
            },
        }
    }

    /// Whether anything that follows from a rhythm is shown.
    pub(super) fn shows_rhythm(self) -> bool {
        self.names || self.order || self.rhythm
    }

    /// What has to be known of a group to show it, which may be one of the cache's, `alone`. A score that
    /// is ruled out is 0 without its times.
    pub(super) fn to_show(
        self,
        open: &Open,
        alone: Option<&Member>,
        parameters: &Parameters,
        last_day: Window,
    ) -> Detail {
        let is_undecided =
            (self.names || self.order) && open.may_hold_rhythm() || self.names && open.repetitive;
        let spread = alone.and_then(|member| member.outline.spread);
        let is_spread_open = self.deviation && spread.is_none()
            || self.median && spread.is_none_or(|spread| spread.median.ms().is_none());
        let shows_times =
            is_spread_open || self.repetition || self.rhythm || self.rita || self.sparkline;
        if !is_undecided && !shows_times && self.parts.are_times_only() {
            return Detail::Summary;
        }
        match alone.and_then(|member| self.tally(member, parameters, last_day)) {
            Some(tally) => Detail::Tally(tally.into(), self.parts),
            None => Detail::Connections(self.parts),
        }
    }

    /// A tally of the times of a group of the cache, if that is enough to show it: where no rhythm
    /// and no repetition can be in them.
    fn tally(&self, member: &Member, parameters: &Parameters, last_day: Window) -> Option<Tally> {
        let outline = &member.outline;
        let may_repeat = repetitive_interval::counts_any(outline, &parameters.repetitive_interval);
        if self.shows_rhythm() && member.open.may_hold_rhythm()
            || (self.names || self.repetition) && may_repeat
        {
            return None;
        }
        let intervals = Counting::new(outline)?;
        let scoring = || Scoring::over(last_day.span_ms(), outline.connections);
        Some(Tally {
            intervals: (self.median || self.deviation).then_some(intervals),
            checkins: self.shows_rhythm().then(|| Merging::over(MERGE_GAP_MS)),
            scoring: self.rita.then(scoring),
            activity: self.sparkline.then(|| Activity::over(parameters.window.span_ms())),
        })
    }
}

/// What has been found out about a group, so that what names it is not computed again for its row.
#[derive(Default)]
pub(super) struct Findings {
    repetitive: Option<Finding>,
    rhythm: Option<Rhythm>,
}

impl Findings {
    /// Whether a detector names the group, asking only those that are `open`.
    pub(super) fn name(
        &mut self,
        group: &ResultGroup,
        parameters: &Parameters,
        open: &Open,
    ) -> bool {
        open.fixed.unwrap_or_else(|| is_fixed(&group.outline, parameters))
            || open.repetitive && group.has_public && self.repetitive(group, parameters).hours > 0
            || self.is_periodic(group, open)
    }

    fn repetitive(&mut self, group: &ResultGroup, parameters: &Parameters) -> Finding {
        let thresholds = &parameters.repetitive_interval;
        *self.repetitive.get_or_insert_with(|| match &group.public_times_ms {
            Some(times_ms) => repetitive_interval::find(times_ms, thresholds),
            None if !repetitive_interval::counts_any(&group.outline, thresholds) => {
                Finding::default()
            }
            None => repetitive_interval::find(group.timeline.times_ms(), thresholds),
        })
    }

    fn is_periodic(&mut self, group: &ResultGroup, open: &Open) -> bool {
        let times_ms = group.timeline.times_ms();
        let best = best_fit(times_ms, open).filter(|best| best.score() > THRESHOLD);
        let rhythm = best.map(|best| Rhythm::from_times(times_ms, Some(best)));
        self.rhythm = rhythm;
        rhythm.is_some_and(|rhythm| rhythm.score > THRESHOLD)
    }

    fn rhythm(&mut self, group: &ResultGroup, open: &Open) -> Rhythm {
        if let Some(rhythm) = group.tallied.as_ref().and_then(|tallied| tallied.rhythm) {
            return rhythm;
        }
        let times_ms = group.timeline.times_ms();
        *self.rhythm.get_or_insert_with(|| Rhythm::from_times(times_ms, best_fit(times_ms, open)))
    }
}

fn best_fit(times_ms: &[i64], open: &Open) -> Option<BestFit> {
    let hypotheses = open.hypotheses.unwrap_or_else(|| HypothesisSet::from_times(times_ms));
    BestFit::from_times(times_ms, &hypotheses)
}

/// Whether the interval is fixed, which a summary tells.
pub(super) fn is_fixed(outline: &Outline, parameters: &Parameters) -> bool {
    let statistics = IntervalStatistics::from_outline(outline);
    fixed_interval::holds(outline.connections, statistics.as_ref(), &parameters.fixed_interval)
}

/// Rhythm, repetition, and the detectors that name the group, each if it is wanted.
#[derive(Default)]
pub(super) struct Judgement {
    pub(super) repetitive: Finding,
    /// Clock hours in which the repetitive interval held, of public destinations only.
    pub(super) beacon_hours: u64,
    pub(super) rhythm: Option<Rhythm>,
    pub(super) detected_by: Vec<&'static str>,
}

impl Judgement {
    pub(super) fn of(
        group: &ResultGroup,
        mut findings: Findings,
        parameters: &Parameters,
        wanted: &Wanted,
        open: &Open,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        if wanted.names || wanted.repetition {
            judgement.repetitive = findings.repetitive(group, parameters);
            judgement.beacon_hours = if group.has_public { judgement.repetitive.hours } else { 0 };
        }
        if wanted.shows_rhythm() {
            judgement.rhythm = Some(findings.rhythm(group, open));
        }
        if wanted.names {
            let detectors = [
                ("fixed_interval", is_fixed(&group.outline, parameters)),
                ("repetitive_interval", judgement.beacon_hours > 0),
                ("periodic", judgement.score() > THRESHOLD),
            ];
            let holding = detectors.into_iter().filter_map(|(name, holds)| holds.then_some(name));
            judgement.detected_by = holding.collect();
        }
        judgement
    }

    /// The score; 0 if it is not wanted.
    pub(super) fn score(&self) -> f64 {
        self.rhythm.map_or(0.0, |rhythm| rhythm.score)
    }
}

/// What only the intervals tell, if it is wanted.
pub(super) fn distribution(group: &ResultGroup, wanted: &Wanted) -> Option<IntervalDistribution> {
    let times_ms = group.timeline.times_ms();
    let is_wanted = wanted.median || wanted.deviation;
    is_wanted.then(|| IntervalDistribution::from_times(times_ms, &group.outline)).flatten()
}
