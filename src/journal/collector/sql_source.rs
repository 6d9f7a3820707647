//! A query of the user's that returns the columns of our journal, and the built-in one for the
//! tables of Sophos' agent.
//!
//! `$since` and `$until` in it become unix seconds.

use std::collections::BTreeSet;

use super::{CollectError, Host, HostError, Slice, deliver_rows};
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::row;
use crate::journal::{Process, ProcessEvent};

const SINCE: &str = "$since";
const UNTIL: &str = "$until";

/// Without bounds on time these tables give the last 15 minutes only. Columns are chosen by name
/// from all that there are: Sophos has spelled them in two ways.
const SOPHOS_CONNECTIONS: &str = "SELECT * FROM sophos_process_activity \
    WHERE subject = 'Network' AND time >= $since AND time < $until";
const SOPHOS_PROCESSES: &str =
    "SELECT * FROM sophos_process_journal WHERE time >= $since AND time < $until";

/// A query cannot be used as a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSql {
    /// It would return everything at each poll.
    #[error("the query has no $since; write for example WHERE time >= $since")]
    NoSince,
}

/// A query to be run for each slice.
pub struct SqlSource {
    name: &'static str,
    connections: String,
    /// Tells of the processes that were started.
    processes: Option<&'static str>,
    overlap_s: i64,
}

impl SqlSource {
    /// The user's query, of whose rows the last may be so many seconds late.
    pub fn new(sql: &str, overlap_s: i64) -> Result<SqlSource, InvalidSql> {
        if !sql.contains(SINCE) {
            return Err(InvalidSql::NoSince);
        }
        let connections = sql.trim().trim_end_matches(';').to_owned();
        Ok(SqlSource { name: "sql", connections, processes: None, overlap_s })
    }

    /// Sophos' process journals.
    pub fn sophos(overlap_s: i64) -> SqlSource {
        SqlSource {
            name: "sophos",
            connections: SOPHOS_CONNECTIONS.to_owned(),
            processes: Some(SOPHOS_PROCESSES),
            overlap_s,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn overlap_s(&self) -> i64 {
        self.overlap_s
    }

    pub(super) fn can_end_early(&self) -> bool {
        self.connections.contains(UNTIL)
    }

    pub(super) fn collect<S: JournalSink>(
        &self,
        slice: Slice,
        host: &mut dyn Host,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), CollectError<S::Error>> {
        let mut connected = BTreeSet::new();
        let mut columns_checked = false;
        let mut missing = None;
        deliver_rows(&filled_in(&self.connections, slice), host, |columns, number| {
            to.at_line(number);
            if !std::mem::replace(&mut columns_checked, true) {
                missing = row::missing_column_of(columns.keys().map(String::as_str));
            }
            if missing.is_some() {
                return Ok(());
            }
            let row = row::Row::from_columns(columns);
            if self.processes.is_some() {
                connected.insert(row.sophos_pid_text().into_owned());
            }
            row.deliver(to)
        })?;
        if let Some(column) = missing {
            return Err(HostError(format!("the query returns no column '{column}'")).into());
        }
        let Some(processes) = self.processes else {
            return Ok(());
        };
        deliver_rows(&filled_in(processes, slice), host, |columns, _| {
            let row = row::Row::from_columns(columns);
            // Most processes never connect.
            if !connected.contains(&*row.sophos_pid_text()) {
                return Ok(());
            }
            let outcome = row.with_process(|process: Process<'_>| {
                to.process(&ProcessEvent { host: "", process })
            });
            to.settle(outcome)
        })
    }
}

fn filled_in(sql: &str, slice: Slice) -> String {
    sql.replace(SINCE, &slice.from_s.to_string()).replace(UNTIL, &slice.to_s.to_string())
}
