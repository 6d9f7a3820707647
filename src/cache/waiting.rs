//! Connections that wait for the next transaction, to be taken group by group.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::group_row::GroupKey;
use super::merge::Incoming;
use crate::journal::Scope;

/// Connections in the order of their journal. Those of a group form a chain, which costs less than
/// to sort them all by group, and less memory than a list for each.
#[derive(Default)]
pub(super) struct Waiting {
    links: Vec<Link>,
    chains: FxHashMap<GroupKey, Chain>,
}

struct Link {
    incoming: Incoming,
    /// Where the connection of the group before this one is.
    previous: Option<u32>,
}

struct Chain {
    /// Where the group's destination lies.
    scope: Scope,
    /// Where its first connection is.
    first: u32,
    /// Where its last connection is.
    last: u32,
}

impl Waiting {
    /// How many connections wait.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Adds a connection to the group `key`, which is one to `destination`.
    pub(super) fn push(&mut self, key: GroupKey, destination: &str, incoming: Incoming) {
        let this = self.links.len() as u32;
        let previous = match self.chains.entry(key) {
            Entry::Occupied(mut chain) => Some(std::mem::replace(&mut chain.get_mut().last, this)),
            Entry::Vacant(new) => {
                new.insert(Chain { scope: Scope::of(destination), first: this, last: this });
                None
            }
        };
        self.links.push(Link { incoming, previous });
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.links.clear();
        self.chains.clear();
    }

    /// Hands out the connections of one group after the other, in the order in which the journal
    /// first names them; those of a group by time, and in one millisecond as in the journal.
    pub(super) fn take<E>(
        &mut self,
        mut merge: impl FnMut(&GroupKey, Scope, &[Incoming]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chains: Vec<_> = self.chains.drain().collect();
        chains.sort_unstable_by_key(|(_, chain)| chain.first);
        let mut of_group = Vec::new();
        for (key, chain) in chains {
            of_group.clear();
            let mut next = Some(chain.last);
            while let Some(index) = next {
                let link = &self.links[index as usize];
                of_group.push(link.incoming);
                next = link.previous;
            }
            of_group.reverse();
            of_group.sort_by_key(|incoming| incoming.connection.time_ms);
            merge(&key, chain.scope, &of_group)?;
        }
        self.links.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::super::block::Connection;
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
        let mut waiting = Waiting::default();
        for (port, time_ms, instance) in [(80, 30, 1), (22, 50, 2), (80, 10, 4), (80, 10, 3)] {
            waiting.push(key(port), "10.0.0.1", incoming(time_ms, instance));
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
