//! When a group connected, and how much it sent: what every detector starts from.

use super::Window;

/// The connections of one group in time order, reduced to what the maths needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    times_ms: Vec<i64>,
    sizes: Vec<u64>,
    bytes_sent: Option<u128>,
    bytes_received: Option<u128>,
}

impl Timeline {
    /// Of connections at `times_ms`, sorted, of which nothing else is looked at.
    pub fn of_times(times_ms: Vec<i64>) -> Timeline {
        Timeline { times_ms, ..Timeline::default() }
    }

    /// The times of all connections, unix milliseconds.
    pub fn into_times(self) -> Vec<i64> {
        self.times_ms
    }

    /// Adds connections at `times_ms`, sorted among themselves.
    pub fn extend(&mut self, times_ms: &[i64]) {
        self.times_ms.extend_from_slice(times_ms);
    }

    /// Adds the bytes of connections at `times_ms` (sorted), for each its own, or none if they are not
    /// known. Of those within `sizes_within` the bytes sent are kept one by one.
    pub fn add_bytes(
        &mut self,
        times_ms: &[i64],
        bytes_sent: &[Option<u64>],
        bytes_received: &[Option<u64>],
        sizes_within: Window,
    ) {
        let sizes = bytes_sent.get(sizes_within.range_of(times_ms)).unwrap_or_default();
        self.sizes.extend(sizes.iter().flatten());
        add(&mut self.bytes_sent, bytes_sent);
        add(&mut self.bytes_received, bytes_received);
    }

    /// Brings the connections into time order.
    pub fn sort(&mut self) {
        // The stable sort finds the runs that the groups put together here already are.
        self.times_ms.sort();
    }

    /// The times of all connections, unix milliseconds.
    pub fn times_ms(&self) -> &[i64] {
        &self.times_ms
    }

    /// Bytes sent by each connection whose size counts and is known, in no order.
    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// Bytes from the host over the connections that tell them; `None` if none does.
    pub fn bytes_sent(&self) -> Option<u128> {
        self.bytes_sent
    }

    /// Bytes to the host over the connections that tell them; `None` if none does.
    pub fn bytes_received(&self) -> Option<u128> {
        self.bytes_received
    }
}

fn add(sum: &mut Option<u128>, bytes: &[Option<u64>]) {
    for bytes in bytes.iter().flatten() {
        *sum = Some(sum.unwrap_or(0) + u128::from(*bytes));
    }
}
