//! The check-ins of a candidate, from `beacon_connections`.
//!
//! They are asked for page by page, so that a group of many connections needs little memory; what
//! is drawn of them is decided by the charts.

use super::facts::Facts;
use super::{asking, equal, narrow};
use crate::beacon::checkins::MERGE_GAP_MS;
use crate::journal::is_windows_path;
use crate::table::{Answer, Operator, QueryContext, Row, Table, TableError, Tables, Value};

/// Connections that are asked for at a time.
const PAGE: i64 = 20_000;
/// More connections of one candidate are not read.
const MOST_READ: usize = 1_000_000;
/// What narrows the connections to those of a group, but for its protocol.
const KEY: [&str; 3] = ["tuple", "host", "pathname"];
/// Longer patterns are refused by SQLite.
const LONGEST_PATTERN: usize = 40_000;

/// Connections that follow each other at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckIn {
    /// Unix milliseconds of the first; exact to each other, and to the second by themselves.
    pub(super) time_ms: i64,
    /// Bytes from the host, of the connections that tell them.
    pub(super) bytes_sent: Option<u64>,
    /// Bytes to the host, of the connections that tell them.
    pub(super) bytes_received: Option<u64>,
}

/// All check-ins of a candidate.
#[derive(Default)]
pub(super) struct CheckIns {
    pub(super) all: Vec<CheckIn>,
    /// How many connections they are made of.
    pub(super) connections: u64,
    /// Of the last connection, unix milliseconds.
    last_ms: Option<i64>,
}

/// Which connections are asked for next, in unix seconds.
struct Page {
    /// Where it begins: in the second of the last connection before, so that the interval to the
    /// next is told.
    since_s: i64,
    /// Of the first connection in that second, if there was one, unix milliseconds.
    first_ms: Option<i64>,
    /// How many of that second were there before.
    seen: usize,
    /// Where it ends, so that not everything to come is decoded for each page.
    until_s: i64,
}

impl CheckIns {
    /// Of the group that `facts`, a row of candidates, describes.
    pub(super) fn of(
        tables: &Tables,
        facts: &Facts,
        hours: &str,
        now_ms: i64,
    ) -> Result<CheckIns, TableError> {
        let gap_ms = facts.integer("merge_gap").unwrap_or(0).saturating_mul(1000);
        let gap_ms = gap_ms.max(MERGE_GAP_MS);
        let protocol = facts.raw("protocol");
        let mut checkins = CheckIns::default();
        // Such a constraint is left to SQLite, and none is here.
        if KEY.iter().any(|column| facts.raw(column).contains('\0')) {
            return Ok(checkins);
        }
        let integer = |column| facts.integer(column).unwrap_or(0);
        let (first_s, last_s) = (integer("first_seen"), integer("last_seen"));
        let pages = integer("number_of_connections") / PAGE + 1;
        let step_s = (last_s - first_s) / pages + 1;
        let until_s = first_s.saturating_add(step_s);
        let mut page = Page { since_s: first_s, first_ms: None, seen: 0, until_s };
        let mut read = 0;
        while read < MOST_READ {
            let answer = page.ask(tables, facts, hours, now_ms)?;
            let (skipped, mut clock) = (page.seen, Clock::from(&page));
            for (index, row) in answer.rows.iter().enumerate() {
                let row = Connection::of(row);
                let time_ms = clock.time_ms(&row);
                if index < skipped {
                    continue;
                }
                if row.second != page.since_s {
                    page = Page { since_s: row.second, first_ms: None, seen: 0, ..page };
                }
                page.first_ms.get_or_insert(time_ms);
                page.seen += 1;
                read += 1;
                if row.protocol == protocol {
                    checkins.add(time_ms, &row, gap_ms);
                }
            }
            if answer.rows_cut == 0 {
                if page.until_s >= last_s {
                    break;
                }
                page.until_s = page.until_s.saturating_add(step_s);
            } else if answer.rows.len() <= skipped {
                // More in one second than a page holds.
                let since_s = page.since_s.saturating_add(1);
                page = Page { since_s, first_ms: None, seen: 0, ..page };
            }
        }
        Ok(checkins)
    }

    fn add(&mut self, time_ms: i64, row: &Connection<'_>, gap_ms: i64) {
        self.connections += 1;
        let is_next = self.last_ms.replace(time_ms).is_none_or(|last| time_ms - last > gap_ms);
        match self.all.last_mut() {
            Some(checkin) if !is_next => {
                checkin.bytes_sent = sum(checkin.bytes_sent, row.bytes_sent);
                checkin.bytes_received = sum(checkin.bytes_received, row.bytes_received);
            }
            _ => self.all.push(CheckIn {
                time_ms,
                bytes_sent: row.bytes_sent,
                bytes_received: row.bytes_received,
            }),
        }
    }
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

/// The columns of `beacon_connections` that are asked for.
struct Connection<'a> {
    second: i64,
    interval: Option<f64>,
    protocol: &'a str,
    bytes_sent: Option<u64>,
    bytes_received: Option<u64>,
}

const USED: [&str; 5] = ["time", "interval", "protocol", "bytes_sent", "bytes_received"];

impl<'a> Connection<'a> {
    fn of(row: &'a Row) -> Connection<'a> {
        let mut connection = Connection {
            second: 0,
            interval: None,
            protocol: "",
            bytes_sent: None,
            bytes_received: None,
        };
        for (column, value) in Table::BeaconConnections.visible_columns().iter().zip(row.iter()) {
            match (column.name, value) {
                ("time", Value::Integer(second)) => connection.second = *second,
                ("interval", Value::Double(interval)) => connection.interval = Some(*interval),
                ("protocol", Value::Text(protocol)) => connection.protocol = protocol,
                ("bytes_sent", Value::Integer(bytes)) => {
                    connection.bytes_sent = u64::try_from(*bytes).ok();
                }
                ("bytes_received", Value::Integer(bytes)) => {
                    connection.bytes_received = u64::try_from(*bytes).ok();
                }
                _ => {}
            }
        }
        connection
    }
}

/// Milliseconds from whole seconds and exact intervals.
struct Clock {
    /// Of the next row, if it has no interval.
    first_ms: Option<i64>,
    now_ms: i64,
}

impl Clock {
    fn from(page: &Page) -> Clock {
        Clock { first_ms: page.first_ms, now_ms: 0 }
    }

    fn time_ms(&mut self, row: &Connection<'_>) -> i64 {
        let second_ms = row.second.saturating_mul(1000);
        self.now_ms = match row.interval {
            Some(interval) => self.now_ms.saturating_add((interval * 1000.0).round() as i64),
            None => self.first_ms.take().unwrap_or(second_ms),
        };
        // Where the intervals are of something else after all.
        if (self.now_ms - second_ms).abs() >= 1000 {
            self.now_ms = second_ms;
        }
        self.now_ms
    }
}

impl Page {
    /// The earliest of its connections.
    fn ask(
        &self,
        tables: &Tables,
        facts: &Facts,
        hours: &str,
        now_ms: i64,
    ) -> Result<Answer, TableError> {
        let mut context = asking(hours);
        equal(&mut context, "row_limit", &PAGE.to_string());
        equal(&mut context, "tuple", facts.raw("tuple"));
        exactly(&mut context, "host", facts.raw("host"));
        exactly(&mut context, "pathname", facts.raw("pathname"));
        let (since, until) = (self.since_s.to_string(), self.until_s.to_string());
        narrow(&mut context, "time", Operator::GREATER_OR_EQUAL, &since);
        narrow(&mut context, "time", Operator::LESS_OR_EQUAL, &until);
        context.columns_used = Some(USED.map(str::to_owned).into());
        tables.answer(Table::BeaconConnections, &context, now_ms)
    }
}

/// What `=` lets through differs in case; of Windows paths, which group without it, that is wanted.
fn exactly(context: &mut QueryContext, column: &'static str, value: &str) {
    let mut pattern = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '*' | '?' | '[' => pattern.extend(['[', character, ']']),
            _ => pattern.push(character),
        }
    }
    match column == "pathname" && is_windows_path(value) || pattern.len() > LONGEST_PATTERN {
        true => equal(context, column, value),
        false => narrow(context, column, Operator::GLOB, &pattern),
    }
}
