//! The block codec: up to two thousand connections of one group as bytes, and back.
//!
//! Pure: no SQLite, no clock. A block holds its connections column by column (time, process
//! instance and domain as differences, then bytes), each column coded by `column`; where blocks
//! are kept, and what their rows tell of them, is decided elsewhere.

use super::checksum::PAYLOAD_OVERHEAD;
use super::column;
use super::decoded::{DecodedBlock, Parts};
use crate::varint::{DecodeError, put_varint, take_varint};

/// A block is split when it would hold more connections.
pub const CAPACITY: usize = 2048;
/// Or more bytes. This many fill four pages of the cache's file, with their checksum and what SQLite puts
/// around them:
/// however blocks come and go, a full one leaves nothing of its pages unused.
pub const MOST_BYTES: usize = 8141 - PAYLOAD_OVERHEAD;
/// More than any block of ours holds: a damaged count must not ask for gigabytes.
const LARGEST_COUNT: u64 = 1 << 16;
/// How a column begins whose values are all 0: byte counts that no connection tells, differences of
/// ids that stay the same.
const ALL_ZERO: [u8; 2] = [0, 0];

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

/// The bytes of `connections`, which must be sorted by time.
pub fn encode(connections: &[Connection]) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + 2 * connections.len());
    put_varint(connections.len() as u64, &mut out);
    let mut column = Vec::with_capacity(connections.len());
    // The first value apart, so that it does not widen the spread of the differences.
    let mut put_differences = |value: fn(&Connection) -> i64, code: fn(i64) -> u64| {
        put_varint(code(connections.first().map_or(0, value)), &mut out);
        column.clear();
        let differences = connections.windows(2).map(|pair| value(&pair[1]) - value(&pair[0]));
        column.extend(differences.map(code));
        column::encode(&column, &mut out);
    };
    // Sorted times do not become less.
    put_differences(|connection| connection.time_ms, |difference| difference as u64);
    put_differences(|connection| connection.instance.into(), zigzag);
    put_differences(|connection| connection.domain.into(), zigzag);
    for bytes in [|c: &Connection| c.bytes_sent, |c: &Connection| c.bytes_received] {
        column.clear();
        column.extend(connections.iter().map(bytes).map(optional_to_code));
        column::encode(&column, &mut out);
    }
    out
}

/// Appends the times of the block's connections, sorted, to `out`. On an error `out` is as before;
/// `scratch` is of no use before and after.
pub fn decode_times(
    block: &[u8],
    scratch: &mut Vec<u64>,
    out: &mut Vec<i64>,
) -> Result<(), DecodeError> {
    let before = out.len();
    let mut input = block;
    let count = take_count(&mut input);
    let taken = count.and_then(|count| take_times(&mut input, count, scratch, out));
    taken.inspect_err(|_| out.truncate(before))
}

/// Puts these parts of the block's connections into `out`, in place of what it holds. On an error
/// that is of no use.
pub fn decode(block: &[u8], parts: Parts, out: &mut DecodedBlock) -> Result<(), DecodeError> {
    let mut input = block;
    let count = take_count(&mut input)?;
    let DecodedBlock { times_ms, instances, domains, bytes_sent, bytes_received, scratch } = out;
    times_ms.clear();
    take_times(&mut input, count, scratch, times_ms)?;
    take_ids(&mut input, parts.instances, count, scratch, instances)?;
    take_ids(&mut input, parts.domains, count, scratch, domains)?;
    take_bytes(&mut input, parts.bytes, count, scratch, bytes_sent)?;
    take_bytes(&mut input, parts.bytes, count, scratch, bytes_received)?;
    if input.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
}

/// Parts of `connections` for a block each, and the bytes of each: full ones where more will follow at
/// the end, rather equal ones where a late connection may still fall between them.
pub fn split(connections: &[Connection], is_end_of_group: bool) -> Vec<(&[Connection], Vec<u8>)> {
    let parts = connections.len().div_ceil(CAPACITY).max(1);
    let most = if is_end_of_group { CAPACITY } else { connections.len().div_ceil(parts) };
    let mut blocks = Vec::with_capacity(parts);
    let (mut rest, mut count) = (connections, most);
    while !rest.is_empty() {
        let (block, bytes) = loop {
            let (block, _) = rest.split_at(count.clamp(1, rest.len()));
            let bytes = encode(block);
            if bytes.len() <= MOST_BYTES || block.len() == 1 {
                break (block, bytes);
            }
            count = as_many_as_fit(block, &bytes);
        };
        rest = &rest[block.len()..];
        count = as_many_as_fit(block, &bytes).min(most);
        blocks.push((block, bytes));
    }
    blocks
}

/// How many fit a block if all take as much as these, or a little more.
fn as_many_as_fit(connections: &[Connection], bytes: &[u8]) -> usize {
    connections.len() * MOST_BYTES / (bytes.len() + bytes.len() / 256).max(1)
}

fn take_count(input: &mut &[u8]) -> Result<usize, DecodeError> {
    match take_varint(input)? {
        count @ ..=LARGEST_COUNT => Ok(count as usize),
        _ => Err(DecodeError::Overflow),
    }
}

/// A column of row ids, if it is wanted.
fn take_ids(
    input: &mut &[u8],
    is_wanted: bool,
    count: usize,
    scratch: &mut Vec<u64>,
    out: &mut Vec<u32>,
) -> Result<(), DecodeError> {
    out.clear();
    if !is_wanted {
        take_varint(input)?;
        return column::skip(input);
    }
    let mut id = unzigzag(take_varint(input)?);
    let mut is_out_of_range = u32::try_from(id).is_err();
    out.push(id as u32);
    if input.starts_with(&ALL_ZERO) {
        column::skip(input)?;
    } else {
        column::decode(input, count.saturating_sub(1), scratch)?;
        out.extend(scratch.iter().map(|code| {
            id = id.wrapping_add(unzigzag(*code));
            is_out_of_range |= u32::try_from(id).is_err();
            id as u32
        }));
    }
    if is_out_of_range { Err(DecodeError::Overflow) } else { Ok(()) }
}

/// A column of byte counts, if it is wanted.
fn take_bytes(
    input: &mut &[u8],
    is_wanted: bool,
    count: usize,
    scratch: &mut Vec<u64>,
    out: &mut Vec<Option<u64>>,
) -> Result<(), DecodeError> {
    out.clear();
    if !is_wanted || input.starts_with(&ALL_ZERO) {
        return column::skip(input);
    }
    column::decode(input, count, scratch)?;
    out.extend(scratch.iter().map(|code| code_to_optional(*code)));
    Ok(())
}

/// Times, of which none is negative nor before the last.
fn take_times(
    input: &mut &[u8],
    count: usize,
    scratch: &mut Vec<u64>,
    out: &mut Vec<i64>,
) -> Result<(), DecodeError> {
    let mut time_ms = take_varint(input)?;
    out.reserve(count);
    out.extend((count > 0).then_some(time_ms as i64));
    column::decode(input, count.saturating_sub(1), scratch)?;
    // As long as neither these nor the times have the sign bit, no sum is out of range.
    let mut seen = time_ms;
    out.extend(scratch.iter().map(|difference| {
        time_ms = time_ms.wrapping_add(*difference);
        seen |= difference | time_ms;
        time_ms as i64
    }));
    if i64::try_from(seen).is_ok() { Ok(()) } else { Err(DecodeError::Overflow) }
}

/// Signed as unsigned, small ones of either sign staying small.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(code: u64) -> i64 {
    (code >> 1) as i64 ^ -((code & 1) as i64)
}

/// A byte count that may be unknown as one number.
pub(crate) fn optional_to_code(bytes: Option<u64>) -> u64 {
    bytes.map_or(0, |bytes| bytes.saturating_add(1))
}

/// What [`optional_to_code`] made a number of.
pub(crate) fn code_to_optional(code: u64) -> Option<u64> {
    code.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cache::format::decoded::Run;

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
        some_of(block, Parts::ALL)
    }

    fn some_of(block: &[u8], parts: Parts) -> Result<Vec<Connection>, DecodeError> {
        let mut decoded = DecodedBlock::default();
        decode(block, parts, &mut decoded)?;
        let runs: Vec<_> = decoded.runs().collect();
        assert!(runs.is_sorted_by(|a, b| (a.instance, a.domain) != (b.instance, b.domain)));
        Ok(runs.into_iter().flat_map(Run::connections).collect())
    }

    proptest! {
        #[test]
        fn round_trip(connections in prop::collection::vec(connection(), 0..80)) {
            let connections = sorted(connections);
            let block = encode(&connections);
            prop_assert_eq!(decoded(&block), Ok(connections.clone()));
            let mut times = Vec::new();
            decode_times(&block, &mut Vec::new(), &mut times).unwrap();
            prop_assert!(times.iter().eq(connections.iter().map(|connection| &connection.time_ms)));
            for part in 0..3 {
                let (instances, domains, bytes) = (part == 0, part == 1, part == 2);
                let some = some_of(&block, Parts { instances, domains, bytes }).unwrap();
                let expected = connections.iter().map(|connection| Connection {
                    time_ms: connection.time_ms,
                    instance: if instances { connection.instance } else { 0 },
                    domain: if domains { connection.domain } else { 0 },
                    bytes_sent: connection.bytes_sent.filter(|_| bytes),
                    bytes_received: connection.bytes_received.filter(|_| bytes),
                });
                prop_assert!(some.into_iter().eq(expected));
            }
        }

        #[test]
        fn parts_are_within_capacity_and_lose_nothing(
            count in 0..3 * CAPACITY,
            most_bytes in prop_oneof![Just(1), 1..u64::MAX],
            is_end_of_group: bool,
        ) {
            let bytes = |index: u64| Some(index.wrapping_mul(0x9E37_79B9_7F4A_7C15) % most_bytes);
            let connections: Vec<_> = (0..count as u64)
                .map(|index| Connection { bytes_sent: bytes(index), ..at(index as i64) })
                .collect();
            let blocks = split(&connections, is_end_of_group);
            let mut rest = connections.as_slice();
            for (part, bytes) in blocks {
                prop_assert!(part.len() <= CAPACITY && bytes.len() <= MOST_BYTES);
                prop_assert_eq!(decoded(&bytes), Ok(part.to_vec()));
                rest = rest.strip_prefix(part).unwrap();
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn hostile_bytes_give_an_error_or_sorted_connections(
            block in prop::collection::vec(any::<u8>(), 0..200),
        ) {
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
