//! What is computed of one group: what the detectors say, and what a query's columns show.

use super::QueryContext;
use super::grouping::{Detail, ResultGroup};
use super::parameters::Parameters;
use super::selection::Open;
use crate::beacon::intervals::{IntervalDistribution, IntervalStatistics};
use crate::beacon::readings::Readings;
use crate::beacon::score::{self, BestFold, Rhythm, THRESHOLD};
use crate::beacon::{fixed_interval, repetitive_interval};
use crate::cache::Parts;

/// What a query wants computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Which detectors name a group.
    names: bool,
    /// The order by score, where that decides which rows are returned.
    pub(super) order: bool,
    distribution: bool,
    repetition: bool,
    rhythm: bool,
    /// Where it goes, or ties in that order.
    pub(super) destination: bool,
    /// RITA's scores.
    pub(super) rita: bool,
    sparkline: bool,
    /// What is read of connections besides their times, once a row is to be returned.
    parts: Parts,
}

impl Wanted {
    /// For the columns that `context` uses and narrows by, and the score if rows are chosen by it.
    /// `rules_read_domains` where suppression looks at names.
    pub(super) fn by(
        context: &QueryContext,
        chooses_by_score: bool,
        rules_read_domains: bool,
    ) -> Wanted {
        let any = |columns: &[&str]| {
            columns.iter().any(|column| context.uses(column) || context.on(column).next().is_some())
        };
        Wanted {
            names: any(&["detected_by"]),
            order: chooses_by_score || any(&["beacon_score"]),
            distribution: any(&["median_interval", "stddev_interval"]),
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
                domains: rules_read_domains || any(&["domain"]),
                bytes: any(&["bytes_sent", "bytes_received", "datasize_score", "rita_score"]),
            },
        }
    }

    /// What has to be known of a group to tell whether it is returned.
    pub(super) fn to_judge(self) -> Detail {
        if self.names || self.order || self.rhythm {
            Detail::Connections(Parts::default())
        } else {
            Detail::Summary
        }
    }

    /// What has to be known of a group to show it.
    pub(super) fn to_show(self) -> Detail {
        let needs_times = self.distribution || self.repetition || self.rita || self.sparkline;
        if needs_times || !self.parts.are_times_only() {
            Detail::Connections(self.parts)
        } else {
            self.to_judge()
        }
    }
}

/// Statistics, rhythm, and the detectors that name the group, each if it is wanted.
#[derive(Default)]
pub(super) struct Judgement {
    pub(super) repetitive: repetitive_interval::Finding,
    /// Clock hours in which the repetitive interval held, of public destinations only.
    pub(super) beacon_hours: u64,
    pub(super) rhythm: Option<Rhythm>,
    pub(super) detected_by: Vec<&'static str>,
}

/// Whether a detector names the group, asking only those that are `open`.
pub(super) fn is_named(group: &ResultGroup, parameters: &Parameters, open: &Open) -> bool {
    let times_ms = group.timeline.times_ms();
    let is_periodic = || {
        let readings = open.readings.unwrap_or_else(|| Readings::of_times(times_ms));
        let best = BestFold::of(times_ms, &readings);
        best.is_some_and(|best| {
            best.score_at_most() > THRESHOLD && Rhythm::of(times_ms, Some(best)).score > THRESHOLD
        })
    };
    open.fixed && is_fixed(group, parameters)
        || open.repetitive && group.has_public && repetition(group, parameters).hours > 0
        || is_periodic()
}

fn is_fixed(group: &ResultGroup, parameters: &Parameters) -> bool {
    let statistics = statistics(group);
    fixed_interval::holds(group.connections, statistics.as_ref(), &parameters.fixed_interval)
}

fn repetition(group: &ResultGroup, parameters: &Parameters) -> repetitive_interval::Finding {
    let times_ms = group.public_times_ms.as_deref().unwrap_or(group.timeline.times_ms());
    repetitive_interval::find(times_ms, &parameters.repetitive_interval)
}

impl Judgement {
    pub(super) fn of(group: &ResultGroup, parameters: &Parameters, wanted: &Wanted) -> Judgement {
        let mut judgement = Judgement::default();
        if wanted.names || wanted.repetition {
            judgement.repetitive = repetition(group, parameters);
            judgement.beacon_hours = if group.has_public { judgement.repetitive.hours } else { 0 };
        }
        if wanted.names || wanted.order || wanted.rhythm {
            judgement.rhythm = Some(score::rhythm(group.timeline.times_ms()));
        }
        if wanted.names {
            let detectors = [
                ("fixed_interval", is_fixed(group, parameters)),
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

/// What follows from the summary of a group.
pub(super) fn statistics(group: &ResultGroup) -> Option<IntervalStatistics> {
    IntervalStatistics::new(group.connections, group.span_ms, group.intervals_ms)
}

/// What only the intervals tell, if it is wanted.
pub(super) fn distribution(group: &ResultGroup, wanted: &Wanted) -> Option<IntervalDistribution> {
    if wanted.distribution { IntervalDistribution::of(group.timeline.times_ms()) } else { None }
}
