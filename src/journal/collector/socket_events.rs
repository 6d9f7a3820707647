//! `socket_events` (Linux audit) and `bpf_socket_events`: a row a connect, its time in whole
//! seconds and without the start of its process.
//!
//! The times of `socket_events` are those of batches; how far apart these are is measured.
//!
//! The rows of a slice wait until the starts of their processes are known; a start learnt later
//! could name the wrong one of two processes with the same pid.

use super::batches::Batches;
use super::process_starts::ProcessStarts;
use super::{CollectError, Host, Slice};
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::osquery_event::EventRow;

/// One of osquery's two tables of sockets, and what is known of the processes in it.
pub struct SocketEvents {
    table: SocketTable,
    starts: ProcessStarts,
    /// Of audit, whose events come in batches.
    batches: Option<Batches>,
}

/// The names of a table of sockets, of the table that tells of the same processes' starts, and
/// what is read of the former.
pub(super) struct SocketTable {
    pub(super) name: &'static str,
    processes: &'static str,
    columns: &'static str,
    connects: &'static str,
}

/// What Linux's audit records.
pub(super) const AUDIT: SocketTable = SocketTable {
    name: "socket_events",
    processes: "process_events",
    columns: "status, protocol",
    connects: "+action = 'connect'",
};

/// What osquery's BPF publisher records.
pub(super) const BPF: SocketTable = SocketTable {
    name: "bpf_socket_events",
    processes: "bpf_process_events",
    columns: "syscall, exit_code, type, protocol",
    connects: "+syscall = 'connect'",
};

impl SocketEvents {
    /// `socket_events`.
    pub fn of_audit() -> SocketEvents {
        SocketEvents {
            table: AUDIT,
            starts: ProcessStarts::of_events(AUDIT.processes),
            batches: Some(Batches::default()),
        }
    }

    /// `bpf_socket_events`.
    pub fn of_bpf() -> SocketEvents {
        SocketEvents { table: BPF, starts: ProcessStarts::of_events(BPF.processes), batches: None }
    }

    pub(super) fn name(&self) -> &'static str {
        self.table.name
    }

    /// See [`super::Collector::blur_s`].
    pub(super) fn blur_s(&self) -> Option<u32> {
        self.batches.as_ref()?.longest_gap_s()
    }

    pub(super) fn collect<S: JournalSink>(
        &mut self,
        slice: Slice,
        host: &mut dyn Host,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), CollectError<S::Error>> {
        let SocketTable { name, columns, connects, .. } = self.table;
        let sql = format!(
            "SELECT time, eid, pid, path, remote_address, remote_port, {columns} FROM {name} \
             WHERE {} AND {connects}",
            slice.of_events()
        );
        let (mut connects, mut recorded_s) = (Vec::new(), Vec::new());
        let mut number = 0;
        host.query(&sql, &mut |row| {
            number += 1;
            to.at_line(number);
            let row = EventRow::from_columns(row);
            recorded_s.extend(row.recorded_s());
            match row.connect() {
                Ok(Ok(connect)) => connects.push(connect),
                Ok(Err(reason)) => to.skip(reason),
                Err(problem) => to.reject(problem),
            }
        })?;
        // In time order, so that the cache meets a process's first connection first.
        connects.sort_by_key(|connect| connect.time_ms);
        let pids = connects.iter().filter_map(|connect| connect.pid).collect();
        self.starts.learn(&pids, slice, host)?;
        if let Some(batches) = &mut self.batches {
            batches.take(slice, recorded_s.into_iter().chain(self.starts.recorded_in(slice)));
        }
        for connect in &connects {
            let process = self.starts.of(connect.pid, &connect.pathname, connect.time_ms);
            let (start, cmdline) = process
                .map_or((None, ""), |process| (Some(process.start), process.cmdline.as_str()));
            to.connection(&connect.event("", start, cmdline)).map_err(CollectError::Sink)?;
        }
        Ok(())
    }
}
