//! `process_open_sockets`, the last resort where osquery records no connections (macOS): a socket
//! that was not open at the poll before is taken for a connection made now.
//!
//! What opens and closes between two polls is not seen, and of a kept connection only its start.

use std::collections::{BTreeSet, HashSet};

use super::process_starts::ProcessStarts;
use super::{CollectError, Host, Row, Slice};
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::{Field, FieldError};
use crate::journal::{ConnectionEvent, Process, Protocol, normalise};

pub(super) const NAME: &str = "process_open_sockets";

const SQL: &str = "SELECT pid, protocol, state, local_address, local_port, remote_address, \
    remote_port FROM process_open_sockets WHERE +family IN (2, 10, 23, 30)";

/// The sockets that were open at the last poll.
pub struct OpenSockets {
    /// `None` before the first: what is open then was opened at a time that nobody knows.
    open: Option<HashSet<Socket>>,
    starts: ProcessStarts,
}

impl Default for OpenSockets {
    fn default() -> Self {
        OpenSockets { open: None, starts: ProcessStarts::of_running() }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Socket {
    pid: u32,
    protocol: u8,
    local: (String, u16),
    remote: (String, u16),
}

impl OpenSockets {
    pub(super) fn collect<S: JournalSink>(
        &mut self,
        slice: Slice,
        host: &mut dyn Host,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), CollectError<S::Error>> {
        let mut open = HashSet::new();
        // Ports on which somebody listens: what is connected there came in.
        let mut listening = HashSet::new();
        let mut number = 0;
        host.query(SQL, &mut |row| {
            number += 1;
            to.at_line(number);
            match Socket::of(row) {
                Ok(Some(socket)) if socket.remote.1 == 0 => {
                    listening.insert((socket.protocol, socket.local.1));
                }
                Ok(Some(socket)) => {
                    open.insert(socket);
                }
                Ok(None) => to.skip("a socket of no known process"),
                Err(problem) => to.reject(problem),
            }
        })?;
        open.retain(|socket| !listening.contains(&(socket.protocol, socket.local.1)));
        let opened: Vec<_> = match &self.open {
            Some(before) => open.difference(before).collect(),
            None => Vec::new(),
        };
        let pids: BTreeSet<_> = opened.iter().map(|socket| socket.pid).collect();
        self.starts.learn(&pids, slice, host)?;
        let time_ms = (slice.to_s - 1) * 1000;
        for socket in opened {
            let process = self.starts.running(socket.pid);
            let process = Process {
                pathname: process.map_or("", |process| process.pathname.as_str()),
                pid: Some(socket.pid),
                start: process.map(|process| process.start),
                cmdline: process.map_or("", |process| process.cmdline.as_str()),
            };
            to.connection(&ConnectionEvent {
                time_ms,
                host: "",
                process,
                destination: &socket.remote.0,
                port: socket.remote.1,
                protocol: Protocol::from_number(socket.protocol),
                domain: "",
                bytes_sent: None,
                bytes_received: None,
                record_id: None,
            })
            .map_err(CollectError::Sink)?;
        }
        self.open = Some(open);
        Ok(())
    }
}

impl Socket {
    fn of(row: &Row) -> Result<Option<Socket>, FieldError> {
        let field = |name: &str| match row.get(name) {
            Some(text) => Field::Text(text.as_str().into()),
            None => Field::Absent,
        };
        let port = |name| field(name).count("port", u16::MAX.into()).map(|port| port.unwrap_or(0));
        let Some(pid) = field("pid").pid()?.filter(|pid| *pid > 0) else {
            return Ok(None);
        };
        let address = |name: &str| normalise(&field(name).text()).into_owned();
        Ok(Some(Socket {
            pid,
            protocol: Protocol::from_journal(&field("protocol").text()).number(),
            local: (address("local_address"), port("local_port")? as u16),
            remote: (address("remote_address"), port("remote_port")? as u16),
        }))
    }
}
