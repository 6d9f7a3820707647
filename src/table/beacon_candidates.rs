//! `beacon_candidates`: one row a group of connections, with its rhythm and who named it.

use std::cmp::Ordering;

use super::grouping::{self, Publicity, ResultGroup, Selection, tuple};
use super::judgement::Judgement;
use super::narrowing::Narrowing;
use super::parameters::{DEFAULT_ROW_LIMIT, GroupBy, Parameters};
use super::tables::Answer;
use super::{QueryContext, Row, TableError, Value};
use crate::beacon::intervals::IntervalStatistics;
use crate::beacon::periodicity::Periodicity;
use crate::beacon::rita::{self, Scores};
use crate::beacon::sparkline::sparkline;
use crate::beacon::{fixed_interval, repetitive_interval, score};
use crate::cache::{Reader, Summary};
use crate::suppression::{Member, Rules};

/// A row, and what it is ordered by.
struct Candidate {
    score: f64,
    tuple: String,
    row: Row,
}

/// What becomes of a group.
enum Outcome {
    Row(Candidate),
    /// Not what was asked for.
    Passed,
    /// A rule hides it.
    Suppressed,
}

impl Candidate {
    /// The highest score first.
    fn order(&self, other: &Candidate) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.tuple.cmp(&other.tuple))
    }
}

/// The rows for `context`, with `now_ms` (unix milliseconds) as the end of the window if the
/// query names none.
pub(super) fn generate(
    reader: &Reader,
    rules: &Rules,
    context: &QueryContext,
    now_ms: i64,
) -> Result<Answer, TableError> {
    let parameters = Parameters::of(context, now_ms)?;
    let key_columns = grouping::columns_in_key(parameters.group_by);
    let (mut selection, narrowing) = grouping::select(reader, &parameters, context, key_columns)?;
    let most_rows = parameters.most_rows();
    let mut candidates: Vec<Candidate> = Vec::new();
    let (mut found, mut rows_suppressed) = (0_u64, 0);
    let is_wanted = |summary: &Summary, publicity: Publicity| {
        parameters.include_all || can_be_named(summary, publicity, &parameters)
    };
    let asked = Asked { reader, rules, parameters: &parameters, narrowing: &narrowing };
    selection.for_each_result(parameters.group_by, is_wanted, |selection, group| {
        match asked.candidate(selection, &group)? {
            Outcome::Row(candidate) => {
                found += 1;
                candidates.push(candidate);
                if candidates.len() / 2 > most_rows {
                    keep_first(&mut candidates, most_rows);
                }
            }
            Outcome::Suppressed => rows_suppressed += 1,
            Outcome::Passed => {}
        }
        Ok(())
    })?;
    if parameters.include_all && parameters.row_limit.is_none() && found > DEFAULT_ROW_LIMIT {
        return Err(TableError::TooManyRows { rows: found, limit: DEFAULT_ROW_LIMIT });
    }
    keep_first(&mut candidates, most_rows);
    let rows: Vec<Row> = candidates.into_iter().map(|candidate| candidate.row).collect();
    let window_is_empty = selection.window_is_empty();
    Ok(Answer { rows_cut: found - rows.len() as u64, rows, rows_suppressed, window_is_empty })
}

/// Whether some detector can name a group of which no more is known than this. What it says no to
/// none of them would name, so that passing it over changes no row.
fn can_be_named(summary: &Summary, publicity: Publicity, parameters: &Parameters) -> bool {
    let intervals_ms = summary.min_interval_ms.zip(summary.max_interval_ms);
    let connections = summary.connections;
    score::can_hold(connections)
        || fixed_interval::can_hold(connections, intervals_ms, &parameters.fixed_interval)
        || publicity != Publicity::NotPublic
            && repetitive_interval::can_hold(connections, &parameters.repetitive_interval)
}

fn keep_first(candidates: &mut Vec<Candidate>, most_rows: usize) {
    candidates.sort_by(Candidate::order);
    candidates.truncate(most_rows);
}

/// What a query asks of every group.
struct Asked<'a> {
    reader: &'a Reader,
    rules: &'a Rules,
    parameters: &'a Parameters,
    narrowing: &'a Narrowing,
}

impl Asked<'_> {
    /// The row of a group, if it is to be returned.
    fn candidate(
        &self,
        selection: &mut Selection<'_>,
        group: &ResultGroup,
    ) -> Result<Outcome, TableError> {
        let Asked { reader, parameters, narrowing, .. } = self;
        let judgement = Judgement::of(group, parameters);
        if judgement.detected_by.is_empty() && !parameters.include_all {
            return Ok(Outcome::Passed);
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
            return Ok(Outcome::Passed);
        }
        let suppressed_by = self.suppressed_by(selection, group)?;
        if !suppressed_by.is_empty() && !parameters.include_suppressed {
            return Ok(Outcome::Suppressed);
        }

        let times_ms = group.timeline.times_ms();
        let seconds = |ms: Option<&i64>| Value::from(ms.map(|ms| ms.div_euclid(1000)));
        let measure = |of: fn(&IntervalStatistics) -> f64| {
            Value::of_measure(judgement.statistics.as_ref().map(of))
        };
        let rhythm = &judgement.rhythm;
        let periodicity =
            |of: fn(&Periodicity) -> f64| Value::of_measure(rhythm.periodicity.as_ref().map(of));
        let last_day = selection.last_day();
        let span_ms = (last_day.since_ms, last_day.until_ms);
        let rita = rita::scores(times_ms, group.timeline.sizes(), span_ms);
        let rita = |of: fn(&Scores) -> Option<f64>| Value::of_measure(rita.as_ref().and_then(of));
        let most_frequent = judgement.repetitive.most_frequent;
        let window = parameters.window;
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
            Value::of_measure(most_frequent.map(|found| found.percent)),
            judgement.beacon_hours.into(),
            rhythm.checkins.into(),
            periodicity(|periodicity| periodicity.period),
            periodicity(|periodicity| periodicity.jitter),
            rhythm.periodicity.map(|periodicity| periodicity.missed).into(),
            (rhythm.merge_gap_ms / 1000).into(),
            group.timeline.bytes_sent().into(),
            group.timeline.bytes_received().into(),
            rita(|scores| Some(scores.timestamp)),
            rita(|scores| scores.datasize),
            rita(|scores| Some(scores.duration)),
            rita(|scores| Some(scores.histogram)),
            rita(|scores| Some(scores.mean)),
            Value::measure(rhythm.score),
            judgement.detected_by.join(",").into(),
            suppressed_by.into(),
            sparkline(times_ms, (window.since_ms, window.until_ms)).into(),
            (&*host).into(),
        ];
        Ok(Outcome::Row(Candidate { score: rhythm.score, tuple, row }))
    }

    /// The name of the rule that matches the latest connection, if every connection of the group is
    /// matched by some rule; else ''. One that is not is what a hunter has to see.
    fn suppressed_by(
        &self,
        selection: &mut Selection<'_>,
        group: &ResultGroup,
    ) -> Result<String, TableError> {
        let mut latest = String::new();
        for (member, domain) in &group.members {
            let pathname = selection.name(member.pathname)?;
            let destination = selection.name(member.destination)?;
            let domain_name = self.reader.domain(*domain)?;
            let rule = self.rules.find(&Member {
                pathname: &pathname,
                destination: &destination,
                domain: &domain_name,
                port: member.port,
                protocol: member.protocol,
            });
            let Some(rule) = rule else {
                return Ok(String::new());
            };
            if member.id == group.latest.group.id && *domain == group.latest.connection.domain {
                latest.clone_from(&rule.name);
            }
        }
        Ok(latest)
    }
}
