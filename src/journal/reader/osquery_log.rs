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

use crate::journal::ProcessEvent;
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::Field;
use crate::journal::osquery_event::EventRow;

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
        let outcome = if row.is_of_a_socket() {
            row.connect().map(|connect| match connect {
                Ok(connect) => to.connection(&connect.event(&host, None, "")),
                Err(reason) => {
                    to.skip(reason);
                    Ok(())
                }
            })
        } else if row.is_of_a_process() {
            row.with_process(|process| to.process(&ProcessEvent { host: &host, process }))
        } else {
            to.skip("no rows of socket_events or process_events");
            Ok(Ok(()))
        };
        to.settle(outcome)?;
    }
    Ok(())
}
