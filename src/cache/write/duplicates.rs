//! New connections of one group into those it has, each counted once.
//!
//! Pure: the blocks come from and go back to the writer. A connection's identity within its group
//! is its process and its millisecond; the k-th record of one identity within one pass (one file,
//! one poll) adds a connection only if there are fewer than k, so that two real connections in one
//! instant both count and the same file read again adds nothing. The pid stands for the process:
//! a start may be known of one record and not of another, and no pid is used twice in an instant.

use std::collections::{HashMap, HashSet};

use crate::cache::format::block::Connection;

/// What a stored connection has to do with the pass under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim(u32);

impl Claim {
    /// No record of this pass stands for it yet.
    pub(crate) const NONE: Claim = Claim(0);
    const WITHOUT_ID: u32 = 1;

    /// Claimed by a record, which may have an id of its own.
    fn by(record_id: Option<u32>) -> Claim {
        Claim(record_id.map_or(Claim::WITHOUT_ID, |id| id.max(Claim::WITHOUT_ID + 1)))
    }

    pub(crate) fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Claim {
        Claim(u32::from_le_bytes(bytes))
    }
}

/// A connection to be merged, and its record's own id (see [`crate::journal::record_id`]).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) connection: Connection,
    pub(crate) record_id: Option<u32>,
}

/// A group's connections after the merge, sorted by time.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) connections: Vec<Connection>,
    /// For each connection, its claim.
    pub(crate) claims: Vec<Claim>,
    /// How many were new.
    pub(crate) added: u64,
    /// How many were there already.
    pub(crate) duplicates: u64,
}

impl Merged {
    fn push(&mut self, connection: Connection, claim: Claim) {
        self.connections.push(connection);
        self.claims.push(claim);
    }
}

/// Merges `incoming` into `existing` with its `claims`; both are sorted by time. `pid` looks up
/// a process instance's.
pub(crate) fn merge<E>(
    existing: &[Connection],
    claims: &[Claim],
    incoming: &[Incoming],
    mut pid: impl FnMut(u32) -> Result<Option<u32>, E>,
) -> Result<Merged, E> {
    let mut merged = Merged::default();
    merged.connections.reserve(existing.len() + incoming.len());
    merged.claims.reserve(existing.len() + incoming.len());
    let mut next = 0;
    for instant in incoming.chunk_by(|a, b| a.connection.time_ms == b.connection.time_ms) {
        let time_ms = instant[0].connection.time_ms;
        while next < existing.len() && existing[next].time_ms < time_ms {
            merged.push(existing[next], claims[next]);
            next += 1;
        }
        let start = merged.connections.len();
        while next < existing.len() && existing[next].time_ms == time_ms {
            merged.push(existing[next], claims[next]);
            next += 1;
        }
        if let [alone] = instant
            && merged.connections.len() == start
        {
            merged.push(alone.connection, Claim::by(alone.record_id));
            merged.added += 1;
            continue;
        }
        merge_instant(&mut merged, start, instant, &mut pid)?;
    }
    for (connection, claim) in existing.iter().zip(claims).skip(next) {
        merged.push(*connection, *claim);
    }
    Ok(merged)
}

/// Connections of one process in one millisecond.
#[derive(Default)]
struct Same {
    /// Indexes of those that no record of this pass stands for.
    unclaimed: Vec<usize>,
    /// Ids of the records that stand for the others.
    claims: HashSet<u32>,
}

/// Merges records of one millisecond into the connections from `start` on, which share it.
fn merge_instant<E>(
    merged: &mut Merged,
    start: usize,
    instant: &[Incoming],
    pid: &mut impl FnMut(u32) -> Result<Option<u32>, E>,
) -> Result<(), E> {
    let mut by_pid: HashMap<Option<u32>, Same> = HashMap::default();
    for index in start..merged.connections.len() {
        let same = by_pid.entry(pid(merged.connections[index].instance)?).or_default();
        match merged.claims[index] {
            Claim::NONE => same.unclaimed.push(index),
            Claim(id) => drop(same.claims.insert(id)),
        }
    }
    for record in instant {
        let same = by_pid.entry(pid(record.connection.instance)?).or_default();
        let claim = Claim::by(record.record_id);
        if record.record_id.is_some() && same.claims.contains(&claim.0) {
            merged.duplicates += 1; // the same record again
            continue;
        }
        same.claims.insert(claim.0);
        if let Some(stored) = same.unclaimed.pop() {
            merged.claims[stored] = claim;
            merged.duplicates += 1;
        } else {
            merged.push(record.connection, claim);
            merged.added += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn pid(instance: u32) -> Result<Option<u32>, Infallible> {
        Ok(Some(instance))
    }

    fn incoming(time_ms: i64, instance: u32, record_id: Option<u32>) -> Incoming {
        let connection =
            Connection { time_ms, instance, domain: 0, bytes_sent: None, bytes_received: None };
        Incoming { connection, record_id }
    }

    /// Several flushes of one pass into what earlier passes left.
    fn pass(stored: &[Connection], flushes: &[Vec<Incoming>]) -> Merged {
        let mut merged = Merged {
            connections: stored.to_vec(),
            claims: vec![Claim::NONE; stored.len()],
            ..Merged::default()
        };
        for flush in flushes {
            let mut flush = flush.clone();
            flush.sort_by_key(|record| record.connection.time_ms);
            let Ok(next) = merge(&merged.connections, &merged.claims, &flush, pid);
            merged = next;
        }
        merged
    }

    fn counts(connections: &[Connection]) -> BTreeMap<(i64, u32), usize> {
        let mut counts = BTreeMap::new();
        for connection in connections {
            *counts.entry((connection.time_ms, connection.instance)).or_default() += 1;
        }
        counts
    }

    proptest! {
        /// However a pass is cut into flushes, each identity ends up as often as in the fuller of
        /// the cache and the pass.
        #[test]
        fn a_pass_raises_each_count_to_its_own(
            before in prop::collection::vec((0..6i64, 1..3u32), 0..12),
            records in prop::collection::vec((0..6i64, 1..3u32), 0..30),
            flush_size in 1..8usize,
        ) {
            let before: Vec<_> =
                before.iter().map(|(time, instance)| incoming(*time, *instance, None)).collect();
            let stored = pass(&[], &[before]).connections;
            let flushes: Vec<Vec<_>> = records
                .chunks(flush_size)
                .map(|part| part.iter().map(|(t, i)| incoming(*t, *i, None)).collect())
                .collect();
            let merged = pass(&stored, &flushes);
            let mut expected = counts(&stored);
            let in_pass: Vec<_> = flushes.concat().iter().map(|record| record.connection).collect();
            for (identity, count) in counts(&in_pass) {
                let stored = expected.entry(identity).or_default();
                *stored = count.max(*stored);
            }
            prop_assert_eq!(counts(&merged.connections), expected);
            prop_assert!(merged.connections.is_sorted_by_key(|c| c.time_ms));
            prop_assert_eq!(pass(&merged.connections, &flushes).connections, merged.connections);
        }
    }

    #[test]
    fn a_record_id_removes_its_own_repeats_only() {
        let twice_and_another =
            vec![incoming(5, 1, Some(77)), incoming(5, 1, Some(77)), incoming(5, 1, Some(78))];
        let merged = pass(&[], &[twice_and_another.clone(), twice_and_another.clone()]);
        assert_eq!(merged.connections.len(), 2);
        assert_eq!(pass(&merged.connections, &[twice_and_another]).connections.len(), 2);
    }
}
