//! From reader to sink: counting what was read, skipped and rejected on the way.

use std::collections::BTreeMap;
use std::fmt;

use super::Format;
use crate::journal::{ConnectionEvent, ProcessEvent};

/// What takes the events of a journal.
pub trait JournalSink {
    /// Why an event could not be taken; ends the reading.
    type Error;

    /// Takes a connection.
    fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), Self::Error>;

    /// Takes what the journal tells of a process.
    fn process(&mut self, event: &ProcessEvent<'_>) -> Result<(), Self::Error>;

    /// Learns of a line that could not be read.
    fn rejected(&mut self, rejection: Rejection);
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Line number from 1; in an EVTX file the event record id.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// What became of a journal's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What the journal was read as.
    pub format: Format,
    /// Connections handed to the sink.
    pub connections: u64,
    /// Process starts handed to the sink.
    pub processes: u64,
    /// Rows that are well-formed but no outbound connection, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Lines that could not be read.
    pub rejected: u64,
    /// Why the file ended before its end, if it did (a compressed file that was cut).
    pub truncated: Option<String>,
}

/// Hands events to the sink and keeps the [`Summary`].
pub(super) struct Delivery<'s, S: JournalSink> {
    sink: &'s mut S,
    summary: Summary,
    line: u64,
}

impl<'s, S: JournalSink> Delivery<'s, S> {
    pub(super) fn new(sink: &'s mut S, format: Format) -> Self {
        let summary = Summary {
            format,
            connections: 0,
            processes: 0,
            skipped: BTreeMap::new(),
            rejected: 0,
            truncated: None,
        };
        Delivery { sink, summary, line: 0 }
    }

    pub(super) fn at_line(&mut self, line: u64) {
        self.line = line;
    }

    pub(super) fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), S::Error> {
        self.summary.connections += 1;
        self.sink.connection(event)
    }

    pub(super) fn process(&mut self, event: &ProcessEvent<'_>) -> Result<(), S::Error> {
        self.summary.processes += 1;
        self.sink.process(event)
    }

    pub(super) fn skip(&mut self, reason: &'static str) {
        *self.summary.skipped.entry(reason).or_default() += 1;
    }

    pub(super) fn reject(&mut self, reason: impl fmt::Display) {
        self.summary.rejected += 1;
        self.sink.rejected(Rejection { line: self.line, reason: reason.to_string() });
    }

    /// Rejects a line that does not parse as JSON. Its number is told already; serde_json would
    /// call every line the first.
    pub(super) fn reject_json(&mut self, expected: &str, error: &serde_json::Error) {
        let problem = error.to_string();
        let problem = problem.split(" at line 1 ").next().unwrap_or_default();
        self.reject(format_args!("not {expected}: {problem} at column {}", error.column()));
    }

    pub(super) fn has_read_anything(&self) -> bool {
        self.line > 0
    }

    pub(super) fn finish(self) -> Summary {
        self.summary
    }
}
