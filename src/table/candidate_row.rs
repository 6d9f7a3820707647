//! The values of one row of `beacon_candidates`: each column, if it is asked for.

use std::rc::Rc;

use super::grouping::ResultGroup;
use super::judgement::{self, Judgement, Wanted};
use super::parameters::Parameters;
use super::row::Used;
use super::{Row, Value};
use crate::beacon::intervals::IntervalStatistics;
use crate::beacon::sparkline::sparkline;
use crate::beacon::{Window, rita};
use crate::cache::Instance;

/// Who talks to whom, as text; '' is also what was not asked for.
#[derive(Default)]
pub(super) struct Place {
    pub(super) instance: Option<Instance>,
    pub(super) host: Rc<str>,
    pub(super) destination: Rc<str>,
    pub(super) domain: String,
    pub(super) scope: &'static str,
    pub(super) tuple: String,
}

impl Place {
    pub(super) fn pathname(&self) -> &str {
        self.instance.as_ref().map_or("", |instance| &instance.pathname)
    }

    pub(super) fn sophos_pid(&self) -> String {
        self.instance.as_ref().map(Instance::sophos_pid_text).unwrap_or_default()
    }
}

/// All that a row is made of.
pub(super) struct CandidateRow<'a> {
    pub(super) parameters: &'a Parameters,
    pub(super) wanted: &'a Wanted,
    pub(super) last_day: Window,
    pub(super) group: &'a ResultGroup,
    pub(super) judgement: &'a Judgement,
    pub(super) place: &'a Place,
    pub(super) suppressed_by: &'a str,
}

impl CandidateRow<'_> {
    /// With the values of the columns that are `used`.
    pub(super) fn of(&self, used: &Used) -> Row {
        let CandidateRow { wanted, group, judgement, place, .. } = *self;
        let statistics = IntervalStatistics::from_outline(&group.outline);
        let distribution = judgement::distribution(group, wanted);
        let most_frequent = judgement.repetitive.most_frequent;
        let rhythm = judgement.rhythm;
        let periodicity = rhythm.and_then(|rhythm| rhythm.periodicity);
        let rita = self.rita();
        let value = |column: &str| -> Value {
            match column {
                "pathname" => place.pathname().into(),
                "sophosPID" => place.sophos_pid().into(),
                "pid" => {
                    let sophos_pid = place.instance.as_ref().and_then(|each| each.sophos_pid);
                    sophos_pid.map(|sophos_pid| i64::from(sophos_pid.pid)).into()
                }
                "cmdline" => place.instance.as_ref().map_or("", |each| &each.cmdline).into(),
                "process_count" => group.process_count.into(),
                "destination_count" => group.destination_count.into(),
                "destination" => (&*place.destination).into(),
                "destinationport" => i64::from(group.latest.group.port).into(),
                "protocol" => group.protocol.as_str().into(),
                "domain" => place.domain.as_str().into(),
                "destination_scope" => place.scope.into(),
                "tuple" => place.tuple.as_str().into(),
                "number_of_connections" => group.outline.connections.into(),
                "first_seen" => group.outline.span_ms.0.div_euclid(1000).into(),
                "last_seen" => group.outline.span_ms.1.div_euclid(1000).into(),
                "min_interval" => Value::of_measure(statistics.map(|each| each.min)),
                "max_interval" => Value::of_measure(statistics.map(|each| each.max)),
                "average_interval" => Value::of_measure(statistics.map(|each| each.average)),
                "sum_interval" => Value::of_measure(statistics.map(|each| each.sum)),
                "median_interval" => Value::of_measure(distribution.and_then(|each| each.median)),
                "stddev_interval" => Value::of_measure(distribution.map(|each| each.stddev)),
                "most_frequent_interval" => most_frequent.map(|found| found.interval).into(),
                "most_frequent_interval_count" => most_frequent.map(|found| found.count).into(),
                "beacon_percent" => Value::of_measure(most_frequent.map(|found| found.percent)),
                "beacon_hours" => judgement.beacon_hours.into(),
                "checkins" => rhythm.map(|rhythm| rhythm.checkins).into(),
                "period" => Value::of_measure(periodicity.map(|each| each.period)),
                "jitter" => Value::of_measure(periodicity.map(|each| each.jitter)),
                "missed_checkins" => periodicity.map(|each| each.missed).into(),
                "merge_gap" => rhythm.map(|rhythm| rhythm.merge_gap_ms / 1000).into(),
                "bytes_sent" => group.timeline.bytes_sent().into(),
                "bytes_received" => group.timeline.bytes_received().into(),
                "timestamp_score" => Value::of_measure(rita.map(|scores| scores.timestamp)),
                "datasize_score" => Value::of_measure(rita.and_then(|scores| scores.datasize)),
                "duration_score" => Value::of_measure(rita.map(|scores| scores.duration)),
                "histogram_score" => Value::of_measure(rita.map(|scores| scores.histogram)),
                "rita_score" => Value::of_measure(rita.map(|scores| scores.mean)),
                "beacon_score" => Value::of_measure(judgement.score),
                "detected_by" => judgement.detected_by.join(",").into(),
                "suppressed_by" => self.suppressed_by.into(),
                "sparkline" => self.sparkline().into(),
                "host" => (&*place.host).into(),
                _ => Value::Null,
            }
        };
        used.row(used.names().map(value).collect())
    }

    fn rita(&self) -> Option<rita::Scores> {
        if !self.wanted.rita {
            return None;
        }
        if let Some(tallied) = &self.group.tallied {
            return tallied.rita;
        }
        let timeline = &self.group.timeline;
        rita::scores(timeline.times_ms(), timeline.sizes(), self.last_day.span_ms())
    }

    fn sparkline(&self) -> String {
        match &self.group.tallied {
            Some(tallied) => tallied.sparkline.clone(),
            None => sparkline(self.group.timeline.times_ms(), self.parameters.window.span_ms()),
        }
    }
}
