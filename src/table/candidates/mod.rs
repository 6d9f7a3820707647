//! `beacon_candidates`: one row a group of connections, with its rhythm and who named it.
//!
//! The road of a query: `plan` works out what it asks; `prefilter` scans the sketches of all groups of
//! the cache and rules most of them out; `grouping` says which of them share a row; `evaluator` reads
//! the connections of each row (`gather`), computes what the columns need (`statistics`) and makes the
//! row. `columns` has all columns, each defined in one place.

mod columns;
mod evaluator;
mod gather;
mod grouping;
mod plan;
mod prefilter;
mod row;
mod statistics;

pub(super) use self::columns::COLUMNS;
use self::evaluator::{Candidate, GroupEvaluator, Outcome};
use self::gather::Gatherer;
use self::plan::QueryPlan;
use self::prefilter::{Member, Scan};
use super::column::Needs;
use super::names::Names;
use super::parameter::DEFAULT_ROW_LIMIT;
use super::room::Room;
use super::tables::Answer;
use super::{QueryContext, TableError};
use crate::cache::{Reader, shortest_period_s};
use crate::suppression::Rules;

/// The rows for `context`, with `now_ms` (unix milliseconds) as the end of the window if the
/// query names none; an error if they do not fit into `room`.
pub(super) fn generate(
    reader: &Reader,
    rules: &Rules,
    context: &QueryContext,
    room: Room,
    now_ms: i64,
) -> Result<Answer, TableError> {
    let mut plan = QueryPlan::new(context, rules, now_ms)?;
    let blur_s = reader.blur_s(plan.parameters.window)?;
    plan.shortest_period_s = blur_s.map_or(0.0, |blur_s| shortest_period_s(blur_s).into());
    let mut scan = Scan::run(reader, &plan)?;
    let gatherer = Gatherer::new(reader, plan.parameters.window, &mut scan);
    let mut names = Names::new(reader);
    let mut members = narrowed(std::mem::take(&mut scan.members), &mut names, &plan)?;
    let group_by = plan.parameters.group_by;
    grouping::arrange(&mut members, group_by);
    let most_rows = plan.parameters.most_rows();
    if members.len() > most_rows {
        plan.needs = plan.needs.and(Needs::SCORE); // it decides which rows are returned
    }

    let mut answer = Answer {
        groups_seen: scan.passed_over,
        window_is_empty: scan.span_ms.is_none(),
        ..Answer::default()
    };
    let mut evaluator = GroupEvaluator::new(&plan, reader, gatherer, names);
    let (mut found, mut candidates) = (0, Vec::new());
    for (at, run) in grouping::runs(&members, group_by).enumerate() {
        answer.groups_seen += 1;
        let prefilter = grouping::prefilter(run, group_by, &plan.parameters.thresholds);
        if !plan.parameters.include_all && !prefilter.may_be_named() {
            continue;
        }
        evaluator.evaluate(at, run, prefilter, |outcome| match outcome {
            Outcome::Row(candidate) => {
                found += 1;
                // Of more rows than fit no answer is made: the rest are counted, for the error to say.
                if found.min(most_rows as u64) > room.rows() as u64 {
                    candidates = Vec::new();
                    return;
                }
                candidates.push(candidate);
                if candidates.len() / 2 > most_rows {
                    keep_first(&mut candidates, most_rows);
                }
            }
            Outcome::Suppressed => answer.rows_suppressed += 1,
            Outcome::Passed => {}
        })?;
    }
    let parameters = &plan.parameters;
    if parameters.include_all && parameters.row_limit.is_none() && found > DEFAULT_ROW_LIMIT {
        return Err(TableError::TooManyRows { rows: found, limit: DEFAULT_ROW_LIMIT });
    }
    room.check_count(found.min(most_rows as u64))?;
    keep_first(&mut candidates, most_rows);
    answer.rows = candidates.into_iter().map(|candidate| candidate.row).collect();
    answer.rows_cut = found - answer.rows.len() as u64;
    Ok(answer)
}

/// The members whose rows may pass the constraints on what all connections of a row share.
fn narrowed(
    members: Vec<Member>,
    names: &mut Names<'_>,
    plan: &QueryPlan<'_>,
) -> Result<Vec<Member>, TableError> {
    if plan.constraints.is_empty() {
        return Ok(members);
    }
    let columns = grouping::columns_in_key(plan.parameters.group_by);
    let mut kept = Vec::new();
    for member in members {
        if names.pass(&member.group, &plan.constraints, columns)? {
            kept.push(member);
        }
    }
    Ok(kept)
}

fn keep_first(candidates: &mut Vec<Candidate>, most_rows: usize) {
    candidates.sort_by(Candidate::order);
    candidates.truncate(most_rows);
}
