//! The formats that journals come in, and telling them apart by their content.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::objects::{Objects, Shape};
use super::wrapping::{self, Wrapping};
use super::{csv_journal, json, osquery_log, zeek};
use crate::journal::printable::printable_cut;
use crate::journal::row::are_column_names;
use crate::journal::sysmon_event::Event;

const EVTX_MAGIC: &[u8] = b"ElfFile\0";

/// A journal format, compression aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own columns, or a Sophos export's, as JSON objects.
    JournalJson,
    /// The same as CSV with a header.
    JournalCsv,
    /// Zeek conn.log, tab-separated.
    ZeekTsv,
    /// Zeek conn.log as JSON objects.
    ZeekJson,
    /// Sysmon events as JSON objects, whoever wrote them.
    SysmonJson,
    /// A Windows event log file with Sysmon events.
    Evtx,
    /// osquery's result log: differential, batch or snapshot lines of socket_events rows.
    OsqueryLog,
}

/// What a user calls a format; JSON and its alternatives are told apart by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Our own columns, or a Sophos export's.
    Journal,
    /// Zeek's conn.log.
    Zeek,
    /// Sysmon events.
    Sysmon,
    /// osquery's result log.
    Osquery,
}

impl Family {
    fn of_json(self) -> Format {
        match self {
            Family::Journal => Format::JournalJson,
            Family::Zeek => Format::ZeekJson,
            Family::Sysmon => Format::SysmonJson,
            Family::Osquery => Format::OsqueryLog,
        }
    }
}

/// What the start of a journal tells of it.
#[derive(Clone, Debug)]
pub(super) enum Start {
    /// JSON objects.
    Json {
        shape: Shape,
        /// What the objects are, and what they are wrapped in; `None` if none at the start tells.
        kind: Option<(Format, Wrapping)>,
    },
    /// Anything else.
    Other(Format),
}

impl Start {
    /// What a journal is that starts with `head`, of `family` or, if `None`, of any; else what it
    /// looks like instead, as the hint of [`super::ReadError::UnknownFormat`].
    pub(super) fn of(head: &[u8], family: Option<Family>) -> Result<Start, String> {
        let text = String::from_utf8_lossy(head);
        let is_evtx = head.starts_with(EVTX_MAGIC);
        match family {
            None if is_evtx => Ok(Start::Other(Format::Evtx)),
            None => Start::of_text(&text),
            Some(Family::Sysmon) if is_evtx => Ok(Start::Other(Format::Evtx)),
            Some(family) => Ok(Start::within(family, &text)),
        }
    }

    /// Whether rows have something in common that one alone does not tell.
    pub(super) fn has_habits(&self) -> bool {
        match self {
            Start::Json { kind: Some((format, _)), .. } | Start::Other(format) => {
                format.has_habits()
            }
            Start::Json { kind: None, .. } => false,
        }
    }

    fn within(family: Family, head: &str) -> Start {
        let format = family.of_json();
        match (family, Shape::of(head)) {
            (_, Some(shape)) => {
                let tell = |object: &str| of_object(object).filter(|found| *found == format);
                let wrapping = find_in(head, shape, &tell).map(|(_, wrapping)| wrapping);
                Start::Json { shape, kind: Some((format, wrapping.unwrap_or_default())) }
            }
            (Family::Journal, None) => Start::Other(Format::JournalCsv),
            (Family::Zeek, None) => Start::Other(Format::ZeekTsv),
            (Family::Sysmon | Family::Osquery, None) => {
                Start::Json { shape: Shape::Lines, kind: Some((format, Wrapping::new())) }
            }
        }
    }

    fn of_text(head: &str) -> Result<Start, String> {
        let Some(first) = head.lines().find(|line| !line.trim().is_empty()) else {
            return Err(" (it is empty)".to_owned());
        };
        if zeek::is_tsv(head) {
            return Ok(Start::Other(Format::ZeekTsv));
        }
        if csv_journal::has_header(head) {
            return Ok(Start::Other(Format::JournalCsv));
        }
        match Shape::of(head) {
            Some(shape) => Ok(Start::Json { shape, kind: find_in(head, shape, &of_object) }),
            None if first.contains(|c: char| c == '\u{fffd}' || c.is_control() && c != '\t') => {
                Err(String::new()) // it is no text
            }
            None => Err(format!(" (it begins with '{}')", printable_cut(first.trim()))),
        }
    }
}

/// What the first object at the start that tells something tells.
fn find_in<T>(
    head: &str,
    shape: Shape,
    tell: &impl Fn(&str) -> Option<T>,
) -> Option<(T, Wrapping)> {
    match shape {
        Shape::Lines => head.lines().find_map(|line| wrapping::find(line, tell)),
        Shape::Stream => {
            let mut objects = Objects::new(head.as_bytes(), head.len());
            // Reading from memory does not fail.
            while let Ok(Some(piece)) = objects.next() {
                let found = piece.text.ok().and_then(|object| wrapping::find(&object, tell));
                if found.is_some() {
                    return found;
                }
            }
            None
        }
    }
}

/// What an object is.
pub(super) fn of_object(object: &str) -> Option<Format> {
    let names = names(object)?;
    if zeek::is_conn_record(&names) {
        Some(Format::ZeekJson)
    } else if osquery_log::is_result(&names) {
        Some(Format::OsqueryLog)
    } else if are_column_names(names.iter().map(String::as_str)) {
        Some(Format::JournalJson)
    } else if object.len() <= json::LARGEST_TREE {
        let object: Value = serde_json::from_str(object).ok()?;
        Event::of(&object).map(|_| Format::SysmonJson)
    } else {
        None
    }
}

/// The names of an object's fields; `None` if it is no object.
pub(super) fn names(object: &str) -> Option<Vec<String>> {
    let Names(names) = serde_json::from_str(object).ok()?;
    Some(names)
}

impl Format {
    /// A short name, for `beacon_status`.
    pub fn source_name(self) -> &'static str {
        match self {
            Format::JournalJson | Format::JournalCsv => "journal",
            Format::ZeekTsv | Format::ZeekJson => "zeek",
            Format::SysmonJson | Format::Evtx => "sysmon",
            Format::OsqueryLog => "osquery_log",
        }
    }

    /// Whether rows have something in common that one alone does not tell: how times are written.
    fn has_habits(self) -> bool {
        match self {
            Format::JournalJson | Format::JournalCsv | Format::ZeekTsv | Format::ZeekJson => true,
            Format::SysmonJson | Format::Evtx | Format::OsqueryLog => false,
        }
    }
}

/// The names of an object's fields, without their values, of which there may be megabytes.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamesVisitor;

        impl<'de> Visitor<'de> for NamesVisitor {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_map(NamesVisitor)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::JournalJson => "journal NDJSON",
            Format::JournalCsv => "journal CSV",
            Format::ZeekTsv => "Zeek conn.log",
            Format::ZeekJson => "Zeek conn.log JSON",
            Format::SysmonJson => "Sysmon JSON",
            Format::Evtx => "Sysmon EVTX",
            Format::OsqueryLog => "osquery result log",
        })
    }
}
