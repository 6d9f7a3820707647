//! From a journal to its sink: counting what was read, skipped and rejected on the way.

use std::collections::BTreeMap;
use std::fmt;

use super::field::FieldError;
use super::printable::printable_cut;
use super::time_spelling::TimeSpelling;
use super::{ConnectionEvent, Process, ProcessEvent, Scope};

/// No host, path or address is longer; a command line is cut here.
const LONGEST_TEXT: usize = 32 << 10;

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

/// What became of a journal's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Connections handed to the sink.
    pub connections: u64,
    /// Process starts handed to the sink.
    pub processes: u64,
    /// Rows that are well-formed but no outbound connection, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Rows among the connections that may not be outbound ones after all, by reason.
    pub doubtful: BTreeMap<&'static str, u64>,
    /// Rows that could not be read.
    pub rejected: u64,
}

/// Hands events to the sink and keeps the count of them.
pub(super) struct Delivery<'s, S: JournalSink> {
    sink: &'s mut S,
    delivered: Delivered,
    line: u64,
    has_warned: bool,
    habits: Habits,
    inbound_from_private: u64,
}

/// What the rows of a journal have in common, and one of them alone does not tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    /// How its times are written.
    pub(super) times: TimeSpelling,
    /// Whether rows from private addresses are outbound, whatever they say: they would all be
    /// dropped else.
    pub(super) private_is_local: bool,
}

impl<'s, S: JournalSink> Delivery<'s, S> {
    pub(super) fn new(sink: &'s mut S) -> Self {
        Delivery {
            sink,
            delivered: Delivered::default(),
            line: 0,
            has_warned: false,
            habits: Habits::default(),
            inbound_from_private: 0,
        }
    }

    /// The same, of a journal with these habits.
    pub(super) fn with_habits(self, habits: Habits) -> Self {
        Delivery { habits, ..self }
    }

    /// How the journal's times are written.
    pub(super) fn times(&mut self) -> &mut TimeSpelling {
        &mut self.habits.times
    }

    /// Whether a row that says that it came in from this address is an outbound one nevertheless.
    pub(super) fn is_local(&mut self, originator: &str) -> bool {
        let is_private = matches!(Scope::of(originator), Scope::Private | Scope::LinkLocal);
        self.inbound_from_private += u64::from(is_private);
        is_private && self.habits.private_is_local
    }

    /// The habits of the rows so far.
    pub(super) fn habits(&self) -> Habits {
        let private_is_local = self.delivered.connections == 0 && self.inbound_from_private > 0;
        Habits { times: self.habits.times.learnt(), private_is_local }
    }

    /// Whether more rows could tell of habits that these have not.
    pub(super) fn needs_more(&self) -> bool {
        self.habits.times.needs_more() || self.habits().private_is_local
    }

    pub(super) fn at_line(&mut self, line: u64) {
        self.line = line;
    }

    pub(super) fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), S::Error> {
        let texts = [event.host, event.process.pathname, event.destination, event.domain];
        if texts.iter().any(|text| text.len() > LONGEST_TEXT) {
            self.reject(format_args!("holds a name longer than {} KiB", LONGEST_TEXT >> 10));
            return Ok(());
        }
        self.delivered.connections += 1;
        let process = Process { cmdline: cut(event.process.cmdline), ..event.process };
        self.sink.connection(&ConnectionEvent { process, ..*event })
    }

    pub(super) fn process(&mut self, event: &ProcessEvent<'_>) -> Result<(), S::Error> {
        if event.host.len().max(event.process.pathname.len()) > LONGEST_TEXT {
            self.reject(format_args!("holds a name longer than {} KiB", LONGEST_TEXT >> 10));
            return Ok(());
        }
        self.delivered.processes += 1;
        let process = Process { cmdline: cut(event.process.cmdline), ..event.process };
        self.sink.process(&ProcessEvent { process, ..*event })
    }

    /// Rejects the row whose event could not be made; else gives what the sink said to it.
    pub(super) fn settle(
        &mut self,
        outcome: Result<Result<(), S::Error>, FieldError>,
    ) -> Result<(), S::Error> {
        outcome.unwrap_or_else(|problem| {
            self.reject(problem);
            Ok(())
        })
    }

    /// Whether this is the first warning of its kind; a journal may be full of them.
    pub(super) fn is_first_warning(&mut self) -> bool {
        !std::mem::replace(&mut self.has_warned, true)
    }

    pub(super) fn skip(&mut self, reason: &'static str) {
        *self.delivered.skipped.entry(reason).or_default() += 1;
    }

    /// Skips as many rows.
    pub(super) fn skip_all(&mut self, rows: u64, reason: &'static str) {
        if rows > 0 {
            *self.delivered.skipped.entry(reason).or_default() += rows;
        }
    }

    /// Notes why the row, though it is delivered, may be no outbound connection.
    pub(super) fn doubt(&mut self, reason: &'static str) {
        *self.delivered.doubtful.entry(reason).or_default() += 1;
    }

    pub(super) fn reject(&mut self, reason: impl fmt::Display) {
        self.delivered.rejected += 1;
        let reason = printable_cut(&reason.to_string());
        self.sink.rejected(Rejection { line: self.line, reason });
    }

    /// Rejects a line that does not parse as JSON. Its number is told already; serde_json would
    /// call every line the first.
    pub(super) fn reject_json(&mut self, expected: &str, error: &serde_json::Error) {
        let problem = error.to_string();
        let problem = problem.split(" at line ").next().unwrap_or_default();
        self.reject(format_args!("not {expected}: {problem} at column {}", error.column()));
    }

    pub(super) fn has_read_anything(&self) -> bool {
        self.line > 0
    }

    pub(super) fn finish(self) -> Delivered {
        self.delivered
    }
}

/// As much of a command line as is kept.
fn cut(cmdline: &str) -> &str {
    &cmdline[..cmdline.floor_char_boundary(LONGEST_TEXT)]
}
