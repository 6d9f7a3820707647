//! osquery's own result log: `osqueryd.results.log` in event and batch format, and snapshots,
//! of queries that select from `socket_events` and `process_events`.
//!
//! Which query a line came from does not matter, only which columns its rows have
//! (<https://osquery.readthedocs.io/en/stable/deployment/logging/>).

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::delivery::{Delivery, JournalSink};
use super::field::{Field, FieldError};
use crate::journal::{
    ConnectionEvent, FileTime, Process, ProcessEvent, Protocol, normalise, record_id,
};

/// One line: a row that was added, a batch of them, or a snapshot.
#[derive(Deserialize)]
struct ResultLine<'a> {
    #[serde(borrow, default, rename = "hostIdentifier")]
    host: Field<'a>,
    #[serde(borrow, default)]
    action: Field<'a>,
    #[serde(borrow, default)]
    columns: Option<EventRow<'a>>,
    #[serde(borrow, default, deserialize_with = "rows")]
    snapshot: Vec<EventRow<'a>>,
    #[serde(borrow, default, rename = "diffResults")]
    batch: Batch<'a>,
}

#[derive(Default, Deserialize)]
struct Batch<'a> {
    #[serde(borrow, default, deserialize_with = "rows")]
    added: Vec<EventRow<'a>>,
}

/// Rows, or the "" that osquery writes where a batch has none.
fn rows<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EventRow<'a>>, D::Error> {
    struct RowsVisitor<'a>(PhantomData<EventRow<'a>>);

    impl<'de: 'a, 'a> Visitor<'de> for RowsVisitor<'a> {
        type Value = Vec<EventRow<'a>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("rows")
        }

        fn visit_str<E>(self, _nothing: &str) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }
    }

    deserializer.deserialize_any(RowsVisitor(PhantomData))
}

/// The columns of `socket_events` and `process_events` that we read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EventRow<'a> {
    #[serde(borrow)]
    time: Field<'a>,
    #[serde(borrow)]
    eid: Field<'a>,
    #[serde(borrow)]
    pid: Field<'a>,
    #[serde(borrow)]
    path: Field<'a>,
    #[serde(borrow)]
    cmdline: Option<Field<'a>>,
    #[serde(borrow)]
    action: Field<'a>,
    /// What `bpf_socket_events` has in place of an action.
    #[serde(borrow)]
    syscall: Field<'a>,
    #[serde(borrow)]
    status: Field<'a>,
    #[serde(borrow)]
    protocol: Field<'a>,
    #[serde(borrow)]
    remote_address: Option<Field<'a>>,
    #[serde(borrow)]
    remote_port: Field<'a>,
}

/// Whether a JSON object with these fields is a line of a result log.
pub(super) fn is_result(fields: &[String]) -> bool {
    let has = |name: &&str| fields.iter().any(|field| field == name);
    has(&"hostIdentifier") && ["columns", "snapshot", "diffResults"].iter().any(has)
}

/// One line of the log.
pub(super) fn read_line<S: JournalSink>(
    line: &str,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    let result: ResultLine<'_> = match serde_json::from_str(line) {
        Ok(result) => result,
        Err(problem) => {
            to.reject_json("a line of osquery's result log", &problem);
            return Ok(());
        }
    };
    if result.action.text() == "removed" {
        to.skip("removed rows");
        return Ok(());
    }
    let host = result.host.text();
    for row in result.columns.iter().chain(&result.snapshot).chain(&result.batch.added) {
        let outcome = if row.remote_address.is_some() {
            row.deliver_connection(&host, to)
        } else if row.cmdline.is_some() && !row.pid.is_empty() {
            row.deliver_process(&host, to)
        } else {
            to.skip("no rows of socket_events or process_events");
            Ok(Ok(()))
        };
        to.settle(outcome)?;
    }
    Ok(())
}

impl EventRow<'_> {
    fn deliver_connection<S: JournalSink>(
        &self,
        host: &str,
        to: &mut Delivery<'_, S>,
    ) -> Result<Result<(), S::Error>, FieldError> {
        let Some(time_ms) = self.time.time_ms("time")? else {
            // process_open_sockets, say: what is open each time it is asked is no connection made.
            to.skip("sockets without a time");
            return Ok(Ok(()));
        };
        let is_connect = |action: &Field<'_>| matches!(&*action.text(), "" | "connect");
        if !is_connect(&self.action) || !is_connect(&self.syscall) {
            to.skip("not a connect");
            return Ok(Ok(()));
        }
        if !matches!(&*self.status.text(), "" | "succeeded" | "in_progress") {
            to.skip("a connect that failed");
            return Ok(Ok(()));
        }
        let address = self.remote_address.as_ref().map(Field::text).unwrap_or_default();
        let destination = normalise(&address);
        if destination.is_empty() {
            to.skip("no remote address (not an IP socket)");
            return Ok(Ok(()));
        }
        let port = self.remote_port.count("remote_port", u16::MAX.into())?;
        let eid = self.eid.text();
        let cmdline = self.cmdline.as_ref().map(Field::text).unwrap_or_default();
        Ok(to.connection(&ConnectionEvent {
            time_ms,
            host,
            process: Process {
                pathname: &self.path.text(),
                pid: self.pid.pid()?,
                start: None,
                cmdline: &cmdline,
            },
            destination: &destination,
            port: port.unwrap_or(0) as u16,
            protocol: Protocol::from_journal(&self.protocol.text()),
            domain: "",
            bytes_sent: None,
            bytes_received: None,
            record_id: (!eid.is_empty()).then(|| record_id(eid.as_bytes())),
        }))
    }

    fn deliver_process<S: JournalSink>(
        &self,
        host: &str,
        to: &mut Delivery<'_, S>,
    ) -> Result<Result<(), S::Error>, FieldError> {
        let start = self.time.time_ms("time")?.and_then(FileTime::from_unix_ms);
        let cmdline = self.cmdline.as_ref().map(Field::text).unwrap_or_default();
        Ok(to.process(&ProcessEvent {
            host,
            process: Process {
                pathname: &self.path.text(),
                pid: self.pid.pid()?,
                start,
                cmdline: &cmdline,
            },
        }))
    }
}
