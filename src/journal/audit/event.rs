//! What an audit event tells once its records are joined.

use crate::journal::{ConnectionEvent, Process, Protocol, record_id};

/// What a finished event was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    /// A connection was made, or tried.
    Connection(AuditConnection),
    /// A program was started.
    Exec(AuditExec),
    /// Neither, for this reason.
    Skipped(&'static str),
}

/// A process, as a SYSCALL record describes it. When it started is in no record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditProcess {
    /// The machine, where auditd notes it; else ''.
    pub node: String,
    /// Process id, in the first pid namespace.
    pub pid: Option<u32>,
    /// Path of the executable, as the process's own root shows it; '' if not known.
    pub exe: String,
    /// Name of the thread, up to 15 bytes, which a process can change.
    pub comm: String,
    /// Command line; of a connection at most 128 bytes of it, '' if no record has told it.
    pub cmdline: String,
}

/// A connection, or a datagram to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConnection {
    /// Unix milliseconds at which the call began, to the kernel's tick (1 to 10 ms).
    pub time_ms: i64,
    /// The number of the event.
    pub serial: u64,
    /// Who called.
    pub process: AuditProcess,
    /// The address, as [`crate::journal::normalise`] spells it.
    pub destination: String,
    /// The port, not 0.
    pub port: u16,
    /// UDP of a datagram; of a connect the record does not tell.
    pub protocol: Protocol,
}

impl AuditConnection {
    /// What the record alone tells. Of the process's start it tells nothing.
    pub fn event(&self) -> ConnectionEvent<'_> {
        let process = &self.process;
        ConnectionEvent {
            time_ms: self.time_ms,
            host: &process.node,
            process: Process {
                pathname: &process.exe,
                pid: process.pid,
                start: None,
                cmdline: &process.cmdline,
            },
            destination: &self.destination,
            port: self.port,
            protocol: self.protocol,
            domain: "",
            bytes_sent: None,
            bytes_received: None,
            record_id: Some(record_id(self.serial)),
        }
    }
}

/// A program that was started, in a process that was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditExec {
    /// Unix milliseconds of the start.
    pub time_ms: i64,
    /// The process, under its new name.
    pub process: AuditProcess,
}
