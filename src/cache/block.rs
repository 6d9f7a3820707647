//! The block codec: up to a few hundred connections of one group as bytes, and back.
//!
//! Pure: no SQLite, no clock. A block holds its connections column by column (time, process
//! instance and domain as differences, then bytes), each column coded by `column`; where blocks
//! are kept and what rows summarise them is the writer's affair.

use super::column::{self, put_varint, take_varint};

/// A block is split when it would hold more.
pub const CAPACITY: usize = 512;
/// More than any block of ours holds: a damaged count must not ask for gigabytes.
const LARGEST_COUNT: u64 = 1 << 16;
const FORMAT: u8 = 1;

/// One connection of a group, as the cache keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Connection {
    /// Unix milliseconds, >= 0.
    pub time_ms: i64,
    /// Row id of the process instance.
    pub instance: u32,
    /// Row id of the destination's name; 0 if there is none.
    pub domain: u32,
    /// Bytes from the host to the destination; `u64::MAX` is kept as one less.
    pub bytes_sent: Option<u64>,
    /// Bytes from the destination to the host; `u64::MAX` is kept as one less.
    pub bytes_received: Option<u64>,
}

/// The bytes are no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("the block ends too early")]
    Truncated,
    /// They go on after the end.
    #[error("the block has bytes left over")]
    TrailingBytes,
    /// A number in them is out of range.
    #[error("the block holds a number that is out of range")]
    Overflow,
    /// They are of a format that this version does not know.
    #[error("the block has format {0}, which this version does not know")]
    UnknownFormat(u8),
}

/// The bytes of `connections`, which must be sorted by time.
pub fn encode(connections: &[Connection]) -> Vec<u8> {
    let mut out = vec![FORMAT];
    put_varint(connections.len() as u64, &mut out);
    let mut column = Vec::with_capacity(connections.len());
    // The first value apart, so that it does not widen the spread of the differences.
    let mut put_differences = |values: &dyn Fn(&Connection) -> i64, out: &mut Vec<u8>| {
        put_varint(zigzag(connections.first().map_or(0, values)), out);
        column.clear();
        let differences = connections.windows(2).map(|pair| values(&pair[1]) - values(&pair[0]));
        column.extend(differences.map(zigzag));
        column::encode(&column, out);
    };
    put_differences(&|connection| connection.time_ms, &mut out);
    put_differences(&|connection| connection.instance.into(), &mut out);
    put_differences(&|connection| connection.domain.into(), &mut out);
    for bytes in [|c: &Connection| c.bytes_sent, |c: &Connection| c.bytes_received] {
        column.clear();
        column.extend(connections.iter().map(bytes).map(optional_to_code));
        column::encode(&column, &mut out);
    }
    out
}

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

/// Appends the times of the block's connections, sorted, to `out`. On an error `out` is as before.
pub fn decode_times(block: &[u8], out: &mut Vec<i64>) -> Result<(), DecodeError> {
    let mut input = block;
    let count = take_count(&mut input)?;
    let before = out.len();
    out.reserve(count);
    let taken = take_times(&mut input, count, |time_ms| out.push(time_ms));
    taken.inspect_err(|_| out.truncate(before))
}

/// Appends the block's connections, sorted by time, to `out`. On an error `out` is as before.
pub fn decode(block: &[u8], parts: Parts, out: &mut Vec<Connection>) -> Result<(), DecodeError> {
    let before = out.len();
    decode_into(block, parts, out).inspect_err(|_| out.truncate(before))
}

fn decode_into(block: &[u8], parts: Parts, out: &mut Vec<Connection>) -> Result<(), DecodeError> {
    let mut input = block;
    let count = take_count(&mut input)?;
    let before = out.len();
    out.reserve(count);
    take_times(&mut input, count, |time_ms| {
        let (bytes_sent, bytes_received) = (None, None);
        out.push(Connection { time_ms, instance: 0, domain: 0, bytes_sent, bytes_received });
    })?;
    let connections = &mut out[before..];
    let instance = |connection: &mut Connection, id| connection.instance = id;
    take_ids(&mut input, parts.instances, connections, instance)?;
    take_ids(&mut input, parts.domains, connections, |connection, id| connection.domain = id)?;
    let sent = |connection: &mut Connection, bytes| connection.bytes_sent = bytes;
    take_bytes(&mut input, parts.bytes, connections, sent)?;
    let received = |connection: &mut Connection, bytes| connection.bytes_received = bytes;
    take_bytes(&mut input, parts.bytes, connections, received)?;
    if input.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
}

/// Parts of `connections` for a block each: full ones where more will follow at the end, equal
/// ones where a late connection may still fall between them.
pub fn split(
    connections: &[Connection],
    is_end_of_group: bool,
) -> std::slice::Chunks<'_, Connection> {
    let parts = connections.len().div_ceil(CAPACITY).max(1);
    let size = if is_end_of_group { CAPACITY } else { connections.len().div_ceil(parts).max(1) };
    connections.chunks(size)
}

fn take_count(input: &mut &[u8]) -> Result<usize, DecodeError> {
    let (&format, rest) = input.split_first().ok_or(DecodeError::Truncated)?;
    if format != FORMAT {
        return Err(DecodeError::UnknownFormat(format));
    }
    *input = rest;
    match take_varint(input)? {
        count @ ..=LARGEST_COUNT => Ok(count as usize),
        _ => Err(DecodeError::Overflow),
    }
}

/// A column of row ids, which `set` puts into the connections if they are wanted.
fn take_ids(
    input: &mut &[u8],
    are_wanted: bool,
    connections: &mut [Connection],
    set: impl Fn(&mut Connection, u32),
) -> Result<(), DecodeError> {
    if !are_wanted {
        take_varint(input)?;
        return column::skip(input);
    }
    let (count, mut rest) = (connections.len(), connections.iter_mut());
    take_differences(input, count, |value| {
        let id = u32::try_from(value).map_err(|_| DecodeError::Overflow)?;
        rest.next().into_iter().for_each(|connection| set(connection, id));
        Ok(())
    })
}

/// A column of byte counts, which `set` puts into the connections if they are wanted.
fn take_bytes(
    input: &mut &[u8],
    are_wanted: bool,
    connections: &mut [Connection],
    set: impl Fn(&mut Connection, Option<u64>),
) -> Result<(), DecodeError> {
    if !are_wanted {
        return column::skip(input);
    }
    let (count, mut rest) = (connections.len(), connections.iter_mut());
    column::decode(input, count, |code| {
        rest.next().into_iter().for_each(|connection| set(connection, code_to_optional(code)));
        Ok(())
    })
}

/// Times, of which none is negative nor before the last.
#[inline]
fn take_times(
    input: &mut &[u8],
    count: usize,
    mut take: impl FnMut(i64),
) -> Result<(), DecodeError> {
    let mut before_ms = 0;
    take_differences(input, count, |time_ms| {
        if time_ms < before_ms {
            return Err(DecodeError::Overflow);
        }
        before_ms = time_ms;
        take(time_ms);
        Ok(())
    })
}

#[inline]
fn take_differences(
    input: &mut &[u8],
    count: usize,
    mut take: impl FnMut(i64) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut value = unzigzag(take_varint(input)?);
    if count > 0 {
        take(value)?;
    }
    column::decode(input, count.saturating_sub(1), |difference| {
        value = value.checked_add(unzigzag(difference)).ok_or(DecodeError::Overflow)?;
        take(value)
    })
}

/// Signed as unsigned, small ones of either sign staying small.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(code: u64) -> i64 {
    (code >> 1) as i64 ^ -((code & 1) as i64)
}

fn optional_to_code(bytes: Option<u64>) -> u64 {
    bytes.map_or(0, |bytes| bytes.saturating_add(1))
}

fn code_to_optional(code: u64) -> Option<u64> {
    code.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn connection()(
            time_ms in prop_oneof![0..10_000i64, 0..4_000_000_000_000i64, Just(i64::MAX)],
            instance in prop_oneof![1..4u32, any::<u32>()],
            domain in prop_oneof![Just(0u32), 0..5u32, any::<u32>()],
            bytes_sent in prop::option::of(prop_oneof![0..2000u64, 0..u64::MAX]),
            bytes_received in prop::option::of(prop_oneof![0..2000u64, 0..u64::MAX]),
        ) -> Connection {
            Connection { time_ms, instance, domain, bytes_sent, bytes_received }
        }
    }

    fn sorted(mut connections: Vec<Connection>) -> Vec<Connection> {
        connections.sort();
        connections
    }

    fn decoded(block: &[u8]) -> Result<Vec<Connection>, DecodeError> {
        let mut connections = Vec::new();
        decode(block, Parts::ALL, &mut connections).map(|()| connections)
    }

    proptest! {
        #[test]
        fn round_trip(connections in prop::collection::vec(connection(), 0..80)) {
            let connections = sorted(connections);
            let block = encode(&connections);
            prop_assert_eq!(decoded(&block), Ok(connections.clone()));
            let mut times = Vec::new();
            decode_times(&block, &mut times).unwrap();
            prop_assert!(times.iter().eq(connections.iter().map(|connection| &connection.time_ms)));
            let instances = Parts { instances: true, ..Parts::default() };
            let mut some = Vec::new();
            decode(&block, instances, &mut some).unwrap();
            let expected = connections.iter().map(|connection| Connection {
                instance: connection.instance,
                ..at(connection.time_ms)
            });
            prop_assert!(some.into_iter().eq(expected));
        }

        #[test]
        fn parts_are_within_capacity_and_lose_nothing(
            count in 0..3 * CAPACITY, is_end_of_group: bool,
        ) {
            let connections: Vec<_> = (0..count as i64).map(at).collect();
            let parts: Vec<_> = split(&connections, is_end_of_group).collect();
            prop_assert!(parts.iter().all(|part| part.len() <= CAPACITY));
            prop_assert_eq!(parts.concat(), connections);
        }

        #[test]
        fn hostile_bytes_give_an_error_or_sorted_connections(
            mut block in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Some(format) = block.first_mut() {
                *format = FORMAT;
            }
            if let Ok(connections) = decoded(&block) {
                prop_assert!(connections.is_sorted_by_key(|connection| connection.time_ms));
            }
        }

        #[test]
        fn a_damaged_block_never_panics(
            connections in prop::collection::vec(connection(), 1..40),
            position: prop::sample::Index,
            byte: u8,
        ) {
            let mut block = encode(&sorted(connections));
            let position = position.index(block.len());
            block[position] = byte;
            let _ = decoded(&block);
            block.truncate(position);
            prop_assert!(decoded(&block).is_err());
        }
    }

    fn at(time_ms: i64) -> Connection {
        Connection { time_ms, instance: 1, domain: 0, bytes_sent: None, bytes_received: None }
    }

    #[test]
    fn an_unknown_format_is_named() {
        assert_eq!(decoded(&[9, 0]), Err(DecodeError::UnknownFormat(9)));
    }

    #[test]
    fn a_jittered_beacon_takes_under_two_bytes_a_connection() {
        // 60 s +- 10 %, to the millisecond: 13.6 bits of information each.
        let mut time_ms = 1_700_000_000_000;
        let beacon: Vec<_> = (0..CAPACITY as i64)
            .map(|index| {
                time_ms += 54_000 + index * 7919 % 12_000;
                at(time_ms)
            })
            .collect();
        assert!(encode(&beacon).len() < 2 * CAPACITY);
    }
}
