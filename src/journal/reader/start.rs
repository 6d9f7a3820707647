//! What the start of a journal tells: its format, and of JSON how its objects follow each other and
//! what they are wrapped in. What a format's rows mean is in the format's own file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::format::{Family, Format};
use super::objects::{Objects, Shape};
use super::wrapping::{self, Wrapping};
use super::{
    answer, audit_log, csv_journal, event_xml, json, osquery_log, records, windows_event, zeek,
};
use crate::journal::printable::printable_cut;
use crate::journal::records::Layout;
use crate::journal::row::are_column_names;
use crate::journal::sysmon_event::Event;

const EVTX_MAGIC: &[u8] = b"ElfFile\0";

/// What the start of a journal tells of it.
#[derive(Clone)]
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
            None | Some(Family::Sysmon) if is_evtx => Ok(Start::Other(Format::Evtx)),
            None => Start::of_text(&text),
            Some(Family::Mapped(layout)) => Ok(Start::mapped(layout, &text)),
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
        if family == Family::Audit {
            return Start::Other(Format::AuditLog);
        }
        if let Some(shape) = Shape::of(head) {
            let tell = |object: &str| {
                let format = of_object(object).or_else(|| of_product(object));
                format.filter(|format| family.includes(*format))
            };
            let kind = find_in(head, shape, &|object| wrapping::find(object, &tell));
            let kind = kind.unwrap_or_else(|| (family.of_json(), Wrapping::new()));
            return Start::Json { shape, kind: Some(kind) };
        }
        match family {
            Family::Journal => Start::Other(Format::JournalCsv),
            Family::Zeek => Start::Other(Format::ZeekTsv),
            _ => match of_csv(head).filter(|format| family.includes(*format)) {
                Some(format) => Start::Other(format),
                None if family == Family::Sysmon && event_xml::find_start(head).is_some() => {
                    Start::Other(Format::WindowsXml)
                }
                None => {
                    let kind = Some((family.of_json(), Wrapping::new()));
                    Start::Json { shape: Shape::Lines, kind }
                }
            },
        }
    }

    /// A journal whose fields a mapping names.
    fn mapped(layout: &'static Layout, head: &str) -> Start {
        let is_header = |names: &[&str]| records::are_columns_of(layout, names).then_some(());
        let shape = match csv_journal::in_header(head, is_header) {
            Some(()) => None,
            None => Shape::of(head),
        };
        let Some(shape) = shape else {
            return Start::Other(Format::RecordsCsv(layout));
        };
        let format = Format::RecordsJson(layout);
        let tell = |object: &str| records::is_record_of(layout, object).then_some(format);
        match find_in(head, shape, &|object| wrapping::find(object, &tell)) {
            None if answer::has_fields_of(layout, head.as_bytes()) => {
                Start::Other(Format::Answer(layout))
            }
            kind => {
                let kind = kind.unwrap_or_else(|| (format, Wrapping::new()));
                Start::Json { shape, kind: Some(kind) }
            }
        }
    }

    fn of_text(head: &str) -> Result<Start, String> {
        let Some(first) = head.lines().find(|line| !line.trim().is_empty()) else {
            return Err(" (it is empty)".to_owned());
        };
        if audit_log::is_audit_log(head) {
            return Ok(Start::Other(Format::AuditLog));
        }
        if zeek::is_tsv(head) {
            return Ok(Start::Other(Format::ZeekTsv));
        }
        if let Some(format) = of_csv(head) {
            return Ok(Start::Other(format));
        }
        if !first.trim_start().starts_with(['{', '[']) && is_event_xml(head) {
            return Ok(Start::Other(Format::WindowsXml));
        }
        match Shape::of(head) {
            Some(shape) => {
                let kind = find_in(head, shape, &in_object);
                let answer = match kind {
                    Some(_) => None,
                    None => answer::layout_in(head.as_bytes()),
                };
                Ok(match answer {
                    Some(layout) => Start::Other(Format::Answer(layout)),
                    None => Start::Json { shape, kind },
                })
            }
            None if first.contains(|c: char| c == '\u{fffd}' || c.is_control() && c != '\t') => {
                Err(String::new()) // it is no text
            }
            None => Err(format!(" (it begins with '{}')", printable_cut(first.trim()))),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Other(format) => write!(f, "{format}"),
            Start::Json { kind: None, .. } => f.write_str("JSON"),
            Start::Json { kind: Some((format, wrapping)), .. } if wrapping.is_empty() => {
                write!(f, "{format}")
            }
            Start::Json { kind: Some((format, wrapping)), .. } => {
                write!(f, "{format} in {}", wrapping.join("."))
            }
        }
    }
}

/// What the first object at the start that tells something tells.
fn find_in<T>(head: &str, shape: Shape, tell: &impl Fn(&str) -> Option<T>) -> Option<T> {
    match shape {
        Shape::Lines => head.lines().find_map(tell),
        Shape::Stream => {
            let mut objects = Objects::new(head.as_bytes(), head.len());
            // Reading from memory does not fail.
            while let Ok(Some(piece)) = objects.next() {
                let found = piece.text.ok().and_then(|object| tell(&object));
                if found.is_some() {
                    return found;
                }
            }
            None
        }
    }
}

/// What an object is, or a record that is wrapped in it. What shippers wrap a record in may look like
/// a product's record itself, so that those come last.
pub(super) fn in_object(object: &str) -> Option<(Format, Wrapping)> {
    wrapping::find(object, &of_object).or_else(|| wrapping::find(object, &of_product))
}

/// What an object is, unless it is a product's record.
fn of_object(object: &str) -> Option<Format> {
    let names = names(object)?;
    if zeek::is_conn_record(&names) {
        return Some(Format::ZeekJson);
    }
    if osquery_log::is_result(&names) {
        return Some(Format::OsqueryLog);
    }
    if are_column_names(names.iter().map(String::as_str)) {
        return Some(Format::JournalJson);
    }
    let object = tree(object)?;
    if Event::of(&object).is_some() {
        return Some(Format::SysmonJson);
    }
    windows_event::is_known(&object).then_some(Format::WindowsJson)
}

/// The product whose record an object is.
fn of_product(object: &str) -> Option<Format> {
    records::layout_of(&tree(object)?).map(Format::RecordsJson)
}

fn tree(object: &str) -> Option<Value> {
    let is_small = object.len() <= json::LARGEST_TREE;
    is_small.then(|| serde_json::from_str(object).ok()).flatten()
}

/// What a journal is that starts with the header of a CSV file that we know.
fn of_csv(head: &str) -> Option<Format> {
    csv_journal::in_header(head, |names| {
        if Format::JournalCsv.has_columns(names) {
            return Some(Format::JournalCsv);
        }
        if let Some(layout) = records::layout_of_header(names.iter().copied()) {
            return Some(Format::RecordsCsv(layout));
        }
        let is_xml = Format::WindowsXmlCsv.has_columns(names) && is_event_xml(head);
        is_xml.then_some(Format::WindowsXmlCsv)
    })
}

/// The names of an object's fields; `None` if it is no object.
pub(super) fn names(object: &str) -> Option<Vec<String>> {
    let Names(names) = serde_json::from_str(object).ok()?;
    Some(names)
}

/// Whether a text has Windows events as XML, wherever in it.
fn is_event_xml(text: &str) -> bool {
    event_xml::find_start(text).is_some() && text.contains("<System>")
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
