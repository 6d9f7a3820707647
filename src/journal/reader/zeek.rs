//! Zeek's conn.log, tab-separated or JSON (<https://docs.zeek.org/en/master/logs/conn.html>).
//!
//! Every conn_state counts: a C2 that is down is still called. Skipped are ICMP, what came from
//! outside, and rows of Zeek's other logs, whatever file they stand in.

use std::borrow::Cow;

use serde::Deserialize;

use super::separators;
use crate::journal::address::Destination;
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::{Field, FieldError};
use crate::journal::{ConnectionEvent, Process, Protocol, normalise, record_id};

/// What rows are that stand in the same file.
pub(super) const OF_ANOTHER_LOG: &str = "of another log of Zeek's";

/// Whether a log of this name is conn.log or one of its kind: `conn_red`, `conn_long`, `open_conn`.
fn is_conn(log: &str) -> bool {
    log.split(['_', '-', '.']).any(|word| word.eq_ignore_ascii_case("conn"))
}

/// Whether a field is one that no log of Zeek's has but conn.log: it says what became of the
/// connection.
fn is_of_conn_alone(field: &str) -> bool {
    matches!(field, "conn_state" | "orig_ip_bytes" | "orig_pkts")
}

/// The fields of a row that we read. Some shippers write `_` for the dots, which upset databases.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "an object")]
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
    local_resp: Field<'a>,
    #[serde(borrow)]
    orig_ip_bytes: Field<'a>,
    #[serde(borrow)]
    resp_ip_bytes: Field<'a>,
    #[serde(borrow)]
    orig_pkts: Field<'a>,
    #[serde(borrow)]
    conn_state: Field<'a>,
    /// The log that a row is of, where several share a stream.
    #[serde(borrow, rename = "_path")]
    path: Field<'a>,
    #[serde(borrow, rename = "@stream")]
    stream: Field<'a>,
}

/// Where a field of a tab-separated row goes; a function for each name, looked up once a header.
type Place = for<'c, 'a> fn(&'c mut Connection<'a>) -> &'c mut Field<'a>;

fn place_of(name: &str) -> Option<Place> {
    Some(match name {
        "ts" => |connection| &mut connection.ts,
        "uid" => |connection| &mut connection.uid,
        "id.orig_h" | "id_orig_h" => |connection| &mut connection.originator,
        "id.resp_h" | "id_resp_h" => |connection| &mut connection.responder,
        "id.resp_p" | "id_resp_p" => |connection| &mut connection.responder_port,
        "proto" => |connection| &mut connection.proto,
        "local_orig" => |connection| &mut connection.local_orig,
        "local_resp" => |connection| &mut connection.local_resp,
        "orig_ip_bytes" => |connection| &mut connection.orig_ip_bytes,
        "resp_ip_bytes" => |connection| &mut connection.resp_ip_bytes,
        _ => return None,
    })
}

impl<'a> Connection<'a> {
    fn deliver<S: JournalSink>(&self, to: &mut Delivery<'_, S>) -> Result<(), S::Error> {
        let protocol = self.proto.text();
        if protocol == "icmp" {
            to.skip("ICMP");
            return Ok(());
        }
        let is = |field: &Field<'_>, short: &str, long: &str| matches!(field, Field::Text(text) if text == short || text == long);
        if is(&self.local_orig, "F", "false") {
            let is_inbound = is(&self.local_resp, "T", "true");
            if is_inbound && !to.is_local(&self.originator.text()) {
                to.skip("originated outside (local_orig=F)");
                return Ok(());
            }
            // Zeek does not know the sensor's networks, or the rows are of others' networks.
            to.doubt(match is_inbound {
                true => "from private addresses, which Zeek's Site::local_nets does not name",
                false => "with neither end in Zeek's Site::local_nets",
            });
        }
        let time_ms = self.ts.time_spelled("ts", to.times());
        let outcome = time_ms.and_then(|time_ms| {
            let time_ms = time_ms.ok_or(FieldError::Missing("ts"))?;
            self.with_event(time_ms, &protocol, |event| to.connection(event))
        });
        to.settle(outcome)
    }

    fn with_event<T>(
        &self,
        time_ms: i64,
        protocol: &str,
        take: impl FnOnce(&ConnectionEvent<'_>) -> T,
    ) -> Result<T, FieldError> {
        let (originator, responder) = (self.originator.text(), self.responder.text());
        if responder.is_empty() {
            return Err(FieldError::Missing("id.resp_h"));
        }
        let destination = Destination::of(&responder).filter(|found| found.port.is_none());
        let Some(destination) = destination else {
            let value = responder.into_owned();
            return Err(FieldError::Destination { column: "id.resp_h", value });
        };
        let port = self.responder_port.count("id.resp_p", u16::MAX.into())?;
        let uid = self.uid.text();
        Ok(take(&ConnectionEvent {
            time_ms,
            host: &normalise(&originator),
            process: Process::default(),
            destination: &destination.address,
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
/// fields too.
pub(super) fn is_conn_record(fields: &[String]) -> bool {
    has_ends(fields) && fields.iter().any(|field| is_of_conn_alone(field))
}

/// Whether fields tell when what connected to where.
fn has_ends(fields: &[String]) -> bool {
    let has = |name: &&str| fields.iter().any(|field| field == name);
    ["id.resp_h", "id_resp_h"].iter().any(has) && ["ts", "proto"].iter().all(has)
}

/// One JSON object, or why it is none.
pub(super) fn read_object<S: JournalSink>(
    object: &str,
    to: &mut Delivery<'_, S>,
) -> Result<serde_json::Result<()>, S::Error> {
    let connection = match serde_json::from_str::<Connection<'_>>(object) {
        Ok(connection) => connection,
        Err(problem) => return Ok(Err(problem)),
    };
    let says_more = [&connection.conn_state, &connection.orig_ip_bytes, &connection.orig_pkts];
    if says_more.into_iter().all(Field::is_empty)
        && ![&connection.path, &connection.stream].iter().any(|log| is_conn(&log.text()))
    {
        to.skip(OF_ANOTHER_LOG);
        return Ok(Ok(()));
    }
    connection.deliver(to).map(Ok)
}

/// Whether a tab-separated log of Zeek's starts so: with its header lines, perhaps behind a line
/// that was cut, or with the names of its fields alone.
pub(super) fn is_tsv(head: &str) -> bool {
    let is_header = |line: &str| {
        ["#separator", "#fields", "#path"].iter().any(|name| line.trim_start().starts_with(name))
    };
    let mut lines = head.lines().filter(|line| !line.trim().is_empty());
    head.lines().any(is_header) || lines.next().is_some_and(|line| bare_fields(line).is_some())
}

/// The names in a header line of which the writer left out the rest, if this is one.
fn bare_fields(line: &str) -> Option<Vec<String>> {
    let fields: Vec<_> = line.trim_start_matches(' ').split('\t').map(str::to_owned).collect();
    (has_ends(&fields) && fields.len() > 1).then_some(fields)
}

/// The state of a tab-separated log: what its header lines said, which may come anew mid-file
/// where logs were concatenated.
pub(super) struct Tsv {
    separator: String,
    unset_field: String,
    empty_field: String,
    path: Option<String>,
    is_conn: bool,
    /// The names of the fields.
    fields: Vec<String>,
    /// Those of them that we read, and where each goes.
    places: Vec<(usize, Place)>,
    /// Where each value of the last line ends.
    ends: Vec<usize>,
    /// The first log that is not conn.log.
    other_log: Option<String>,
    has_met_conn: bool,
}

impl Default for Tsv {
    fn default() -> Self {
        Tsv {
            separator: "\t".to_owned(),
            unset_field: "-".to_owned(),
            empty_field: "(empty)".to_owned(),
            path: None,
            is_conn: true,
            fields: Vec::new(),
            places: Vec::new(),
            ends: Vec::new(),
            other_log: None,
            has_met_conn: false,
        }
    }
}

impl Tsv {
    /// The log that this is in place of conn.log.
    pub(super) fn other_log(&self) -> Option<&str> {
        self.other_log.as_deref().filter(|_| !self.has_met_conn)
    }

    pub(super) fn read_line<S: JournalSink>(
        &mut self,
        line: &str,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        if let Some(header) = line.trim_ascii_start().strip_prefix('#') {
            self.read_header(header);
            return Ok(());
        }
        if self.fields.is_empty() {
            match bare_fields(line) {
                Some(fields) => self.set_fields(fields),
                None => to.reject("comes before the #fields line"),
            }
            return Ok(());
        }
        if !self.is_conn {
            to.skip(OF_ANOTHER_LOG);
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
                let fields = values.map(str::to_owned).collect();
                self.set_fields(fields);
            }
            _ => {}
        }
    }

    fn set_fields(&mut self, fields: Vec<String>) {
        self.fields = fields;
        let places = self.fields.iter().map(|name| place_of(name)).enumerate();
        self.places = places.filter_map(|(field, place)| Some((field, place?))).collect();
        // Without a name, the ends of a connection are enough.
        self.is_conn = match &self.path {
            Some(path) => is_conn(path) || self.fields.iter().any(|field| is_of_conn_alone(field)),
            None => true,
        };
        self.has_met_conn |= self.is_conn;
        if !self.is_conn && self.other_log.is_none() {
            self.other_log.clone_from(&self.path);
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
    fn the_start_tells_a_tab_separated_log() {
        for head in [
            "#separator \\x09\n",
            "\n\t#separator \\x09\n#path\tconn\n",
            "0\tCab\t10.0.0.5\n#fields\tts\n",
            "ts\tid.orig_h\tid.resp_h\tproto\n",
        ] {
            assert!(is_tsv(head), "{head}");
        }
        for head in ["# a comment\n", "time\tdestination\n", "ts,id.resp_h,proto\n", ""] {
            assert!(!is_tsv(head), "{head}");
        }
        assert!(["conn", "conn_red", "conn-long", "open_conn"].into_iter().all(is_conn));
        assert!(!["dns", "connection", ""].into_iter().any(is_conn));
    }
}
