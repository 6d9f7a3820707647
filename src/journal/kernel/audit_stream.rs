//! The kernel's audit records as they are made, read beside auditd or osquery, who go on reading
//! theirs.
//!
//! Which records there are is up to the rules that somebody else has made (`audit_rules`).

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::audit_socket::{AuditSocket, Received};
use super::namespaces;
pub use crate::journal::audit::{AuditConnection, AuditEvent, AuditExec, AuditProcess};
use crate::journal::audit::{Join, Record};

/// `AUDIT_NLGRP_READLOG`, the first group.
const READLOG: u32 = 1;
/// Room for what comes while we do not read: about 3,000 connects.
const ROOM: usize = 16 << 20;
/// The most records that are read before the caller gets its turn.
const MOST_RECORDS: usize = 4096;

/// The records of the machine, joined to events.
pub struct AuditStream {
    socket: AuditSocket,
    join: Join,
    lost: u64,
}

/// Why audit records cannot be had here.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// No support in the kernel.
    #[error("this kernel has no audit, or none that several programs can read (Linux 3.16)")]
    NoAudit,
    /// Not root, or root of a container.
    #[error("reading audit records needs the capability CAP_AUDIT_READ")]
    NoPrivilege,
    /// In a container. The kernel sends records into the first network namespace alone, with process ids
    /// of the first pid namespace.
    #[error("audit records are for the machine's own {0} namespace, and this is another")]
    OtherNamespace(&'static str),
    /// Switched off.
    #[error("audit is off (auditctl -e 1 turns it on)")]
    Disabled,
    /// `auditctl -l` lists `-a never,task`.
    #[error("the audit rule 'never,task' keeps every process out of audit")]
    NoTasks,
    /// Nobody has asked audit for connects.
    #[error(
        "no audit rule records connect (auditctl -a always,exit -F arch=b64 -S connect -k network)"
    )]
    NoRule,
    /// Anything else.
    #[error("audit does not answer: {0}")]
    Io(#[from] io::Error),
}

impl Unusable {
    /// What an error of a socket's opening, or of a request, says.
    pub(super) fn of_opening(error: Errno) -> Unusable {
        match error {
            Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::NOENT => Unusable::NoAudit,
            // In another user or pid namespace a request is refused like a connection.
            Errno::PERM | Errno::ACCESS | Errno::CONNREFUSED => Unusable::NoPrivilege,
            other => Unusable::Io(other.into()),
        }
    }
}

impl AuditStream {
    /// Subscribes to the kernel's audit records. Whether there are any is not asked:
    /// [`super::audit_rules::coverage`] says that.
    pub fn open() -> Result<AuditStream, Unusable> {
        if namespaces::other() == Some("pid") {
            return Err(Unusable::OtherNamespace("pid"));
        }
        let namespace = |of: &str| std::fs::read_link(Path::new("/proc").join(of).join("ns/net"));
        if let (Ok(ours), Ok(first)) = (namespace("self"), namespace("1"))
            && ours != first
        {
            return Err(Unusable::OtherNamespace("network"));
        }
        let socket = AuditSocket::open(READLOG).map_err(Unusable::of_opening)?;
        socket.set_room(ROOM).map_err(Unusable::of_opening)?;
        Ok(AuditStream { socket, join: Join::default(), lost: 0 })
    }

    /// Waits up to `wait` for records and hands on what they come to, until none is there any more
    /// or the caller has had many. A call's records come when it returns, its time is when it began.
    pub fn read(&mut self, wait: Duration, on_event: &mut dyn FnMut(AuditEvent)) -> io::Result<()> {
        let deadline = Instant::now() + wait;
        let mut has_told = false;
        for _ in 0..MOST_RECORDS {
            // Once something has come, the rest of it is there already.
            let wait = match has_told {
                true => Duration::ZERO,
                false => deadline.saturating_duration_since(Instant::now()),
            };
            match self.socket.receive(wait)? {
                Received::Message(number, payload) => {
                    // The kernel ends some of its records with a NUL, and writes ASCII.
                    let text = String::from_utf8_lossy(payload);
                    if let Ok(record) = Record::from_message(number, text.trim_end_matches('\0')) {
                        self.join.take(&record);
                    }
                }
                Received::Overrun => {
                    self.lost += 1;
                    // What half an event lacks is among what was lost.
                    self.join.finish();
                }
                Received::Nothing => return Ok(()),
            }
            while let Some(event) = self.join.next_event() {
                has_told = true;
                on_event(event);
            }
        }
        Ok(())
    }

    /// How often records were lost because they were not read in time. How many each time, the
    /// kernel does not say.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}
