//! A block's connections as they are decoded: column by column, and handed on in runs.
//!
//! How columns are coded is the affair of `block`.

use super::Window;
use super::block::Connection;

/// What is decoded of connections besides their times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Process instances; else they are 0.
    pub instances: bool,
    /// Domains; else they are 0.
    pub domains: bool,
    /// Bytes sent and received; else they are `None`.
    pub bytes: bool,
}

impl Parts {
    /// All there is.
    pub const ALL: Parts = Parts { instances: true, domains: true, bytes: true };

    /// Whether nothing but times is wanted.
    pub fn are_times_only(self) -> bool {
        self == Parts::default()
    }
}

/// A block's connections, sorted by time; a column that is not decoded is empty. Of ids there is one
/// where it is the same for all.
#[derive(Debug, Default)]
pub struct DecodedBlock {
    pub(super) times_ms: Vec<i64>,
    pub(super) instances: Vec<u32>,
    pub(super) domains: Vec<u32>,
    /// Empty, too, where no connection tells them.
    pub(super) bytes_sent: Vec<Option<u64>>,
    pub(super) bytes_received: Vec<Option<u64>>,
    /// Space for decoding the next.
    pub(super) scratch: Vec<u64>,
}

/// Connections of a block that follow each other and share process instance and domain.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Row id of the process instance; 0 if it is not decoded.
    pub instance: u32,
    /// Row id of the destination's name; 0 if there is none or it is not decoded.
    pub domain: u32,
    /// Unix milliseconds, sorted; at least one.
    pub times_ms: &'a [i64],
    /// As many, or none where they are not decoded or not known.
    pub bytes_sent: &'a [Option<u64>],
    /// The same.
    pub bytes_received: &'a [Option<u64>],
}

impl<'a> Run<'a> {
    /// Connections at `times_ms` (sorted, at least one) of which no more is known.
    pub fn of_times(times_ms: &'a [i64]) -> Run<'a> {
        Run { instance: 0, domain: 0, times_ms, bytes_sent: &[], bytes_received: &[] }
    }

    /// One by one.
    pub fn connections(self) -> impl Iterator<Item = Connection> + 'a {
        let bytes = |column: &[Option<u64>], index| column.get(index).copied().flatten();
        self.times_ms.iter().enumerate().map(move |(index, time_ms)| Connection {
            time_ms: *time_ms,
            instance: self.instance,
            domain: self.domain,
            bytes_sent: bytes(self.bytes_sent, index),
            bytes_received: bytes(self.bytes_received, index),
        })
    }
}

impl DecodedBlock {
    /// All of it in runs.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.runs_of(0, self.times_ms.len())
    }

    /// What of it lies in `window`.
    pub fn runs_in(&self, window: Window) -> impl Iterator<Item = Run<'_>> {
        let from = self.times_ms.partition_point(|time_ms| *time_ms < window.since_ms);
        let to = self.times_ms.partition_point(|time_ms| *time_ms <= window.until_ms);
        self.runs_of(from, to)
    }

    fn runs_of(&self, mut from: usize, to: usize) -> impl Iterator<Item = Run<'_>> {
        std::iter::from_fn(move || {
            let begin = from;
            let times_ms = self.times_ms.get(begin..to).filter(|rest| !rest.is_empty())?;
            let (instance, same_instance) = leading(&self.instances, begin, times_ms.len());
            let (domain, same_domain) = leading(&self.domains, begin, times_ms.len());
            let length = same_instance.min(same_domain);
            from = begin + length;
            Some(Run {
                instance,
                domain,
                times_ms: &times_ms[..length],
                bytes_sent: self.bytes_sent.get(begin..from).unwrap_or_default(),
                bytes_received: self.bytes_received.get(begin..from).unwrap_or_default(),
            })
        })
    }
}

/// The value at `from`, and how many of the next `most` values are the same; of a column that is not
/// there 0, and all.
fn leading(column: &[u32], from: usize, most: usize) -> (u32, usize) {
    if let [_] | [] = column {
        return (column.first().copied().unwrap_or(0), most);
    }
    let Some((first, rest)) = column.get(from..).and_then(<[u32]>::split_first) else {
        return (0, most);
    };
    let more = rest.iter().position(|value| value != first).unwrap_or(rest.len());
    (*first, most.min(more + 1))
}
