//! A row of our own journal, whether it comes from a file or from a query: its columns, in any
//! order, and the connection that they describe.
//!
//! The columns are described in docs/journal-formats.md; the Sophos spellings are in `sophos`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::delivery::{Delivery, JournalSink};
use super::field::{Field, FieldError};
use super::sophos;
use super::{ConnectionEvent, FileTime, Process, Protocol, SophosPid, normalise, record_id};

/// A column of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub(super) enum Column {
    Time,
    SophosPid,
    Pid,
    ProcessStartTime,
    Pathname,
    Destination,
    DestinationPort,
    Host,
    Protocol,
    Domain,
    Cmdline,
    BytesSent,
    BytesReceived,
    /// Only in Sophos exports.
    Subject,
    /// The record's own id; only in other products' records.
    RecordId,
}

const COLUMNS: usize = Column::RecordId as usize + 1;

impl Column {
    /// The column of this name; case and underscores do not matter.
    pub(super) fn named(name: &str) -> Option<Column> {
        Column::spelled(name).or_else(|| Column::folded(name))
    }

    fn folded(name: &str) -> Option<Column> {
        let mut folded = [0; 20]; // no name of ours is longer
        let mut length = 0;
        for byte in name.trim().bytes().filter(|byte| *byte != b'_') {
            *folded.get_mut(length)? = byte.to_ascii_lowercase();
            length += 1;
        }
        let folded = std::str::from_utf8(folded.get(..length)?).ok()?;
        Column::spelled(folded).or_else(|| sophos::column(folded))
    }

    /// The column of this name as the documentation spells it, or without capitals and underscores.
    fn spelled(name: &str) -> Option<Column> {
        Some(match name {
            "time" => Column::Time,
            "sophosPID" | "sophospid" => Column::SophosPid,
            "pid" => Column::Pid,
            "process_start_time" | "processstarttime" => Column::ProcessStartTime,
            "pathname" => Column::Pathname,
            "destination" => Column::Destination,
            "destinationport" => Column::DestinationPort,
            "host" => Column::Host,
            "protocol" => Column::Protocol,
            "domain" => Column::Domain,
            "cmdline" => Column::Cmdline,
            "bytes_sent" | "bytessent" => Column::BytesSent,
            "bytes_received" | "bytesreceived" => Column::BytesReceived,
            _ => return None,
        })
    }
}

/// Whether rows with these columns are connections.
pub(super) fn are_column_names<'n>(names: impl Iterator<Item = &'n str>) -> bool {
    missing_column_of(names).is_none()
}

/// A column that rows of connections need and that is not among these names.
pub(super) fn missing_column_of<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'static str> {
    let columns: Vec<_> = names.filter_map(|name| Column::named(name.trim_matches('"'))).collect();
    missing_column(&columns)
}

/// The columns that rows of connections need.
pub(super) const NEEDED: [(Column, &str); 3] = [
    (Column::Time, "time"),
    (Column::Destination, "destination"),
    (Column::DestinationPort, "destinationport"),
];

/// A column that rows of connections need and these lack.
pub(super) fn missing_column(columns: &[Column]) -> Option<&'static str> {
    NEEDED.into_iter().find(|(column, _)| !columns.contains(column)).map(|(_, name)| name)
}

/// The columns of one row.
#[derive(Default)]
pub(super) struct Row<'a>([Field<'a>; COLUMNS]);

impl<'a> Row<'a> {
    /// Where two names stand for one column, the first value counts.
    pub(super) fn set(&mut self, column: Column, value: Field<'a>) {
        let field = &mut self.0[column as usize];
        if field.is_empty() {
            *field = value;
        }
    }

    /// The value of a column, which is empty then.
    pub(super) fn take(&mut self, column: Column) -> Field<'a> {
        std::mem::take(&mut self.0[column as usize])
    }

    /// Reads the columns of a JSON object.
    pub(super) fn read_json(&mut self, object: &'a str) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_str(object);
        deserializer.deserialize_map(RowVisitor(self))?;
        deserializer.end()
    }

    /// The row of a query's answer.
    pub(super) fn from_columns(columns: &'a BTreeMap<String, String>) -> Row<'a> {
        let mut row = Row::default();
        for (name, value) in columns {
            if let Some(column) = Column::named(name) {
                row.set(column, Field::Text(value.as_str().into()));
            }
        }
        row
    }

    fn get(&self, column: Column) -> &Field<'a> {
        &self.0[column as usize]
    }

    pub(super) fn deliver<S: JournalSink>(&self, to: &mut Delivery<'_, S>) -> Result<(), S::Error> {
        if !sophos::is_connection(&self.get(Column::Subject).text()) {
            to.skip("not a connection");
            return Ok(());
        }
        let outcome = self.with_event(|event| to.connection(event));
        to.settle(outcome)
    }

    fn with_event<T>(&self, take: impl FnOnce(&ConnectionEvent<'_>) -> T) -> Result<T, FieldError> {
        let time_ms = self.get(Column::Time).time_ms("time")?.ok_or(FieldError::Missing("time"))?;
        let destination = self.get(Column::Destination).text();
        let destination = normalise(&destination);
        if destination.is_empty() {
            return Err(FieldError::Missing("destination"));
        }
        let port = self.get(Column::DestinationPort).count("destinationport", u16::MAX.into())?;
        let (pid, start) = self.process_instance()?;
        let (pathname, cmdline) =
            (self.get(Column::Pathname).text(), self.get(Column::Cmdline).text());
        let (host, domain) = (self.get(Column::Host).text(), self.get(Column::Domain).text());
        Ok(take(&ConnectionEvent {
            time_ms,
            host: host.trim(),
            process: Process { pathname: pathname.trim(), pid, start, cmdline: &cmdline },
            destination: &destination,
            port: port.ok_or(FieldError::Missing("destinationport"))? as u16,
            protocol: Protocol::from_journal(&self.get(Column::Protocol).text()),
            domain: domain.trim(),
            bytes_sent: self.get(Column::BytesSent).count("bytes_sent", u64::MAX)?,
            bytes_received: self.get(Column::BytesReceived).count("bytes_received", u64::MAX)?,
            record_id: self.record_id(),
        }))
    }

    /// Hands the row's process to `take`, whatever else the row tells.
    pub(super) fn with_process<T>(
        &self,
        take: impl FnOnce(Process<'_>) -> T,
    ) -> Result<T, FieldError> {
        let (pid, start) = self.process_instance()?;
        let (pathname, cmdline) =
            (self.get(Column::Pathname).text(), self.get(Column::Cmdline).text());
        Ok(take(Process { pathname: pathname.trim(), pid, start, cmdline: &cmdline }))
    }

    fn record_id(&self) -> Option<u32> {
        let id = self.get(Column::RecordId).text();
        (!id.is_empty()).then(|| record_id(id.as_bytes()))
    }

    /// The SophosPID as it stands there; '' if absent.
    pub(super) fn sophos_pid_text(&self) -> Cow<'_, str> {
        self.get(Column::SophosPid).text()
    }

    /// From sophosPID; what it does not tell, from pid and process_start_time.
    fn process_instance(&self) -> Result<(Option<u32>, Option<FileTime>), FieldError> {
        let start = self.get(Column::ProcessStartTime).process_start();
        let sophos_pid = self.get(Column::SophosPid);
        if sophos_pid.is_empty() {
            return Ok((self.get(Column::Pid).pid()?, start?));
        }
        let sophos_pid: SophosPid = sophos_pid.text().parse()?;
        Ok((Some(sophos_pid.pid), sophos_pid.start.or(start?)))
    }
}

/// Reads an object into a row where that is: to move one costs as much as to read a column.
struct RowVisitor<'r, 'de>(&'r mut Row<'de>);

impl<'de> Visitor<'de> for RowVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(column)) = map.next_key()? {
            match column {
                Some(column) => self.0.set(column, map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A key, turned into its column without keeping the text.
struct Name(Option<Column>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Name(Column::named(name)))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}
