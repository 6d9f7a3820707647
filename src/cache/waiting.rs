//! Connections that wait for the next transaction, to be taken group by group.

use rustc_hash::FxHashMap;

use super::merge::Incoming;

/// Connections in the order of their journal. Those of a group form a chain, which costs less than
/// to sort them all by group, and less memory than a list for each.
#[derive(Default)]
pub(super) struct Waiting {
    links: Vec<Link>,
    /// For each group, where its chain begins: its last connection.
    last: FxHashMap<u32, u32>,
}

struct Link {
    incoming: Incoming,
    /// Where the connection of the group before this one is.
    previous: Option<u32>,
}

impl Waiting {
    /// How many connections wait.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Adds a connection of `group`.
    pub(super) fn push(&mut self, group: u32, incoming: Incoming) {
        let previous = self.last.insert(group, self.links.len() as u32);
        self.links.push(Link { incoming, previous });
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.links.clear();
        self.last.clear();
    }

    /// Hands out the connections of one group after the other, by the groups' numbers; those of a
    /// group by time, and in one millisecond in the order of the journal.
    pub(super) fn take<E>(
        &mut self,
        mut merge: impl FnMut(u32, &[Incoming]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chains: Vec<_> = self.last.drain().collect();
        chains.sort_unstable();
        let mut of_group = Vec::new();
        for (group, last) in chains {
            of_group.clear();
            let mut next = Some(last);
            while let Some(index) = next {
                let link = &self.links[index as usize];
                of_group.push(link.incoming);
                next = link.previous;
            }
            of_group.reverse();
            of_group.sort_by_key(|incoming| incoming.connection.time_ms);
            merge(group, &of_group)?;
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

    #[test]
    fn groups_come_by_number_and_their_connections_by_time() {
        let incoming = |time_ms, instance| {
            let connection =
                Connection { time_ms, instance, domain: 0, bytes_sent: None, bytes_received: None };
            Incoming { connection, record_id: None }
        };
        let mut waiting = Waiting::default();
        for (group, time_ms, instance) in [(7, 30, 1), (2, 50, 2), (7, 10, 4), (7, 10, 3)] {
            waiting.push(group, incoming(time_ms, instance));
        }
        let mut taken = Vec::new();
        let Ok(()) = waiting.take(|group, of_group| {
            let of_group = of_group.iter().map(|incoming| incoming.connection);
            taken.extend(of_group.map(|each| (group, each.time_ms, each.instance)));
            Ok::<_, Infallible>(())
        });
        assert_eq!(taken, [(2, 50, 2), (7, 10, 4), (7, 10, 3), (7, 30, 1)]);
        assert_eq!(waiting.len(), 0);
    }
}
