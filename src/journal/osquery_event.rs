//! Rows of osquery's event tables: connects of `socket_events` and `bpf_socket_events`, process
//! starts of `process_events` and `bpf_process_events`, from its result log or from a query.
//!
//! Columns are those of <https://osquery.io/schema/>. Nothing here asks osquery.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::field::{Field, FieldError};
use super::{ConnectionEvent, FileTime, Process, Protocol, normalise, record_id};

/// What a connect that goes on in the background returns (EINPROGRESS on Linux), signed and not.
const IN_PROGRESS: [&str; 2] = ["-115", "18446744073709551501"];

/// The columns that we read.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "a row")]
pub(super) struct EventRow<'a> {
    #[serde(borrow)]
    time: Field<'a>,
    #[serde(borrow)]
    eid: Field<'a>,
    #[serde(borrow)]
    pid: Field<'a>,
    #[serde(borrow)]
    path: Field<'a>,
    #[serde(borrow)]
    cmdline: Option<Field<'a>>,
    #[serde(borrow)]
    action: Field<'a>,
    #[serde(borrow)]
    status: Field<'a>,
    /// `bpf_socket_events` has these two in place of action and status.
    #[serde(borrow)]
    syscall: Field<'a>,
    #[serde(borrow)]
    exit_code: Field<'a>,
    #[serde(borrow)]
    protocol: Field<'a>,
    /// Kind of socket, in `bpf_socket_events`.
    #[serde(borrow, rename = "type")]
    socket_type: Field<'a>,
    #[serde(borrow)]
    remote_address: Option<Field<'a>>,
    #[serde(borrow)]
    remote_port: Field<'a>,
    /// `windows_events` has the event's own data as JSON, with its id and where it was logged, which
    /// `windows_eventlog` calls the channel.
    #[serde(borrow)]
    data: Field<'a>,
    #[serde(borrow)]
    eventid: Field<'a>,
    #[serde(borrow)]
    source: Field<'a>,
    #[serde(borrow)]
    channel: Field<'a>,
}

/// A connect, with what the row tells of it.
pub(super) struct Connect {
    pub(super) time_ms: i64,
    pub(super) pid: Option<u32>,
    pub(super) pathname: String,
    cmdline: String,
    destination: String,
    port: u16,
    protocol: Protocol,
    record_id: Option<u32>,
}

impl<'a> EventRow<'a> {
    /// The row of a query's answer.
    pub(super) fn from_columns(columns: &'a BTreeMap<String, String>) -> EventRow<'a> {
        let get = |name| columns.get(name).map(|value| Field::Text(value.as_str().into()));
        let field = |name| get(name).unwrap_or_default();
        EventRow {
            time: field("time"),
            eid: field("eid"),
            pid: field("pid"),
            path: field("path"),
            cmdline: get("cmdline"),
            action: field("action"),
            status: field("status"),
            syscall: field("syscall"),
            exit_code: field("exit_code"),
            protocol: field("protocol"),
            socket_type: field("type"),
            remote_address: get("remote_address"),
            remote_port: field("remote_port"),
            data: field("data"),
            eventid: field("eventid"),
            source: field("source"),
            channel: field("channel"),
        }
    }

    /// The id and the data of an event that Sysmon logged on Windows, if it is one.
    pub(super) fn windows_event(&self) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
        let logs = [&self.source, &self.channel];
        let is_sysmon = logs.iter().any(|log| log.text().contains("Sysmon"));
        (is_sysmon && !self.data.is_empty()).then(|| (self.eventid.text(), self.data.text()))
    }

    /// The second at which it was recorded; `None` if it does not say.
    pub(super) fn recorded_s(&self) -> Option<i64> {
        Some(self.time.time_ms("time").ok()??.div_euclid(1000))
    }

    /// Whether it is of a table of sockets.
    pub(super) fn is_of_a_socket(&self) -> bool {
        self.remote_address.is_some()
    }

    /// Whether it is of a table of processes.
    pub(super) fn is_of_a_process(&self) -> bool {
        self.cmdline.is_some() && !self.pid.is_empty()
    }

    /// The connect that it tells of, or why it is none to count.
    pub(super) fn connect(&self) -> Result<Result<Connect, &'static str>, FieldError> {
        let Some(time_ms) = self.time.time_ms("time")? else {
            // process_open_sockets, say: what is open each time it is asked is no connection made.
            return Ok(Err("sockets without a time"));
        };
        let is_connect = |action: &Field<'_>| matches!(&*action.text(), "" | "connect");
        if !is_connect(&self.action) || !is_connect(&self.syscall) {
            return Ok(Err("not a connect"));
        }
        let exit_code = self.exit_code.text();
        if !matches!(&*self.status.text(), "" | "succeeded" | "in_progress")
            || !(matches!(&*exit_code, "" | "0") || IN_PROGRESS.contains(&&*exit_code))
        {
            return Ok(Err("a connect that failed"));
        }
        let address = self.remote_address.as_ref().map(Field::text).unwrap_or_default();
        let destination = normalise(&address);
        if destination.is_empty() {
            return Ok(Err("no remote address (not an IP socket)"));
        }
        let port = self.remote_port.count("remote_port", u16::MAX.into())?;
        let eid = self.eid.text();
        Ok(Ok(Connect {
            time_ms,
            pid: self.pid.pid()?,
            pathname: self.path.text().into_owned(),
            cmdline: self.cmdline.as_ref().map(Field::text).unwrap_or_default().into_owned(),
            destination: destination.into_owned(),
            port: port.unwrap_or(0) as u16,
            protocol: self.protocol(),
            record_id: (!eid.is_empty()).then(|| record_id(eid.as_bytes())),
        }))
    }

    /// Most programs leave the protocol to the kind of socket.
    fn protocol(&self) -> Protocol {
        const STREAM: u64 = 1;
        const DATAGRAM: u64 = 2;
        const WITHOUT_FLAGS: u64 = 0xf; // SOCK_NONBLOCK and SOCK_CLOEXEC lie above
        match Protocol::from_journal(&self.protocol.text()) {
            Protocol::Unknown => match self.socket_type.count("type", u64::MAX) {
                Ok(Some(kind)) if kind & WITHOUT_FLAGS == STREAM => Protocol::Tcp,
                Ok(Some(kind)) if kind & WITHOUT_FLAGS == DATAGRAM => Protocol::Udp,
                _ => Protocol::Unknown,
            },
            protocol => protocol,
        }
    }

    /// Hands the process that was started to `take`.
    pub(super) fn with_process<T>(
        &self,
        take: impl FnOnce(Process<'_>) -> T,
    ) -> Result<T, FieldError> {
        let cmdline = self.cmdline.as_ref().map(Field::text).unwrap_or_default();
        Ok(take(Process {
            pathname: &self.path.text(),
            pid: self.pid.pid()?,
            start: self.time.time_ms("time")?.and_then(FileTime::from_unix_ms),
            cmdline: &cmdline,
        }))
    }
}

impl Connect {
    /// Whether its record has an id of its own.
    pub(super) fn has_id(&self) -> bool {
        self.record_id.is_some()
    }

    pub(super) fn set_id(&mut self, id: u32) {
        self.record_id = Some(id);
    }

    /// The same for every row that tells of the same process, place and time.
    pub(super) fn identity(&self) -> u32 {
        let Connect { time_ms, pid, pathname, destination, port, protocol, .. } = self;
        record_id((time_ms, pid, pathname, destination, port, protocol))
    }

    /// The event, of a process of this start and, unless the row told, this command line.
    pub(super) fn event<'c>(
        &'c self,
        host: &'c str,
        start: Option<FileTime>,
        cmdline: &'c str,
    ) -> ConnectionEvent<'c> {
        let cmdline = if self.cmdline.is_empty() { cmdline } else { &self.cmdline };
        ConnectionEvent {
            time_ms: self.time_ms,
            host,
            process: Process { pathname: &self.pathname, pid: self.pid, start, cmdline },
            destination: &self.destination,
            port: self.port,
            protocol: self.protocol,
            domain: "",
            bytes_sent: None,
            bytes_received: None,
            record_id: self.record_id,
        }
    }
}
