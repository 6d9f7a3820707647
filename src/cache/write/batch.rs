//! A batch: the connections that the next transaction stores, to be taken group by group.
//!
//! For its size alone: a packed connection takes little more than half the memory of an unpacked one, and
//! counting them into groups takes less time than sorting them.

use std::collections::HashMap;

use super::duplicates::Incoming;
use super::group_row::GroupKey;
use crate::cache::format::block::{Connection, code_to_optional, optional_to_code};
use crate::journal::Scope;

/// A connection with the number of its group, in little more than half the space of [`Incoming`].
struct PackedIncoming {
    time_ms: i64,
    instance: u32,
    domain: u32,
    bytes_sent: u64,
    bytes_received: u64,
    /// 0 if it has none; a claim does not tell the lowest ids apart.
    record_id: u32,
    group: u32,
}

impl PackedIncoming {
    fn pack(incoming: &Incoming, group: u32) -> PackedIncoming {
        let Connection { time_ms, instance, domain, bytes_sent, bytes_received } =
            incoming.connection;
        PackedIncoming {
            time_ms,
            instance,
            domain,
            bytes_sent: optional_to_code(bytes_sent),
            bytes_received: optional_to_code(bytes_received),
            record_id: incoming.record_id.map_or(0, |id| id.max(1)),
            group,
        }
    }

    fn unpack(&self) -> Incoming {
        let PackedIncoming { time_ms, instance, domain, .. } = *self;
        let bytes_sent = code_to_optional(self.bytes_sent);
        let bytes_received = code_to_optional(self.bytes_received);
        Incoming {
            connection: Connection { time_ms, instance, domain, bytes_sent, bytes_received },
            record_id: (self.record_id != 0).then_some(self.record_id),
        }
    }
}

/// Connections in the order of their journal, and for each its group, so that they can be counted
/// into groups: which costs less than to sort them, and less memory than a list for each group.
#[derive(Default)]
pub(crate) struct Batch {
    connections: Vec<PackedIncoming>,
    /// The number of each group, in the order in which the journal first names them.
    numbers: HashMap<GroupKey, u32>,
    /// Where each group's destination lies, and how many of the connections are the group's.
    counts: Vec<(Scope, u32)>,
}

impl Batch {
    /// How many connections wait.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Of how many groups.
    pub(crate) fn groups(&self) -> usize {
        self.counts.len()
    }

    /// Adds a connection to the group `key`, which is one to `destination`.
    pub(crate) fn push(&mut self, key: GroupKey, destination: &str, incoming: &Incoming) {
        let Batch { connections, numbers, counts } = self;
        let number = *numbers.entry(key).or_insert_with(|| {
            counts.push((Scope::of(destination), 0));
            (counts.len() - 1) as u32
        });
        if let Some((_, count)) = counts.get_mut(number as usize) {
            *count += 1;
        }
        connections.push(PackedIncoming::pack(incoming, number));
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.connections.clear();
        self.numbers.clear();
        self.counts.clear();
    }

    /// Hands out the connections of one group after the other, in the order in which the journal
    /// first names them; those of a group by time, and in one millisecond as in the journal.
    pub(crate) fn take<E>(
        &mut self,
        mut merge: impl FnMut(&GroupKey, Scope, &[Incoming]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut keys: Vec<_> = self.numbers.drain().collect();
        keys.sort_unstable_by_key(|(_, number)| *number);
        let places = self.places_by_group();
        let mut rest = places.as_slice();
        let mut of_group = Vec::new();
        for ((key, _), (scope, count)) in keys.iter().zip(&self.counts) {
            let (places, others) = rest.split_at((*count as usize).min(rest.len()));
            rest = others;
            of_group.clear();
            of_group.extend(places.iter().map(|place| self.connections[*place as usize].unpack()));
            of_group.sort_by_key(|incoming| incoming.connection.time_ms);
            merge(key, *scope, &of_group)?;
        }
        self.clear();
        Ok(())
    }

    /// Where the connections of the first group are, then those of the second, and so on.
    fn places_by_group(&self) -> Vec<u32> {
        let mut from = 0;
        let mut next_of_group: Vec<u32> = Vec::with_capacity(self.counts.len());
        for (_, count) in &self.counts {
            next_of_group.push(from);
            from += count;
        }
        let mut places = vec![0; self.connections.len()];
        for (place, packed) in (0..).zip(&self.connections) {
            let next = &mut next_of_group[packed.group as usize];
            places[*next as usize] = place;
            *next += 1;
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::journal::Protocol;

    #[test]
    fn groups_come_as_first_seen_and_their_connections_by_time() {
        let incoming = |time_ms, instance| {
            let connection =
                Connection { time_ms, instance, domain: 0, bytes_sent: None, bytes_received: None };
            Incoming { connection, record_id: None }
        };
        let key = |port| {
            let protocol = Protocol::Tcp;
            GroupKey { host: 0, pathname: 0, destination: 1, port, protocol }
        };
        let mut waiting = Batch::default();
        for (port, time_ms, instance) in [(80, 30, 1), (22, 50, 2), (80, 10, 4), (80, 10, 3)] {
            waiting.push(key(port), "10.0.0.1", &incoming(time_ms, instance));
        }
        let mut taken = Vec::new();
        let Ok(()) = waiting.take(|key, scope, of_group| {
            assert_eq!(scope, Scope::Private);
            let of_group = of_group.iter().map(|incoming| incoming.connection);
            taken.extend(of_group.map(|each| (key.port, each.time_ms, each.instance)));
            Ok::<_, Infallible>(())
        });
        assert_eq!(taken, [(80, 10, 4), (80, 10, 3), (80, 30, 1), (22, 50, 2)]);
        assert_eq!(waiting.len(), 0);
    }
}
