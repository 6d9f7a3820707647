//! Live journals: what osquery records of connections, asked for by SQL a slice of time after the
//! other.
//!
//! A collector turns a slice into queries, and their rows into events. When to ask, how osquery is
//! reached and where events go is not decided here.

mod batches;
mod choice;
mod open_sockets;
mod process_starts;
mod socket_events;
mod sql_source;
mod windows_events;

use std::collections::BTreeMap;

pub use choice::{Choice, Named, Source, choose};
pub use sql_source::{InvalidSql, SqlSource};

use super::delivery::{Delivered, Delivery, JournalSink};
pub use open_sockets::OpenSockets;
pub use socket_events::SocketEvents;

/// A row of an answer: values by column.
pub type Row = BTreeMap<String, String>;

/// osquery, as far as collectors need it.
pub trait Host {
    /// Runs a query, handing on its rows one by one.
    fn query(&mut self, sql: &str, on_row: &mut dyn FnMut(&Row)) -> Result<(), HostError>;
}

/// osquery did not answer a query, or refused it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

/// A slice was not collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError<E> {
    /// A query failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The sink could not take an event.
    #[error(transparent)]
    Sink(E),
}

/// A span of time in unix seconds: what was recorded from `from_s` on and before `to_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The first second of it.
    pub from_s: i64,
    /// The second after it.
    pub to_s: i64,
    /// Whether it ends now, so that there is nothing after it.
    pub reaches_now: bool,
}

impl Slice {
    /// The condition for a table of events. Plain bounds on `time`, or osquery would move the
    /// bookmark of a scheduled query; but of an upper bound it takes no notice and would read
    /// everything up to now for each slice, which single seconds spare it.
    fn of_events(&self) -> String {
        const MOST_SECONDS: i64 = 600;
        let Slice { from_s, to_s, reaches_now } = *self;
        if reaches_now {
            return format!("time >= {from_s}");
        }
        if to_s - from_s > MOST_SECONDS {
            return format!("time >= {from_s} AND time < {to_s}");
        }
        let seconds: Vec<_> = (from_s..to_s).map(|second| second.to_string()).collect();
        format!("time >= {from_s} AND time IN ({})", seconds.join(","))
    }
}

/// What asks osquery for the connections that one of its tables holds.
pub enum Collector {
    /// `socket_events`, from Linux's audit, or `bpf_socket_events`, of osquery 5.23 and before.
    Sockets(SocketEvents),
    /// Sysmon's events in `windows_events`.
    Sysmon,
    /// A query of the user's, or the preset for Sophos' tables.
    Sql(SqlSource),
    /// `process_open_sockets`: what is open when it is asked.
    OpenSockets(OpenSockets),
}

impl Collector {
    /// Its name in `beacon_status`.
    pub fn name(&self) -> &'static str {
        match self {
            Collector::Sockets(sockets) => sockets.name(),
            Collector::Sysmon => "sysmon",
            Collector::Sql(sql) => sql.name(),
            Collector::OpenSockets(_) => open_sockets::NAME,
        }
    }

    /// So many seconds before the end of the last slice the next begins, for what was recorded
    /// late; what is read twice counts once.
    pub fn overlap_s(&self) -> i64 {
        match self {
            Collector::Sockets(_) | Collector::Sysmon => 10,
            Collector::Sql(sql) => sql.overlap_s(),
            Collector::OpenSockets(_) => 0,
        }
    }

    /// What an answer cannot tell of the past is only seen while we look.
    pub fn sees_only_the_present(&self) -> bool {
        matches!(self, Collector::OpenSockets(_))
    }

    /// Whether a slice may end before now.
    pub fn can_end_early(&self) -> bool {
        match self {
            Collector::Sql(sql) => sql.can_end_early(),
            _ => !self.sees_only_the_present(),
        }
    }

    /// Whether `events_expiry` bounds what the table holds.
    pub fn is_an_event_table(&self) -> bool {
        matches!(self, Collector::Sockets(_) | Collector::Sysmon)
    }

    /// How far apart the batches were whose times stand for those of connections in the last slice,
    /// and shortly before it, in seconds; `None` if times are those of connections.
    pub fn blur_s(&self) -> Option<u32> {
        match self {
            Collector::Sockets(sockets) => sockets.blur_s(),
            Collector::Sysmon | Collector::Sql(_) | Collector::OpenSockets(_) => None,
        }
    }

    /// Hands the events of `slice` to `sink`.
    pub fn collect<S: JournalSink>(
        &mut self,
        slice: Slice,
        host: &mut dyn Host,
        sink: &mut S,
    ) -> Result<Delivered, CollectError<S::Error>> {
        let mut delivery = Delivery::new(sink);
        match self {
            Collector::Sockets(sockets) => sockets.collect(slice, host, &mut delivery),
            Collector::Sysmon => windows_events::collect(slice, host, &mut delivery),
            Collector::Sql(sql) => sql.collect(slice, host, &mut delivery),
            Collector::OpenSockets(sockets) => sockets.collect(slice, host, &mut delivery),
        }?;
        Ok(delivery.finish())
    }
}

/// Hands each row of a query to `deliver`, up to the first that the sink does not take.
fn deliver_rows<E>(
    sql: &str,
    host: &mut dyn Host,
    mut deliver: impl FnMut(&Row, u64) -> Result<(), E>,
) -> Result<(), CollectError<E>> {
    let (mut number, mut refused) = (0, None);
    host.query(sql, &mut |row| {
        number += 1;
        if refused.is_none() {
            refused = deliver(row, number).err();
        }
    })?;
    refused.map_or(Ok(()), |error| Err(CollectError::Sink(error)))
}
