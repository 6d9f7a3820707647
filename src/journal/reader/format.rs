//! The formats that journals come in; which one a journal is in, `start` tells.

use std::fmt;

use super::{records, windows_event};
use crate::journal::records::Layout;
use crate::journal::row::are_column_names;

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
    /// Linux's audit.log, or what ausearch makes of it.
    AuditLog,
    /// Windows events as JSON objects, of which the first is not Sysmon's.
    WindowsJson,
    /// Windows events as XML.
    WindowsXml,
    /// Windows events as XML in a column of a CSV file.
    WindowsXmlCsv,
    /// Records of another product, or of a mapping that the user gave, as JSON objects.
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

impl Family {
    /// What JSON objects are that do not tell.
    pub(super) fn of_json(self) -> Format {
        match self {
            Family::Journal => Format::JournalJson,
            Family::Zeek => Format::ZeekJson,
            Family::Sysmon => Format::SysmonJson,
            Family::Osquery => Format::OsqueryLog,
            Family::Audit => Format::AuditLog,
            Family::Mapped(layout) => Format::RecordsJson(layout),
        }
    }

    pub(super) fn includes(self, format: Format) -> bool {
        match format {
            Format::JournalJson | Format::JournalCsv => self == Family::Journal,
            Format::ZeekTsv | Format::ZeekJson => self == Family::Zeek,
            Format::SysmonJson
            | Format::Evtx
            | Format::WindowsJson
            | Format::WindowsXml
            | Format::WindowsXmlCsv => self == Family::Sysmon,
            Format::OsqueryLog => self == Family::Osquery,
            Format::AuditLog => self == Family::Audit,
            Format::RecordsJson(layout) | Format::RecordsCsv(layout) | Format::Answer(layout) => {
                self == Family::Mapped(layout)
                    || self == Family::Osquery && layout.source_name() == "osquery_rows"
            }
        }
    }
}

impl Format {
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

    /// Whether rows have something in common that one alone does not tell: how times are written.
    pub(super) fn has_habits(self) -> bool {
        matches!(
            self,
            Format::JournalJson | Format::JournalCsv | Format::ZeekTsv | Format::ZeekJson
        )
    }

    /// Whether these are the names in the header of such a CSV file.
    pub(super) fn has_columns(self, names: &[&str]) -> bool {
        match self {
            Format::RecordsCsv(layout) => records::are_columns_of(layout, names),
            Format::WindowsXmlCsv => names.iter().any(|name| windows_event::is_xml_column(name)),
            _ => are_column_names(names.iter().copied()),
        }
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
