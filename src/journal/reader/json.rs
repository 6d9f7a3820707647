//! JSON objects into the reader of their format, which the first object that tells it decides.
//!
//! Where objects begin and end is `objects`', what they are wrapped in is `wrapping`'s, and what is
//! in them is each format's.

use std::borrow::Cow;
use std::io::BufRead;

use super::format::Format;
use super::lines::{LONGEST_LINE, Lines};
use super::objects::{Damage, Objects, Piece, Shape};
use super::start;
use super::wrapping::{self, Wrapping};
use super::{Stop, journal, osquery_log, records, sysmon, windows_event, zeek};
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::is_blank;
use crate::words;

/// Of a larger object no tree is made, unless told otherwise: a tree takes many times as much memory
/// as its text.
pub(super) const LARGEST_TREE: usize = 4 << 20;

/// So many objects are described in a refusal, and so many fields of each.
const DESCRIBED_OBJECTS: usize = 2;
const DESCRIBED_FIELDS: usize = 12;

/// A reader of objects.
pub(super) struct Json {
    kind: Option<(Format, Wrapping)>,
    osquery: osquery_log::Runs,
    /// How many objects came before the first that told what they are.
    before: u64,
    /// Fields of the first of them.
    described: Vec<String>,
    longest: usize,
    largest_tree: usize,
}

impl Json {
    /// `kind` is what the objects are, if that is known; `longest_line` in bytes, if one was asked
    /// for.
    pub(super) fn new(kind: Option<(Format, Wrapping)>, longest_line: Option<usize>) -> Json {
        Json {
            kind,
            osquery: osquery_log::Runs::default(),
            before: 0,
            described: Vec::new(),
            longest: longest_line.unwrap_or(LONGEST_LINE),
            largest_tree: longest_line.unwrap_or(LARGEST_TREE),
        }
    }

    /// What the objects turned out to be.
    pub(super) fn format(&self) -> Option<Format> {
        self.kind.as_ref().map(|(format, _)| *format)
    }

    /// The fields of the first objects, for the hint of a refusal.
    pub(super) fn description(&self) -> String {
        match &*self.described {
            [] => " (it is JSON, but not one whole object)".to_owned(),
            described => format!(
                " (it is JSON, but no object has the fields of a connection; the first have {})",
                described.join(", or ")
            ),
        }
    }

    /// Reads all objects.
    pub(super) fn read<S: JournalSink>(
        &mut self,
        source: impl BufRead,
        shape: Shape,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), Stop<S::Error>> {
        match shape {
            Shape::Lines => {
                let mut lines = Lines::new(source, self.longest);
                while let Some(line) = lines.next().map_err(Stop::Io)? {
                    to.at_line(line.number);
                    match line.text {
                        Some(text) if is_blank(&text) => {}
                        Some(text) => self.read_line(&text, to).map_err(Stop::Sink)?,
                        None => self.reject_too_long(to),
                    }
                }
            }
            Shape::Stream => {
                let mut objects = Objects::new(source, self.longest);
                while let Some(piece) = objects.next().map_err(Stop::Io)? {
                    self.read_piece(piece, to).map_err(Stop::Sink)?;
                }
            }
        }
        Ok(())
    }

    fn reject_too_long<S: JournalSink>(&self, to: &mut Delivery<'_, S>) {
        to.reject(format_args!("longer than {}", words::bytes(self.longest as u64)));
    }

    /// Reads the object of a line, or objects that follow each other in it.
    fn read_line<S: JournalSink>(
        &mut self,
        line: &str,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        let Err(problem) = self.read_object(line, to)? else {
            return Ok(());
        };
        if line.starts_with('{') && is_followed(&problem) {
            let mut objects = Objects::new(line.as_bytes(), self.longest);
            // Reading from memory does not fail.
            while let Ok(Some(piece)) = objects.next() {
                match piece.text {
                    Ok(object) => {
                        if let Err(problem) = self.read_object(&object, to)? {
                            self.reject(&problem, to);
                        }
                    }
                    Err(damage) => reject_damage(damage, to),
                }
            }
            return Ok(());
        }
        self.reject(&problem, to);
        Ok(())
    }

    fn read_piece<S: JournalSink>(
        &mut self,
        piece: Piece<'_>,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        to.at_line(piece.line);
        match piece.text {
            Ok(object) => {
                if let Err(problem) = self.read_object(&object, to)? {
                    self.reject(&problem, to);
                }
            }
            Err(Damage::TooLong) => self.reject_too_long(to),
            Err(damage) => reject_damage(damage, to),
        }
        Ok(())
    }

    /// Reads one object; says why it is none.
    fn read_object<S: JournalSink>(
        &mut self,
        object: &str,
        to: &mut Delivery<'_, S>,
    ) -> Result<serde_json::Result<()>, S::Error> {
        if self.kind.is_none() {
            self.kind = start::in_object(object);
            match self.format() {
                Some(format) => to.skip_all(self.before, other_rows(format)),
                None => {
                    self.before += 1;
                    return Ok(self.describe(object));
                }
            }
        }
        let Some((format, wrapping)) = &self.kind else {
            return Ok(Ok(()));
        };
        let record = match wrapping.is_empty() {
            true => Cow::Borrowed(object),
            false => wrapping::undo(wrapping, object),
        };
        match format {
            Format::JournalJson => journal::read_object(&record, to),
            Format::ZeekJson => zeek::read_object(&record, to),
            Format::OsqueryLog => self.osquery.read_object(&record, to),
            Format::RecordsJson(layout) if !windows_event::may_be_in(layout, &record) => {
                records::read_object(layout, &record, to)
            }
            Format::SysmonJson | Format::WindowsJson | Format::RecordsJson(_)
                if record.len() > self.largest_tree =>
            {
                let largest = words::bytes(self.largest_tree as u64);
                to.reject(format_args!("larger than {largest}, of which no tree is made"));
                Ok(Ok(()))
            }
            Format::SysmonJson | Format::WindowsJson | Format::RecordsJson(_) => {
                sysmon::read_object(&record, to)
            }
            Format::JournalCsv
            | Format::ZeekTsv
            | Format::Evtx
            | Format::AuditLog
            | Format::WindowsXml
            | Format::WindowsXmlCsv
            | Format::RecordsCsv(_)
            | Format::Answer(_) => Ok(Ok(())), // not of objects one by one
        }
    }

    fn describe(&mut self, object: &str) -> serde_json::Result<()> {
        let Some(names) = start::names(object) else {
            self.before -= 1;
            return serde_json::from_str::<serde::de::IgnoredAny>(object).map(drop);
        };
        if self.described.len() < DESCRIBED_OBJECTS {
            let more = names.len().saturating_sub(DESCRIBED_FIELDS);
            let mut fields =
                names.into_iter().take(DESCRIBED_FIELDS).collect::<Vec<_>>().join(", ");
            if more > 0 {
                fields += &format!(" and {more} more");
            }
            let fields = if fields.is_empty() { "no fields".to_owned() } else { fields };
            if !self.described.contains(&fields) {
                self.described.push(fields);
            }
        }
        Ok(())
    }

    fn reject<S: JournalSink>(&self, problem: &serde_json::Error, to: &mut Delivery<'_, S>) {
        let expected = match self.format() {
            Some(Format::ZeekJson) => "a row of conn.log",
            Some(Format::OsqueryLog) => "a line of osquery's result log",
            _ => "a JSON object",
        };
        to.reject_json(expected, problem);
    }
}

/// Whether an object is whole and something follows it.
fn is_followed(problem: &serde_json::Error) -> bool {
    problem.is_syntax() && problem.to_string().starts_with("trailing characters")
}

fn reject_damage<S: JournalSink>(damage: Damage, to: &mut Delivery<'_, S>) {
    to.reject(match damage {
        Damage::NoObject => "not a JSON object",
        Damage::Broken => "begins a JSON object that is broken off",
        Damage::TooLong => "too long",
        Damage::Cut => "begins a JSON object that does not end",
    });
}

/// What rows are that came before the first of this format.
fn other_rows(format: Format) -> &'static str {
    match format {
        Format::SysmonJson | Format::WindowsJson => windows_event::OF_OTHERS,
        Format::ZeekJson => zeek::OF_ANOTHER_LOG,
        Format::OsqueryLog => osquery_log::OF_NO_EVENTS,
        _ => "without the fields of a connection",
    }
}
