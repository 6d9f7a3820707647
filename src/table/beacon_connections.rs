//! `beacon_connections`: the connections behind a row of `beacon_candidates`, in time order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::narrowing::{NARROWING, Narrowing};
use super::parameters::Parameters;
use super::room::Room;
use super::row::Used;
use super::selection::{Selection, tuple};
use super::tables::Answer;
use super::{Operator, QueryContext, Table, TableError, Value};
use crate::cache::{ALL_GROUPS, Connection, Instance, Parts, Payloads, Reader, Window};
use crate::journal::Scope;

/// Columns of which one has to be narrowed, so that the timeline is of something.
const NEEDED: [&str; 4] = ["tuple", "destination", "pathname", "sophosPID"];

/// The rows for `context`: the earliest, if there are more than row_limit, and an error if they do
/// not fit into `room`. Columns that are not used are NULL.
pub(super) fn generate(
    reader: &Reader,
    context: &QueryContext,
    room: Room,
    now_ms: i64,
) -> Result<Answer, TableError> {
    let mut parameters = Parameters::of(context, now_ms)?;
    let is_needed = |constraint: &super::Constraint| {
        NEEDED.contains(&&*constraint.column)
            && (constraint.operator.equals() || constraint.operator == Operator::LIKE)
    };
    if !context.constraints.iter().any(is_needed) {
        return Err(TableError::TimelineOfEverything);
    }
    parameters.window = narrow_in_time(parameters.window, context);
    let narrowing = Narrowing::of(context, &NARROWING)?;
    let (window, include_loopback) = (parameters.window, parameters.include_loopback);
    let mut selection = Selection::without_members(reader, window);
    let mut groups = Vec::new();
    for group in reader.groups(window)? {
        let counts = include_loopback || group.scope != Scope::Loopback;
        if counts && selection.passes(&group, &narrowing, &NARROWING)? {
            groups.push(group);
        }
    }

    // The earliest rows of all groups, without holding more of them than are returned.
    // Of more than fit, as many as fit are enough: then there is no answer.
    let most_rows = parameters.most_rows().min(room.rows());
    let mut earliest: BinaryHeap<(i64, usize, Reverse<Connection>)> = BinaryHeap::new();
    let mut found: u64 = 0;
    let mut passes: FxHashMap<u32, bool> = FxHashMap::default();
    let mut payloads = Payloads::of(reader);
    for (index, group) in groups.iter().enumerate() {
        payloads.runs(&reader.blocks(group.id, window)?, window, Parts::ALL, |run| {
            let passes = match passes.entry(run.instance) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let instance = reader.instance(run.instance)?;
                    *new.insert(
                        narrowing.accepts("pathname", &instance.pathname)?
                            && narrowing.accepts("sophosPID", &instance.sophos_pid_text())?,
                    )
                }
            };
            for connection in run.connections().filter(|_| passes) {
                found += 1;
                earliest.push((connection.time_ms, index, Reverse(connection)));
                if earliest.len() > most_rows {
                    earliest.pop();
                }
            }
            Ok::<(), TableError>(())
        })?;
    }

    room.check_count(found.min(parameters.most_rows() as u64))?;

    let columns = Table::BeaconConnections.visible_columns();
    let used = Used::of(columns, |column| context.uses(column));
    let uses_instance = ["pathname", "sophosPID", "pid"].iter().any(|name| context.uses(name));
    let mut previous_ms: FxHashMap<u32, i64> = FxHashMap::default();
    let mut rows = Vec::with_capacity(earliest.len());
    for (time_ms, index, Reverse(connection)) in earliest.into_sorted_vec() {
        let group = groups[index];
        let instance = match uses_instance {
            true => Some(reader.instance(connection.instance)?),
            false => None,
        };
        let interval_ms = previous_ms.insert(group.host, time_ms).map(|before| time_ms - before);
        let value = |column: &str| -> Result<Value, TableError> {
            let instance = instance.as_ref();
            Ok(match column {
                "host" => (&*selection.name(group.host)?).into(),
                "time" => time_ms.div_euclid(1000).into(),
                "pathname" => instance.map_or("", |each| &each.pathname).into(),
                "sophosPID" => instance.map(Instance::sophos_pid_text).unwrap_or_default().into(),
                "pid" => {
                    let sophos_pid = instance.and_then(|each| each.sophos_pid);
                    sophos_pid.map(|id| i64::from(id.pid)).into()
                }
                "destination" => (&*selection.name(group.destination)?).into(),
                "destinationport" => i64::from(group.port).into(),
                "protocol" => group.protocol.as_str().into(),
                "domain" => reader.domain(connection.domain)?.into(),
                "tuple" => tuple(&selection.name(group.destination)?, group.port).into(),
                "interval" => {
                    interval_ms.map_or(Value::Null, |ms| Value::measure(ms as f64 / 1000.0))
                }
                "bytes_sent" => connection.bytes_sent.into(),
                "bytes_received" => connection.bytes_received.into(),
                _ => Value::Null,
            })
        };
        rows.push(used.row(used.names().map(value).collect::<Result<_, _>>()?));
    }
    // Only what finds nothing has to ask whether there is anything.
    let mut window_is_empty = found == 0;
    if window_is_empty {
        reader.outlines(window, ALL_GROUPS, |_, _, _| {
            window_is_empty = false;
            Ok::<(), TableError>(())
        })?;
    }
    let rows_cut = found - rows.len() as u64;
    Ok(Answer { rows, rows_cut, window_is_empty, ..Answer::default() })
}

/// The part of `window` in which the column `time`, whole seconds, passes its constraints.
fn narrow_in_time(mut window: Window, context: &QueryContext) -> Window {
    for constraint in context.on("time") {
        let Ok(second) = constraint.value.parse::<i64>() else {
            continue; // left to SQLite
        };
        let begin_of = |second: i64| second.saturating_mul(1000);
        let (since_ms, until_ms) = match constraint.operator {
            Operator::EQUAL => (begin_of(second), begin_of(second).saturating_add(999)),
            Operator::GREATER_OR_EQUAL => (begin_of(second), i64::MAX),
            Operator::GREATER => (begin_of(second.saturating_add(1)), i64::MAX),
            Operator::LESS => (i64::MIN, begin_of(second).saturating_sub(1)),
            Operator::LESS_OR_EQUAL => (i64::MIN, begin_of(second).saturating_add(999)),
            _ => continue,
        };
        window.since_ms = window.since_ms.max(since_ms);
        window.until_ms = window.until_ms.min(until_ms);
    }
    window
}
