//! osquery's own result log: `osqueryd.results.log` in event and batch format, and snapshots, of
//! queries that select from `socket_events`, `process_events` and, for Sysmon, `windows_events`; and
//! the rows of such queries alone, as `osqueryi --json` prints them.
//!
//! Which query a line came from does not matter, only which columns its rows have
//! (<https://osquery.readthedocs.io/en/stable/deployment/logging/>).

use std::fmt;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::Field;
use crate::journal::osquery_event::{Connect, EventRow};
use crate::journal::sysmon_event::Event;
use crate::journal::{ProcessEvent, record_id};

/// What other rows are.
pub(super) const OF_NO_EVENTS: &str = "no rows of socket_events or process_events";
const REMOVED: &str = "removed rows";

/// One line: a row that was added, a batch of them, or a snapshot. The many rows of a line are read
/// one at a time, once the whole line has told whose they are.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ResultLine<'a> {
    #[serde(borrow, default, rename = "hostIdentifier")]
    host: Field<'a>,
    #[serde(borrow, default)]
    action: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default, rename = "unixTime")]
    unix_time: Field<'a>,
    #[serde(borrow, default)]
    counter: Field<'a>,
    #[serde(borrow, default)]
    columns: Option<EventRow<'a>>,
    #[serde(borrow, default)]
    snapshot: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "diffResults")]
    batch: Option<&'a RawValue>,
}

/// Whether a JSON object with these fields is a line of a result log.
pub(super) fn is_result(fields: &[String]) -> bool {
    let has = |name: &&str| fields.iter().any(|field| field == name);
    ["hostIdentifier", "unixTime"].iter().any(has)
        && ["columns", "snapshot", "diffResults"].iter().any(has)
}

/// The runs of queries that a log is of.
///
/// A query whose condition is on time may give the same event in several runs, and without an `eid`
/// only the run tells whether two equal rows are one event or two.
#[derive(Default)]
pub(super) struct Runs {
    /// By host and name of the query: the latest run.
    latest: FxHashMap<(String, String), Run>,
    /// How many rows these have.
    rows: usize,
}

/// One run of a query.
#[derive(Default)]
struct Run {
    unix_time: String,
    counter: String,
    /// How often each row without an `eid` has come.
    rows: FxHashMap<u32, u32>,
}

impl Runs {
    /// More are not remembered; of those that follow, repeats within their run count once.
    const MOST_ROWS: usize = 1 << 18;

    /// Reads one object, or says why it is none.
    pub(super) fn read_object<S: JournalSink>(
        &mut self,
        object: &str,
        to: &mut Delivery<'_, S>,
    ) -> Result<serde_json::Result<()>, S::Error> {
        let result: ResultLine<'_> = match serde_json::from_str(object) {
            Ok(result) => result,
            Err(problem) => return Ok(Err(problem)),
        };
        if result.action.text() == "removed" {
            to.skip(REMOVED);
            return Ok(Ok(()));
        }
        let host = result.host.text();
        let mut run = self.run(&result);
        match (&result.columns, result.snapshot, result.batch) {
            (None, None, None) => match serde_json::from_str::<EventRow<'_>>(object) {
                Ok(row) => deliver(&row, "", None, to)?,
                Err(problem) => return Ok(Err(problem)),
            },
            (columns, snapshot, batch) => {
                if let Some(row) = columns {
                    deliver(row, &host, run.as_mut(), to)?;
                }
                for rows in [snapshot, batch].into_iter().flatten() {
                    let mut failure = None;
                    let reader = Rows { host: &host, run: run.as_mut(), to, failure: &mut failure };
                    let read =
                        reader.deserialize(&mut serde_json::Deserializer::from_str(rows.get()));
                    match (failure, read) {
                        (Some(failure), _) => return Err(failure),
                        (None, Err(problem)) => return Ok(Err(problem)),
                        (None, Ok(())) => {}
                    }
                }
            }
        }
        self.keep(&result, run);
        Ok(Ok(()))
    }

    /// Takes out the run that a line is of, if the line tells.
    fn run(&mut self, result: &ResultLine<'_>) -> Option<Run> {
        if result.name.is_empty() || result.unix_time.is_empty() {
            return None;
        }
        let (unix_time, counter) = (result.unix_time.text(), result.counter.text());
        let key = (result.host.text().into_owned(), result.name.text().into_owned());
        let run = self.latest.remove(&key).unwrap_or_default();
        self.rows -= run.rows.len();
        if run.unix_time == unix_time && run.counter == counter {
            return Some(run);
        }
        let (unix_time, counter) = (unix_time.into_owned(), counter.into_owned());
        Some(Run { unix_time, counter, rows: FxHashMap::default() })
    }

    fn keep(&mut self, result: &ResultLine<'_>, run: Option<Run>) {
        let Some(run) = run.filter(|run| !run.rows.is_empty()) else {
            return;
        };
        if self.rows + run.rows.len() > Runs::MOST_ROWS {
            *self = Runs::default();
        }
        self.rows += run.rows.len();
        let key = (result.host.text().into_owned(), result.name.text().into_owned());
        self.latest.insert(key, run);
    }
}

impl Run {
    /// Gives a connect that has no id of its own one that its equals in other runs share.
    fn number(&mut self, connect: &mut Connect) {
        if !connect.has_id() {
            let times = self.rows.entry(connect.identity()).or_default();
            *times += 1;
            connect.set_id(record_id(("in this run", *times)));
        }
    }
}

fn deliver<S: JournalSink>(
    row: &EventRow<'_>,
    host: &str,
    run: Option<&mut Run>,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    let outcome = if row.is_of_a_socket() {
        row.connect().map(|connect| match connect {
            Ok(mut connect) => {
                if let Some(run) = run {
                    run.number(&mut connect);
                }
                to.connection(&connect.event(host, None, ""))
            }
            Err(reason) => {
                to.skip(reason);
                Ok(())
            }
        })
    } else if row.is_of_a_process() {
        row.with_process(|process| to.process(&ProcessEvent { host, process }))
    } else if let Some((id, data)) = row.windows_event() {
        match serde_json::from_str(&data) {
            Ok(data) => match Event::of_this_endpoint(&id, &data) {
                Some(event) => return event.on_host(host).deliver(to),
                None => to.skip(OF_NO_EVENTS),
            },
            Err(problem) => to.reject_json("event data in JSON", &problem),
        }
        Ok(Ok(()))
    } else {
        to.skip(OF_NO_EVENTS);
        Ok(Ok(()))
    };
    to.settle(outcome)
}

/// Reads a snapshot's rows, or the rows of a batch, or the "" that osquery writes where there are
/// none, handing on each.
struct Rows<'r, 's, 'd, S: JournalSink> {
    host: &'r str,
    run: Option<&'r mut Run>,
    to: &'r mut Delivery<'d, S>,
    /// What the sink said that ended the reading.
    failure: &'s mut Option<S::Error>,
}

impl<'de, S: JournalSink> DeserializeSeed<'de> for Rows<'_, '_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: JournalSink> Visitor<'de> for Rows<'_, '_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_str<E>(self, _nothing: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Rows { host, mut run, to, failure } = self;
        while let Some(row) = rows.next_element::<EventRow<'de>>()? {
            if let Err(error) = deliver(&row, host, run.as_deref_mut(), to) {
                *failure = Some(error);
                return Err(A::Error::custom("the sink has failed"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut batch: A) -> Result<(), A::Error> {
        let Rows { host, mut run, to, failure } = self;
        while let Some(key) = batch.next_key::<String>()? {
            match &*key {
                "added" => {
                    let (run, failure) = (run.as_deref_mut(), &mut *failure);
                    batch.next_value_seed(Rows { host, run, to, failure })?;
                }
                "removed" => to.skip_all(batch.next_value::<Count>()?.0, REMOVED),
                _ => drop(batch.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// How many rows there are.
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        struct CountVisitor;

        impl<'de> Visitor<'de> for CountVisitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("rows")
            }

            fn visit_str<E>(self, _nothing: &str) -> Result<Count, E> {
                Ok(Count(0))
            }

            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(0))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while rows.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }

        deserializer.deserialize_any(CountVisitor)
    }
}
