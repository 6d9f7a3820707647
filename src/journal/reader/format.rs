//! The formats that journals come in, and telling them apart by their content.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{answer, audit_log, event_xml, osquery_log, records, windows_event, zeek};
use crate::journal::records::Layout;
use crate::journal::row::are_column_names;
use crate::journal::sysmon_event::Event;

const EVTX_MAGIC: &[u8] = b"ElfFile\0";

/// A journal format, compression aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own columns, or a Sophos export's, as one JSON object a line.
    JournalJson,
    /// The same as CSV with a header.
    JournalCsv,
    /// Zeek conn.log, tab-separated.
    ZeekTsv,
    /// Zeek conn.log, one JSON object a line.
    ZeekJson,
    /// Sysmon events as JSON lines, from NXLog or Winlogbeat.
    SysmonJson,
    /// A Windows event log file with Sysmon events.
    Evtx,
    /// osquery's result log: differential, batch or snapshot lines of socket_events rows.
    OsqueryLog,
    /// Linux's audit.log, or what ausearch makes of it.
    AuditLog,
    /// Windows events as JSON lines, of which the first is not Sysmon's.
    WindowsJson,
    /// Windows events as XML.
    WindowsXml,
    /// Windows events as XML in a column of a CSV file.
    WindowsXmlCsv,
    /// Records of another product, or of a mapping that the user gave, as one JSON object a line.
    RecordsJson(&'static Layout),
    /// The same as CSV with a header.
    RecordsCsv(&'static Layout),
    /// The same within the one JSON object that an API answered.
    Answer(&'static Layout),
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
    /// Linux's audit records.
    Audit,
    /// Records whose fields a mapping of the user's names.
    Mapped(&'static Layout),
}

impl Format {
    /// The format within `family` of a journal that starts with `head`.
    pub(super) fn within(family: Family, head: &[u8]) -> Format {
        let is_json = head.trim_ascii_start().first() == Some(&b'{');
        match family {
            Family::Journal if is_json => Format::JournalJson,
            Family::Journal => Format::JournalCsv,
            Family::Zeek if is_json => Format::ZeekJson,
            Family::Zeek => Format::ZeekTsv,
            Family::Sysmon if head.starts_with(EVTX_MAGIC) => Format::Evtx,
            Family::Sysmon if is_json => Format::SysmonJson,
            Family::Sysmon => {
                let text = String::from_utf8_lossy(head);
                Format::of_event_xml(text.lines().next().unwrap_or_default())
            }
            Family::Osquery => Format::OsqueryLog,
            Family::Audit => Format::AuditLog,
            Family::Mapped(layout) if is_json && answer::has_fields_of(layout, head) => {
                Format::Answer(layout)
            }
            Family::Mapped(layout) if is_json => Format::RecordsJson(layout),
            Family::Mapped(layout) => Format::RecordsCsv(layout),
        }
    }

    /// A short name, for `beacon_status`.
    pub fn source_name(self) -> &'static str {
        match self {
            Format::JournalJson | Format::JournalCsv => "journal",
            Format::ZeekTsv | Format::ZeekJson => "zeek",
            Format::SysmonJson | Format::Evtx => "sysmon",
            Format::OsqueryLog => "osquery_log",
            Format::AuditLog => "audit_log",
            Format::WindowsJson | Format::WindowsXml | Format::WindowsXmlCsv => "windows_events",
            Format::RecordsJson(layout) | Format::RecordsCsv(layout) | Format::Answer(layout) => {
                layout.source_name()
            }
        }
    }

    /// The format of a journal that starts with `head`; else what it looks like instead, as the
    /// hint of [`super::ReadError::UnknownFormat`].
    pub(super) fn detect(head: &[u8]) -> Result<Format, String> {
        if head.starts_with(EVTX_MAGIC) {
            return Ok(Format::Evtx);
        }
        let text = String::from_utf8_lossy(head);
        let Some(first) = text.lines().find(|line| !line.trim().is_empty()) else {
            return Err(" (it is empty)".to_owned());
        };
        if audit_log::is_audit_log(&text) {
            return Ok(Format::AuditLog);
        }
        if first.starts_with('#') {
            return Format::of_zeek_header(&text);
        }
        if first.trim_start().starts_with('[') {
            return Err(" (it is a JSON array: make it one object a line, for example with \
                        jq -c '.[]')"
                .to_owned());
        }
        if !first.trim_start().starts_with('{') {
            if are_column_names(first.split(',')) {
                return Ok(Format::JournalCsv);
            }
            let names = first.split(',').map(|name| name.trim().trim_matches('"'));
            return match records::layout_of_header(names) {
                Some(layout) => Ok(Format::RecordsCsv(layout)),
                None if is_event_xml(&text) => Ok(Format::of_event_xml(first)),
                None => Err(String::new()),
            };
        }
        let format = text.lines().find_map(Format::of_json_line);
        let format = format.or_else(|| answer::layout_in(head).map(Format::Answer));
        format.ok_or_else(|| " (it is JSON, but no line has the fields of a connection)".to_owned())
    }

    /// Of a text with events as XML that starts with this line.
    fn of_event_xml(first: &str) -> Format {
        let in_csv = first.split(',').any(windows_event::is_xml_column);
        if in_csv { Format::WindowsXmlCsv } else { Format::WindowsXml }
    }

    fn of_zeek_header(text: &str) -> Result<Format, String> {
        match zeek::log_path(text) {
            Some(path) if path == "conn" => Ok(Format::ZeekTsv),
            Some(other) => Err(format!(" (it is Zeek's {other}.log: give conn.log)")),
            None => Err(String::new()),
        }
    }

    fn of_json_line(line: &str) -> Option<Format> {
        let Names(names) = serde_json::from_str(line).ok()?;
        if zeek::is_conn_record(&names) {
            Some(Format::ZeekJson)
        } else if osquery_log::is_result(&names) {
            Some(Format::OsqueryLog)
        } else if are_column_names(names.iter().map(String::as_str)) {
            Some(Format::JournalJson)
        } else {
            let object: Value = serde_json::from_str(line).ok()?;
            if Event::of(&object).is_some() {
                Some(Format::SysmonJson)
            } else if windows_event::is_known(&object) {
                Some(Format::WindowsJson)
            } else {
                records::layout_of(&object).map(Format::RecordsJson)
            }
        }
    }
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
            Format::AuditLog => "Linux audit log",
            Format::WindowsJson => "Windows events JSON",
            Format::WindowsXml => "Windows events XML",
            Format::WindowsXmlCsv => "Windows events XML in CSV",
            Format::RecordsJson(layout) | Format::RecordsCsv(layout) | Format::Answer(layout) => {
                layout.name()
            }
        })
    }
}
