//! `beacon_connections`: the connections behind a row of `beacon_candidates`, in time order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::column::{Definition, Needs, declared};
use super::constraints::{Constraints, NARROWING};
use super::names::{Names, tuple};
use super::parameters::Parameters;
use super::room::Room;
use super::row::ColumnMask;
use super::tables::Answer;
use super::{Column, Kind, Operator, QueryContext, TableError, Value};
use crate::beacon::Window;
use crate::cache::{Connection, Group, Instance, Parts, Payloads, Reader};
use crate::journal::Scope;

/// As the columns are declared.
pub(super) static COLUMNS: [Column; DEFINITIONS.len()] = declared(DEFINITIONS);

/// What a row is made of; texts that no column needs are ''.
struct ConnectionRow {
    group: Group,
    connection: Connection,
    instance: Option<Instance>,
    host: Rc<str>,
    destination: Rc<str>,
    domain: String,
    /// Since the connection before it of the same host.
    interval_ms: Option<i64>,
}

type ConnectionColumn = Definition<fn(&ConnectionRow) -> Value>;

const fn column(
    column: Column,
    needs: Needs,
    value: fn(&ConnectionRow) -> Value,
) -> ConnectionColumn {
    Definition { column, needs, value }
}

const DEFINITIONS: &[ConnectionColumn] = &[
    column(
        Column::new("host", Kind::Text, "whose connection this is; '' on the endpoint itself")
            .narrowing(),
        Needs::NOTHING,
        |row| (&*row.host).into(),
    ),
    column(
        Column::new("time", Kind::BigInt, "when, unix seconds").narrowing(),
        Needs::NOTHING,
        |row| row.connection.time_ms.div_euclid(1000).into(),
    ),
    column(
        Column::new("pathname", Kind::Text, "image path of the process; '' if unknown").narrowing(),
        Needs::INSTANCES,
        |row| row.instance.as_ref().map_or("", |each| &each.pathname).into(),
    ),
    column(
        Column::new(
            "sophosPID",
            Kind::Text,
            "process instance, pid:filetime (its start in 100-ns ticks since 1601, 0 if \
             unknown); '' if unknown",
        )
        .narrowing(),
        Needs::INSTANCES,
        |row| row.instance.as_ref().map(Instance::sophos_pid_text).unwrap_or_default().into(),
    ),
    column(
        Column::new("pid", Kind::BigInt, "process id; NULL if unknown"),
        Needs::INSTANCES,
        |row| {
            let sophos_pid = row.instance.as_ref().and_then(|each| each.sophos_pid);
            sophos_pid.map(|id| i64::from(id.pid)).into()
        },
    ),
    column(
        Column::new("destination", Kind::Text, "IP address or host name").narrowing(),
        Needs::NOTHING,
        |row| (&*row.destination).into(),
    ),
    column(
        Column::new("destinationport", Kind::BigInt, "destination port").narrowing(),
        Needs::NOTHING,
        |row| i64::from(row.group.port).into(),
    ),
    column(
        Column::new("protocol", Kind::Text, "'tcp', 'udp', or '' if unknown"),
        Needs::NOTHING,
        |row| row.group.protocol.as_str().into(),
    ),
    column(
        Column::new(
            "domain",
            Kind::Text,
            "name of the destination; '' where the journal does not know it",
        ),
        Needs::DOMAINS,
        |row| row.domain.as_str().into(),
    ),
    column(
        Column::new("tuple", Kind::Text, "destination::port, IPv6 without brackets").narrowing(),
        Needs::NOTHING,
        |row| tuple(&row.destination, row.group.port).into(),
    ),
    column(
        Column::new(
            "interval",
            Kind::Double,
            "seconds since the connection before it of the same host on this timeline; NULL for \
             the first",
        ),
        Needs::NOTHING,
        |row| Value::from_measure(row.interval_ms.map(|ms| ms as f64 / 1000.0)),
    ),
    column(
        Column::new(
            "bytes_sent",
            Kind::BigInt,
            "bytes from the host; NULL where the journal has none",
        ),
        Needs::NOTHING,
        |row| row.connection.bytes_sent.into(),
    ),
    column(
        Column::new(
            "bytes_received",
            Kind::BigInt,
            "bytes to the host; NULL where the journal has none",
        ),
        Needs::NOTHING,
        |row| row.connection.bytes_received.into(),
    ),
];

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
    let mut parameters = Parameters::read(context, now_ms)?;
    let is_needed = |constraint: &super::Constraint| {
        NEEDED.contains(&&*constraint.column)
            && (constraint.operator.equals() || constraint.operator == Operator::LIKE)
    };
    if !context.constraints.iter().any(is_needed) {
        return Err(TableError::TimelineOfEverything);
    }
    parameters.window = narrow_in_time(parameters.window, context);
    let constraints = Constraints::evaluated(context)?;
    let (window, include_loopback) = (parameters.window, parameters.include_loopback);
    let mut names = Names::new(reader);
    let mut groups = Vec::new();
    for group in reader.groups(window)? {
        let counts = include_loopback || group.scope != Scope::Loopback;
        if counts && names.pass(&group, &constraints, &NARROWING)? {
            groups.push(group);
        }
    }

    // The earliest rows of all groups, without holding more of them than are returned.
    // Of more than fit, as many as fit are enough: then there is no answer.
    let most_rows = parameters.most_rows().min(room.rows());
    let mut earliest: BinaryHeap<(i64, usize, Reverse<Connection>)> = BinaryHeap::new();
    let mut found: u64 = 0;
    let mut passes: FxHashMap<u32, bool> = FxHashMap::default();
    let mut payloads = Payloads::new(reader);
    for (index, group) in groups.iter().enumerate() {
        payloads.runs(&reader.blocks(group.id, window)?, window, Parts::ALL, |run| {
            let passes = match passes.entry(run.instance) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let instance = reader.instance(run.instance)?;
                    *new.insert(
                        constraints.accept("pathname", &instance.pathname)?
                            && constraints.accept("sophosPID", &instance.sophos_pid_text())?,
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

    let used = DEFINITIONS.iter().filter(|definition| context.uses(definition.column.name));
    let needs = used.fold(Needs::NOTHING, |needs, definition| needs.and(definition.needs));
    let mask = ColumnMask::new(&COLUMNS, |column| context.uses(column));
    let mut previous_ms: FxHashMap<u32, i64> = FxHashMap::default();
    let mut rows = Vec::with_capacity(earliest.len());
    for (time_ms, index, Reverse(connection)) in earliest.into_sorted_vec() {
        let group = groups[index];
        let interval_ms = previous_ms.insert(group.host, time_ms).map(|before| time_ms - before);
        let instance = match needs.any(Needs::INSTANCES) {
            true => Some(reader.instance(connection.instance)?),
            false => None,
        };
        let domain = match needs.any(Needs::DOMAINS) {
            true => reader.domain(connection.domain)?,
            false => String::new(),
        };
        let (host, destination) = (names.text(group.host)?, names.text(group.destination)?);
        let row =
            ConnectionRow { group, connection, instance, host, destination, domain, interval_ms };
        rows.push(mask.row(|column| {
            DEFINITIONS.get(column).map_or(Value::Null, |definition| (definition.value)(&row))
        }));
    }
    // Only what finds nothing has to ask whether there is anything.
    let mut window_is_empty = found == 0;
    if window_is_empty {
        reader.outlines(window, |_, _, _| {
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
