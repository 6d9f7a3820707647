//! Linux's `audit.log`, as auditd writes it (RAW or ENRICHED), and what `ausearch` makes of it
//! (--raw, its default, and -i).
//!
//! An `ausearch -i` file does not tell its time zone; UTC is taken, with a warning.

use crate::journal::audit::{
    AuditEvent, AuditExec, Join, Record, RecordType, is_record_line, is_separator,
};
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::{FileTime, Process, ProcessEvent};

/// What ausearch writes where it finds nothing.
const NO_MATCHES: &str = "<no matches>";

/// A log, of which some events wait for the rest of their records.
#[derive(Default)]
pub(super) struct AuditLog {
    join: Join,
}

/// Whether a text begins with audit records.
pub(super) fn is_audit_log(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.find(|line| !is_separator(line)).is_some_and(is_record_line)
}

impl AuditLog {
    pub(super) fn read_line<S: JournalSink>(
        &mut self,
        line: &str,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        let line = line.trim();
        if is_separator(line) || line == NO_MATCHES {
            return Ok(());
        }
        match Record::from_line(line) {
            Ok(record) => {
                if record.record_type == RecordType::Other {
                    to.skip("a record of something else");
                }
                if record.is_interpreted && to.is_first_warning() {
                    log::warn!(
                        "the file is ausearch's -i, whose times have no time zone: UTC is taken"
                    );
                }
                self.join.take(&record);
                self.deliver(to)
            }
            Err(problem) => {
                to.reject(problem);
                Ok(())
            }
        }
    }

    /// Delivers what still waits: no more lines come.
    pub(super) fn finish<S: JournalSink>(
        &mut self,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        self.join.finish();
        self.deliver(to)
    }

    fn deliver<S: JournalSink>(&mut self, to: &mut Delivery<'_, S>) -> Result<(), S::Error> {
        while let Some(event) = self.join.next_event() {
            match event {
                AuditEvent::Connection(connection) => to.connection(&connection.event()),
                AuditEvent::Exec(exec) => to.process(&process_event(&exec)),
                AuditEvent::Skipped(reason) => {
                    to.skip(reason);
                    Ok(())
                }
            }?;
        }
        Ok(())
    }
}

fn process_event(exec: &AuditExec) -> ProcessEvent<'_> {
    let process = &exec.process;
    ProcessEvent {
        host: &process.node,
        process: Process {
            pathname: &process.exe,
            pid: process.pid,
            start: FileTime::from_unix_ms(exec.time_ms),
            cmdline: &process.cmdline,
        },
    }
}
