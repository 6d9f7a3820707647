//! A block's connections as they are decoded: column by column, and handed on in runs.
//!
//! How columns are coded is told in `block`.

use super::block::Connection;
use crate::beacon::Window;

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
    pub(crate) times_ms: Vec<i64>,
    pub(crate) instances: Vec<u32>,
    pub(crate) domains: Vec<u32>,
    /// Empty, too, where no connection tells them.
    pub(crate) bytes_sent: Vec<Option<u64>>,
    pub(crate) bytes_received: Vec<Option<u64>>,
    /// Space for decoding the next.
    pub(crate) scratch: Vec<u64>,
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
        let inside = window.range_of(&self.times_ms);
        self.runs_of(inside.start, inside.end)
    }

    fn runs_of(&self, mut from: usize, to: usize) -> impl Iterator<Item = Run<'_>> {
        std::iter::from_fn(move || {
            let begin = from;
            let times_ms = self.times_ms.get(begin..to).filter(|rest| !rest.is_empty())?;
            let differ = |ids: &[u32], at| ids.len() > 1 && ids.get(begin) != ids.get(begin + at);
            let ends = |at: &usize| differ(&self.instances, *at) || differ(&self.domains, *at);
            let length = match (&*self.instances, &*self.domains) {
                ([] | [_], [] | [_]) => times_ms.len(),
                _ => (1..times_ms.len()).find(ends).unwrap_or(times_ms.len()),
            };
            let id = |ids: &[u32]| ids.get(begin).or(ids.first()).copied().unwrap_or(0);
            from = begin + length;
            Some(Run {
                instance: id(&self.instances),
                domain: id(&self.domains),
                times_ms: &times_ms[..length],
                bytes_sent: self.bytes_sent.get(begin..from).unwrap_or_default(),
                bytes_received: self.bytes_received.get(begin..from).unwrap_or_default(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column<T: std::fmt::Debug + Clone>(
        value: impl Strategy<Value = T> + Clone,
        count: usize,
    ) -> impl Strategy<Value = Vec<T>> {
        prop_oneof![Just(Vec::new()), prop::collection::vec(value, count)]
    }

    proptest! {
        #[test]
        fn runs_are_the_connections_of_the_window_in_order(
            (times_ms, instances, domains, bytes_sent) in (1..60usize).prop_flat_map(|count| (
                prop::collection::vec(0..100i64, count),
                prop_oneof![column(1..3u32, count), prop::collection::vec(1..3u32, 1)],
                prop_oneof![column(0..3u32, count), prop::collection::vec(0..3u32, 1)],
                column(prop::option::of(0..9u64), count),
            )),
            since_ms in 0..110i64,
            until_ms in 0..110i64,
        ) {
            let mut times_ms = times_ms;
            times_ms.sort_unstable();
            let decoded = DecodedBlock {
                times_ms, instances, domains, bytes_sent, ..DecodedBlock::default()
            };
            let id = |ids: &[u32], at| ids.get(at).or(ids.first()).copied().unwrap_or(0);
            let all = decoded.times_ms.iter().enumerate().map(|(at, time_ms)| Connection {
                time_ms: *time_ms,
                instance: id(&decoded.instances, at),
                domain: id(&decoded.domains, at),
                bytes_sent: decoded.bytes_sent.get(at).copied().flatten(),
                bytes_received: None,
            });
            let inside: Vec<_> =
                all.filter(|each| (since_ms..=until_ms).contains(&each.time_ms)).collect();
            let runs: Vec<_> = decoded.runs_in(Window { since_ms, until_ms }).collect();
            prop_assert!(runs.is_sorted_by(|a, b| (a.instance, a.domain) != (b.instance, b.domain)));
            prop_assert_eq!(runs.into_iter().flat_map(Run::connections).collect::<Vec<_>>(), inside);
        }
    }
}
