//! `beacon_candidates`: one row a group of connections, with its rhythm and who named it.

use std::cmp::Ordering;

use super::grouping::{self, Publicity, ResultGroup, Selection, tuple};
use super::narrowing::Narrowing;
use super::parameters::{DEFAULT_ROW_LIMIT, GroupBy, Parameters};
use super::tables::Answer;
use super::{QueryContext, Row, TableError, Value};
use crate::beacon::intervals::IntervalStatistics;
use crate::beacon::{fixed_interval, repetitive_interval};
use crate::cache::{Reader, Summary};

/// A row, and what it is ordered by.
struct Candidate {
    /// Most regular first.
    variation: f64,
    tuple: String,
    row: Row,
}

impl Candidate {
    fn order(&self, other: &Candidate) -> Ordering {
        self.variation.total_cmp(&other.variation).then_with(|| self.tuple.cmp(&other.tuple))
    }
}

/// The rows for `context`, with `now_ms` (unix milliseconds) as the end of the window if the
/// query names none.
pub(super) fn generate(
    reader: &Reader,
    context: &QueryContext,
    now_ms: i64,
) -> Result<Answer, TableError> {
    let parameters = Parameters::of(context, now_ms)?;
    let key_columns = grouping::columns_in_key(parameters.group_by);
    let (mut selection, narrowing) = grouping::select(reader, &parameters, context, key_columns)?;
    let most_rows = parameters.most_rows();
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut found: u64 = 0;
    let is_wanted = |summary: &Summary, publicity: Publicity| {
        parameters.include_all || can_be_named(summary, publicity, &parameters)
    };
    selection.for_each_result(parameters.group_by, is_wanted, |selection, group| {
        let candidate = candidate(selection, reader, &group, &parameters, &narrowing)?;
        if let Some(candidate) = candidate {
            found += 1;
            candidates.push(candidate);
            if candidates.len() / 2 > most_rows {
                keep_first(&mut candidates, most_rows);
            }
        }
        Ok(())
    })?;
    if parameters.include_all && parameters.row_limit.is_none() && found > DEFAULT_ROW_LIMIT {
        return Err(TableError::TooManyRows { rows: found, limit: DEFAULT_ROW_LIMIT });
    }
    keep_first(&mut candidates, most_rows);
    let rows: Vec<Row> = candidates.into_iter().map(|candidate| candidate.row).collect();
    let window_is_empty = selection.window_is_empty();
    Ok(Answer { rows_cut: found - rows.len() as u64, rows, window_is_empty })
}

/// Whether some detector can name a group of which no more is known than this. What it says no to
/// none of them would name, so that passing it over changes no row.
fn can_be_named(summary: &Summary, publicity: Publicity, parameters: &Parameters) -> bool {
    let intervals_ms = summary.min_interval_ms.zip(summary.max_interval_ms);
    let connections = summary.connections;
    fixed_interval::can_hold(connections, intervals_ms, &parameters.fixed_interval)
        || publicity != Publicity::NotPublic
            && repetitive_interval::can_hold(connections, &parameters.repetitive_interval)
}

fn keep_first(candidates: &mut Vec<Candidate>, most_rows: usize) {
    candidates.sort_by(Candidate::order);
    candidates.truncate(most_rows);
}

/// The row of a group, if it is to be returned.
fn candidate(
    selection: &mut Selection<'_>,
    reader: &Reader,
    group: &ResultGroup,
    parameters: &Parameters,
    narrowing: &Narrowing,
) -> Result<Option<Candidate>, TableError> {
    let times_ms = group.timeline.times_ms();
    let statistics = IntervalStatistics::of(times_ms);
    let repetitive = repetitive_interval::find(
        group.public_times_ms.as_deref().unwrap_or(times_ms),
        &parameters.repetitive_interval,
    );
    let beacon_hours = if group.has_public { repetitive.hours } else { 0 };
    let is_fixed =
        fixed_interval::holds(times_ms.len(), statistics.as_ref(), &parameters.fixed_interval);
    let detectors = [("fixed_interval", is_fixed), ("repetitive_interval", beacon_hours > 0)];
    let detected_by: Vec<_> =
        detectors.into_iter().filter_map(|(name, holds)| holds.then_some(name)).collect();
    if detected_by.is_empty() && !parameters.include_all {
        return Ok(None);
    }

    let latest = &group.latest;
    let instance = reader.instance(latest.connection.instance)?;
    let sophos_pid = instance.sophos_pid_text();
    let host = selection.name(latest.group.host)?;
    let port = latest.group.port;
    let over_destinations = parameters.group_by == GroupBy::ProcessPort;
    let (destination, domain, scope, tuple) = if over_destinations {
        (String::new(), String::new(), "", tuple("*", port))
    } else {
        let destination = selection.name(latest.group.destination)?;
        let scope = selection.scope(latest.group.destination)?.as_str();
        let tuple = tuple(&destination, port);
        (destination.to_string(), reader.domain(latest.connection.domain)?, scope, tuple)
    };
    let passes = narrowing.accepts("host", &host)?
        && narrowing.accepts("pathname", &instance.pathname)?
        && narrowing.accepts("sophosPID", &sophos_pid)?
        && narrowing.accepts("destination", &destination)?
        && narrowing.accepts_number("destinationport", port.into())?
        && narrowing.accepts("tuple", &tuple)?;
    if !passes {
        return Ok(None);
    }

    let seconds = |ms: Option<&i64>| Value::from(ms.map(|ms| ms.div_euclid(1000)));
    let measure = |of: fn(&IntervalStatistics) -> f64| {
        statistics.as_ref().map_or(Value::Null, |statistics| Value::measure(of(statistics)))
    };
    let most_frequent = repetitive.most_frequent;
    let row = vec![
        instance.pathname.into(),
        sophos_pid.into(),
        instance.sophos_pid.map(|id| i64::from(id.pid)).into(),
        instance.cmdline.into(),
        group.process_count.into(),
        group.destination_count.into(),
        destination.into(),
        i64::from(port).into(),
        group.protocol.as_str().into(),
        domain.into(),
        scope.into(),
        tuple.clone().into(),
        times_ms.len().into(),
        seconds(times_ms.first()),
        seconds(times_ms.last()),
        measure(|statistics| statistics.min),
        measure(|statistics| statistics.max),
        measure(|statistics| statistics.average),
        measure(|statistics| statistics.sum),
        measure(|statistics| statistics.median),
        measure(|statistics| statistics.stddev),
        most_frequent.map(|found| found.interval).into(),
        most_frequent.map(|found| found.count).into(),
        most_frequent.map_or(Value::Null, |found| Value::measure(found.percent)),
        beacon_hours.into(),
        group.timeline.bytes_sent().into(),
        group.timeline.bytes_received().into(),
        detected_by.join(",").into(),
        (&*host).into(),
    ];
    let variation = statistics.map_or(f64::INFINITY, |s| s.coefficient_of_variation());
    Ok(Some(Candidate { variation, tuple, row }))
}
