//! From the values of a record to the connection, or the process start, that it tells of.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer};

use super::layout::Layout;
use super::paths::{Pick, Slot, Values};
use super::time_format::read_time;
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::Field;
use crate::journal::row::{Column, Row};
use crate::journal::{ProcessEvent, Scope, normalise};

impl Layout {
    /// The values of an object.
    pub(in crate::journal) fn values<'de, D: Deserializer<'de>>(
        &self,
        object: D,
    ) -> Result<Values<'de>, D::Error> {
        let mut values = Values::default();
        Pick::new(&self.paths, &mut values).deserialize(object)?;
        Ok(values)
    }

    /// The slot of a CSV journal's column; `None` if nobody asks for it.
    pub(in crate::journal) fn slot(&self, column: &str) -> Option<Slot> {
        self.paths.find(column)
    }

    /// Hands over what a record tells.
    pub(in crate::journal) fn deliver<S: JournalSink>(
        &'static self,
        values: &Values<'_>,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        if !self.processes.is_empty() && self.processes.iter().all(|each| each.holds(values)) {
            return self.deliver_process(values, to);
        }
        if let Some(condition) = self.connections.iter().find(|each| !each.holds(values)) {
            to.skip(&condition.otherwise);
            return Ok(());
        }
        if self.is_from_outside(values) {
            to.skip("inbound (from a public address to a private one)");
            return Ok(());
        }
        if let Some(empty) = self.lacks(|field| first(values, &[field]).is_some()) {
            to.reject(format_args!("has nothing in {empty}"));
            return Ok(());
        }
        match self.row(values) {
            Ok(row) => row.deliver(to),
            Err(problem) => {
                to.reject(problem);
                Ok(())
            }
        }
    }

    fn deliver_process<S: JournalSink>(
        &self,
        values: &Values<'_>,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        let host = self.first(values, Column::Host).map(Field::text).unwrap_or_default();
        match self.row(values) {
            Ok(mut row) => {
                let host = host.trim();
                // The event is when it started, unless it says otherwise.
                let time = row.take(Column::Time);
                row.set(Column::ProcessStartTime, time);
                let outcome =
                    row.with_process(|process| to.process(&ProcessEvent { host, process }));
                to.settle(outcome)
            }
            Err(problem) => {
                to.reject(problem);
                Ok(())
            }
        }
    }

    /// The first value of a column's fields.
    fn first<'v, 'a>(&self, values: &'v Values<'a>, column: Column) -> Option<&'v Field<'a>> {
        let (_, fields) = self.columns.iter().find(|(of, _)| *of == column)?;
        first(values, fields)
    }

    /// The values as a row of our own journal.
    fn row<'v>(&self, values: &'v Values<'_>) -> Result<Row<'v>, String> {
        let mut row = Row::default();
        for (column, fields) in &self.columns {
            let fields = self.fields_of(*column, fields, values);
            if let Some(value) = first(values, fields) {
                row.set(*column, self.converted(*column, value, values)?);
            }
        }
        Ok(row)
    }

    /// Those of a column: a sensor's records are not the sensor's connections.
    fn fields_of<'l>(
        &'l self,
        column: Column,
        fields: &'l [Slot],
        values: &Values<'_>,
    ) -> &'l [Slot] {
        let of_a_sensor = column == Column::Host
            && first(values, &self.host_without_process).is_some()
            && self.first(values, Column::Pathname).is_none()
            && self.first(values, Column::Pid).is_none();
        if of_a_sensor { &self.host_without_process } else { fields }
    }

    /// A value in the form that our own journal has.
    fn converted<'v>(
        &self,
        column: Column,
        value: &'v Field<'_>,
        values: &Values<'_>,
    ) -> Result<Field<'v>, String> {
        let text = value.text();
        Ok(match column {
            Column::Time => match read_time(&self.time_formats, value) {
                Some(time_ms) if time_ms >= 0 => seconds(time_ms),
                _ => return Err(self.not_a_time(&text)),
            },
            Column::ProcessStartTime => match read_time(&self.time_formats, value) {
                Some(time_ms) if time_ms > 0 => seconds(time_ms),
                Some(_) => Field::Absent, // what stands where the start is not known
                None => Field::Text(text),
            },
            Column::Pid => {
                match text.trim().strip_prefix("0x").map(|hex| u32::from_str_radix(hex, 16)) {
                    Some(Ok(pid)) => Field::Integer(pid.into()),
                    _ => Field::Text(text),
                }
            }
            Column::Pathname => match first(values, &self.file_name) {
                Some(file_name) => {
                    Field::Text(Cow::Owned(with_file_name(&text, &file_name.text())))
                }
                None => Field::Text(text),
            },
            // Carbon Black writes PROTO_TCP.
            Column::Protocol => match text.trim().strip_prefix("PROTO_") {
                Some(name) => Field::Text(Cow::Owned(name.to_owned())),
                None => Field::Text(text),
            },
            Column::Domain => Field::Text(Cow::Owned(host_name(&text))),
            _ => Field::Text(text),
        })
    }

    fn not_a_time(&self, text: &str) -> String {
        if self.time_formats.is_empty() {
            format!(
                "time '{text}' is neither unix seconds nor RFC 3339: --time-format says how to read it"
            )
        } else {
            format!("time '{text}' does not fit the time format")
        }
    }

    fn is_from_outside(&self, values: &Values<'_>) -> bool {
        let scope = |field: &Field<'_>| Scope::of(&normalise(&field.text()));
        let source = first(values, &self.source).map(scope);
        let destination = self.first(values, Column::Destination).map(scope);
        source == Some(Scope::Public) && destination == Some(Scope::Private)
    }
}

fn first<'v, 'a>(values: &'v Values<'a>, fields: &[Slot]) -> Option<&'v Field<'a>> {
    fields.iter().find_map(|field| values.of(*field).next())
}

fn seconds(time_ms: i64) -> Field<'static> {
    Field::Number(time_ms as f64 / 1000.0)
}

/// The path of a program that is known by this path, of it or of its folder, and this name.
fn with_file_name(path: &str, file_name: &str) -> String {
    let path = path.trim();
    let last = path.rsplit(['\\', '/']).next().unwrap_or_default();
    if path.is_empty() || last.eq_ignore_ascii_case(file_name.trim()) {
        return path.to_owned();
    }
    let separator = if path.contains('/') && !path.contains('\\') { '/' } else { '\\' };
    format!("{}{separator}{}", path.trim_end_matches(separator), file_name.trim())
}

/// The host in a URL, in a name with a port, in a name or in a list of names; '' if that is an
/// address.
fn host_name(text: &str) -> String {
    let text = text.trim();
    // Of a list of names as JSON text, the first.
    let text = text.strip_prefix("[\"").and_then(|list| list.split('"').next()).unwrap_or(text);
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.starts_with('[') || host.matches(':').count() > 1 {
        return String::new();
    }
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let host = normalise(host);
    match Scope::of(&host) {
        Scope::Name => host.into_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_a_folders() {
        for (path, file_name, expected) in [
            (r"c:\windows\system32\svchost.exe", "svchost.exe", r"c:\windows\system32\svchost.exe"),
            (r"C:\Windows\System32", "svchost.exe", r"C:\Windows\System32\svchost.exe"),
            (r"C:\", "a.exe", r"C:\a.exe"),
            ("/usr/bin/curl", "curl", "/usr/bin/curl"),
            ("/usr/bin", "curl", "/usr/bin/curl"),
            ("", "curl", ""),
        ] {
            assert_eq!(with_file_name(path, file_name), expected);
        }
    }

    #[test]
    fn a_url_names_a_host() {
        for (text, expected) in [
            ("https://C2.example.net:8443/a?b", "c2.example.net"),
            ("c2.example.net", "c2.example.net"),
            ("c2.example.net:443", "c2.example.net"),
            ("http://user:secret@c2.example.net/", "c2.example.net"),
            ("https://203.0.113.9/a", ""),
            ("203.0.113.9", ""),
            (r#"["c2.example.net","b.example"]"#, "c2.example.net"),
            ("http://[2001:db8::9]/", ""),
            ("2001:db8::9", ""),
            ("", ""),
        ] {
            assert_eq!(host_name(text), expected, "{text}");
        }
    }
}
