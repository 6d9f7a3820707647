//! Zeek's conn.log, tab-separated or JSON (<https://docs.zeek.org/en/master/logs/conn.html>).
//!
//! Every conn_state counts: a C2 that is down is still called. Only rows that the host did not
//! originate, and ICMP, are skipped.

use std::borrow::Cow;

use serde::Deserialize;

use super::separators;
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::{Field, FieldError};
use crate::journal::{ConnectionEvent, Process, Protocol, normalise, record_id};

/// Zeek's name of the log.
const CONN: &str = "conn";

/// The fields of a row that we read. Some shippers write `_` for the dots, which upset databases.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Connection<'a> {
    #[serde(borrow)]
    ts: Field<'a>,
    #[serde(borrow)]
    uid: Field<'a>,
    #[serde(borrow, rename = "id.orig_h", alias = "id_orig_h")]
    originator: Field<'a>,
    #[serde(borrow, rename = "id.resp_h", alias = "id_resp_h")]
    responder: Field<'a>,
    #[serde(borrow, rename = "id.resp_p", alias = "id_resp_p")]
    responder_port: Field<'a>,
    #[serde(borrow)]
    proto: Field<'a>,
    #[serde(borrow)]
    local_orig: Field<'a>,
    #[serde(borrow)]
    orig_ip_bytes: Field<'a>,
    #[serde(borrow)]
    resp_ip_bytes: Field<'a>,
    /// The log that a row is of, where several share a stream.
    #[serde(borrow, rename = "_path")]
    log: Field<'a>,
}

/// Where a field of a tab-separated row goes; a function for each name, looked up once a header.
type Place = for<'c, 'a> fn(&'c mut Connection<'a>) -> &'c mut Field<'a>;

fn place_of(name: &str) -> Option<Place> {
    Some(match name {
        "ts" => |connection| &mut connection.ts,
        "uid" => |connection| &mut connection.uid,
        "id.orig_h" => |connection| &mut connection.originator,
        "id.resp_h" => |connection| &mut connection.responder,
        "id.resp_p" => |connection| &mut connection.responder_port,
        "proto" => |connection| &mut connection.proto,
        "local_orig" => |connection| &mut connection.local_orig,
        "orig_ip_bytes" => |connection| &mut connection.orig_ip_bytes,
        "resp_ip_bytes" => |connection| &mut connection.resp_ip_bytes,
        _ => return None,
    })
}

impl<'a> Connection<'a> {
    fn deliver<S: JournalSink>(&self, to: &mut Delivery<'_, S>) -> Result<(), S::Error> {
        if !matches!(&*self.log.text(), "" | CONN) {
            to.skip("of another log of Zeek's");
            return Ok(());
        }
        let protocol = self.proto.text();
        if protocol == "icmp" {
            to.skip("ICMP");
            return Ok(());
        }
        if matches!(&*self.local_orig.text(), "F" | "false") {
            to.skip("originated outside (local_orig=F)");
            return Ok(());
        }
        let outcome = self.with_event(&protocol, |event| to.connection(event));
        to.settle(outcome)
    }

    fn with_event<T>(
        &self,
        protocol: &str,
        take: impl FnOnce(&ConnectionEvent<'_>) -> T,
    ) -> Result<T, FieldError> {
        let time_ms = self.ts.time_ms("ts")?.ok_or(FieldError::Missing("ts"))?;
        let (originator, responder) = (self.originator.text(), self.responder.text());
        if responder.is_empty() {
            return Err(FieldError::Missing("id.resp_h"));
        }
        let port = self.responder_port.count("id.resp_p", u16::MAX.into())?;
        let uid = self.uid.text();
        Ok(take(&ConnectionEvent {
            time_ms,
            host: &normalise(&originator),
            process: Process::default(),
            destination: &normalise(&responder),
            port: port.ok_or(FieldError::Missing("id.resp_p"))? as u16,
            protocol: Protocol::from_journal(protocol),
            domain: "",
            bytes_sent: self.orig_ip_bytes.count("orig_ip_bytes", u64::MAX)?,
            bytes_received: self.resp_ip_bytes.count("resp_ip_bytes", u64::MAX)?,
            record_id: (!uid.is_empty()).then(|| record_id(uid.as_bytes())),
        }))
    }
}

/// Whether a JSON object with these fields is a row of conn.log: other logs have the address
/// fields too, but only this one says what became of the connection.
pub(super) fn is_conn_record(fields: &[String]) -> bool {
    let has = |name: &&str| fields.iter().any(|field| field == name);
    ["id.resp_h", "id_resp_h"].iter().any(has)
        && ["ts", "proto"].iter().all(has)
        && ["conn_state", "orig_ip_bytes", "orig_pkts"].iter().any(has)
}

/// One line of JSON.
pub(super) fn read_json_line<S: JournalSink>(
    line: &str,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    match serde_json::from_str::<Connection<'_>>(line) {
        Ok(connection) => connection.deliver(to),
        Err(problem) => {
            to.reject_json("a row of conn.log", &problem);
            Ok(())
        }
    }
}

/// The name of the log that the header lines at the start of a tab-separated one announce; "conn"
/// where they name none but conn.log's fields.
pub(super) fn log_path(head: &str) -> Option<String> {
    let mut log = Tsv::default();
    for header in head.lines().map_while(|line| line.strip_prefix('#')) {
        log.read_header(header);
    }
    let has = |name: &str| log.fields.iter().any(|field| field == name);
    match log.path {
        Some(path) => Some(path),
        None => (has("id.resp_h") && has("proto")).then(|| CONN.to_owned()),
    }
}

/// The state of a tab-separated log: what its header lines said, which may come anew mid-file
/// where logs were concatenated.
pub(super) struct Tsv {
    separator: String,
    unset_field: String,
    empty_field: String,
    path: Option<String>,
    /// The names of the fields.
    fields: Vec<String>,
    /// Those of them that we read, and where each goes.
    places: Vec<(usize, Place)>,
    /// Where each value of the last line ends.
    ends: Vec<usize>,
}

impl Default for Tsv {
    fn default() -> Self {
        Tsv {
            separator: "\t".to_owned(),
            unset_field: "-".to_owned(),
            empty_field: "(empty)".to_owned(),
            path: None,
            fields: Vec::new(),
            places: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl Tsv {
    pub(super) fn read_line<S: JournalSink>(
        &mut self,
        line: &str,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        if let Some(header) = line.strip_prefix('#') {
            self.read_header(header);
            return Ok(());
        }
        if self.path.as_deref().is_some_and(|path| path != CONN) {
            to.skip("of another log of Zeek's");
            return Ok(());
        }
        if self.fields.is_empty() {
            to.reject("comes before the #fields line");
            return Ok(());
        }
        match self.separator.as_bytes() {
            [byte] if byte.is_ascii() => separators::find(line, *byte, &mut self.ends),
            _ => {
                let separators = line.match_indices(self.separator.as_str());
                self.ends.clear();
                self.ends.extend(separators.map(|(at, _)| at));
            }
        }
        self.ends.push(line.len());
        if self.ends.len() != self.fields.len() {
            let (values, fields) = (self.ends.len(), self.fields.len());
            to.reject(format_args!("has {values} fields where #fields names {fields}"));
            return Ok(());
        }
        let mut connection = Connection::default();
        for (field, place) in &self.places {
            let from =
                field.checked_sub(1).map_or(0, |before| self.ends[before] + self.separator.len());
            let value = &line[from..self.ends[*field]];
            if value != self.unset_field && value != self.empty_field {
                *place(&mut connection) = Field::Text(Cow::Borrowed(value));
            }
        }
        connection.deliver(to)
    }

    fn read_header(&mut self, header: &str) {
        if let Some(separator) = header.strip_prefix("separator ") {
            self.separator = unescape(separator);
            return;
        }
        let mut values = header.trim_end().split(self.separator.as_str());
        match values.next() {
            Some("unset_field") => self.unset_field = values.next().unwrap_or("-").to_owned(),
            Some("empty_field") => self.empty_field = values.next().unwrap_or_default().to_owned(),
            Some("path") => self.path = values.next().map(|path| path.trim().to_owned()),
            Some("fields") => {
                self.fields = values.map(str::to_owned).collect();
                let places = self.fields.iter().map(|name| place_of(name)).enumerate();
                self.places = places.filter_map(|(field, place)| Some((field, place?))).collect();
            }
            _ => {}
        }
    }
}

/// Zeek writes the separator's bytes as `\x09`.
fn unescape(text: &str) -> String {
    let mut unescaped = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        unescaped.push_str(before);
        match after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if byte.is_ascii() => {
                unescaped.push(byte.into());
                rest = &after[2..];
            }
            _ => {
                unescaped.push_str("\\x");
                rest = after;
            }
        }
    }
    unescaped.push_str(rest);
    unescaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_unescaped() {
        assert_eq!(unescape("\\x09"), "\t");
        assert_eq!(unescape("|\\x7c,"), "||,");
        assert_eq!(unescape("\\xzz"), "\\xzz");
    }

    #[test]
    fn the_header_tells_the_log() {
        assert_eq!(log_path("#separator \\x7c\n#path|dns\n").as_deref(), Some("dns"));
        assert_eq!(log_path("#fields\tts\tid.resp_h\tproto\n").as_deref(), Some("conn"));
        assert_eq!(log_path("# a comment\n"), None);
    }
}
