//! One column of a block: a sequence of integers in as few bits as its spread allows.
//!
//! Every value is stored as `(value - least) / common divisor` in a Rice code (R. F. Rice,
//! "Some Practical Universal Noiseless Coding Techniques", JPL 79-22, 1979), which is within a
//! few hundredths of a bit of the best for the exponential spread that arrival times have. The low
//! bits of all values stand before all unary parts, as in Elias and Fano's code, so that where a
//! value begins does not depend on the one before. The divisor makes whole-second
//! journals small, and a constant column costs no bits at all.

use super::block::DecodeError;

/// A longer unary part is written as this many ones, and its length apart: one eight-hour gap among
/// one-second intervals must not cost 28,800 bits.
const ESCAPE: u32 = 24;
/// The most low bits, so that any of them lie within eight bytes.
const MOST_LOW_BITS: u32 = 56;

/// Appends `values` to `out`; `decode` needs to be told their count.
pub(super) fn encode(values: &[u64], out: &mut Vec<u8>) {
    let least = values.iter().copied().min().unwrap_or(0);
    let divisor = common_divisor(values, least);
    put_varint(least, out);
    put_varint(divisor, out);
    if divisor == 0 {
        return;
    }
    let quotients: Vec<u64> = match divisor {
        1 => values.iter().map(|value| value - least).collect(),
        _ => values.iter().map(|value| (value - least) / divisor).collect(),
    };
    let parameter = best_parameter(&quotients);
    let (mut low, mut unary, mut long) = (BitWriter::default(), BitWriter::default(), Vec::new());
    for value in quotients {
        low.put(value & low_mask(parameter), parameter);
        let ones = (value >> parameter).min(ESCAPE.into());
        unary.put((1 << ones) - 1, ones as u32 + 1);
        if ones == u64::from(ESCAPE) {
            long.push(value >> parameter);
        }
    }
    let mut bytes = Vec::new();
    put_varint(long.len() as u64, &mut bytes);
    long.into_iter().for_each(|ones| put_varint(ones, &mut bytes));
    bytes.extend(low.finish());
    // Filled up with ones, after which no value ends.
    unary.put(0xff, 8);
    let mut unary = unary.finish();
    unary.pop();
    bytes.extend(unary);
    out.push(parameter as u8);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(&bytes);
}

/// Takes a column of `count` values off the front of `input` into `values`, in place of what they hold.
/// On an error they are of no use.
pub(super) fn decode(
    input: &mut &[u8],
    count: usize,
    values: &mut Vec<u64>,
) -> Result<(), DecodeError> {
    let least = take_varint(input)?;
    let divisor = take_varint(input)?;
    values.resize(count, 0);
    if divisor == 0 {
        values.fill(least);
        return Ok(());
    }
    let (parameter, mut bytes) = take_bits(input)?;
    let number_of_long = take_varint(&mut bytes)?.min(count as u64);
    let long: Result<Vec<u64>, _> = (0..number_of_long).map(|_| take_varint(&mut bytes)).collect();
    let unary = (count * parameter as usize).div_ceil(8);
    decode_unary(bytes.get(unary..).ok_or(DecodeError::Truncated)?, values)?;
    let mut long = long?.into_iter().filter(|high| *high <= u64::MAX >> parameter);
    for value in values.iter_mut().filter(|value| **value >= u64::from(ESCAPE)) {
        *value = long.next().ok_or(DecodeError::Truncated)?;
    }
    let (mut position, mut is_out_of_range) = (0, false);
    for value in values {
        let low = word(bytes, position / 8) >> (position % 8) & low_mask(parameter);
        position += parameter as usize;
        let (scaled, of_product) = (*value << parameter | low).overflowing_mul(divisor);
        let (scaled, of_sum) = scaled.overflowing_add(least);
        is_out_of_range |= of_product | of_sum;
        *value = scaled;
    }
    if is_out_of_range { Err(DecodeError::Overflow) } else { Ok(()) }
}

/// Each value is the number of ones before the next zero.
fn decode_unary(bytes: &[u8], values: &mut [u64]) -> Result<(), DecodeError> {
    let mut slots = values.iter_mut();
    let mut ones = 0;
    for at in (0..bytes.len()).step_by(8) {
        let left = 8 * (bytes.len() - at).min(8);
        // Beyond the end nothing ends.
        let mut zeros = !word(bytes, at) & u64::MAX >> (64 - left);
        let mut taken = 0;
        while zeros != 0 {
            let Some(slot) = slots.next() else {
                return Ok(());
            };
            let zero = u64::from(zeros.trailing_zeros());
            zeros &= zeros - 1;
            *slot = ones + zero - taken;
            (ones, taken) = (0, zero + 1);
        }
        ones += u64::from(u64::BITS) - taken;
    }
    if slots.next().is_none() { Ok(()) } else { Err(DecodeError::Truncated) }
}

/// The eight bytes from here on.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        Some(word) => u64::from_le_bytes(*word),
        None => last_word(bytes, at),
    }
}

/// The last bytes, zeros after them.
#[cold]
#[inline(never)]
fn last_word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn low_mask(parameter: u32) -> u64 {
    (1 << parameter) - 1
}

/// Takes a column off the front of `input` undecoded.
pub(super) fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
    take_varint(input)?;
    if take_varint(input)? != 0 {
        take_bits(input)?;
    }
    Ok(())
}

fn take_bits<'a>(input: &mut &'a [u8]) -> Result<(u32, &'a [u8]), DecodeError> {
    let (&parameter, rest) = input.split_first().ok_or(DecodeError::Truncated)?;
    *input = rest;
    let length = usize::try_from(take_varint(input)?).map_err(|_| DecodeError::Truncated)?;
    if u32::from(parameter) > MOST_LOW_BITS {
        return Err(DecodeError::Overflow);
    }
    let (bytes, rest) = input.split_at_checked(length).ok_or(DecodeError::Truncated)?;
    *input = rest;
    Ok((parameter.into(), bytes))
}

/// The greatest common divisor of the values above `least`; 0 if all are equal.
fn common_divisor(values: &[u64], least: u64) -> u64 {
    let mut divisor = 0;
    for value in values {
        let (mut a, mut b) = (divisor, value - least);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        divisor = a;
        if divisor == 1 {
            break;
        }
    }
    divisor
}

/// The Rice parameter that takes the fewest bits, or nearly. Around the middle value, and around
/// the largest, the cost falls and then rises with the parameter; the search walks downhill from
/// both, since two sockets a check-in make half of the differences tiny and half of them long.
fn best_parameter(values: &[u64]) -> u32 {
    let cost = |parameter: u32| -> u64 {
        values.iter().map(|value| u64::from(rice_length(*value, parameter))).sum()
    };
    let mut reordered = values.to_vec();
    let middle = reordered.len() / 2;
    let median = *reordered.select_nth_unstable(middle).1;
    let largest = values.iter().max().copied().unwrap_or(0);
    let bits = |value: u64| value.checked_ilog2().unwrap_or(0).min(MOST_LOW_BITS);
    let starts = [bits(median), bits(largest).saturating_sub(2)];
    let walked = starts.map(|start| {
        let up = walk_downhill(start..=MOST_LOW_BITS, cost);
        let down = walk_downhill((0..=start).rev(), cost);
        up.min(down)
    });
    walked[0].min(walked[1]).1
}

/// The cheapest of `parameters` up to where they become dearer again, with its cost before it.
fn walk_downhill(parameters: impl Iterator<Item = u32>, cost: impl Fn(u32) -> u64) -> (u64, u32) {
    let mut best = (u64::MAX, 0);
    for parameter in parameters {
        let candidate = (cost(parameter), parameter);
        if candidate.0 > best.0 {
            break;
        }
        best = candidate;
    }
    best
}

fn rice_length(value: u64, parameter: u32) -> u32 {
    let ones = value >> parameter;
    if ones < u64::from(ESCAPE) {
        return ones as u32 + 1 + parameter;
    }
    let bytes = (ones.ilog2() + 1).div_ceil(7);
    ESCAPE + 1 + parameter + 8 * bytes
}

/// Bits, the lowest of each byte first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    pending: u128,
    length: u32,
}

impl BitWriter {
    fn put(&mut self, bits: u64, length: u32) {
        self.pending |= u128::from(bits) << self.length;
        self.length += length;
        while self.length >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.length -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.length > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

/// LEB128.
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub(super) fn take_varint(input: &mut &[u8]) -> Result<u64, DecodeError> {
    match input {
        [byte, rest @ ..] if *byte < 0x80 => {
            *input = rest;
            Ok(u64::from(*byte))
        }
        [low, high, rest @ ..] if *high < 0x80 => {
            *input = rest;
            Ok(u64::from(*high) << 7 | u64::from(low & 0x7f))
        }
        _ => take_long_varint(input),
    }
}

#[inline(never)]
fn take_long_varint(input: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(DecodeError::Truncated)?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(DecodeError::Overflow);
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DecodeError::Overflow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values of every size, so that parameters, escapes and the 64-bit edge all occur.
    fn value() -> impl Strategy<Value = u64> {
        prop_oneof![0..4u64, 0..100_000u64, any::<u64>(), Just(u64::MAX)]
    }

    fn encoded(values: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn round_trip(values in prop::collection::vec(value(), 0..600), scale in 1..1000u64) {
            let values: Vec<_> = values.iter().map(|value| value.saturating_mul(scale)).collect();
            let bytes = encoded(&values);
            let mut input = bytes.as_slice();
            let mut decoded = Vec::new();
            decode(&mut input, values.len(), &mut decoded).unwrap();
            let mut skipped = bytes.as_slice();
            skip(&mut skipped).unwrap();
            prop_assert!(skipped.is_empty());
            prop_assert_eq!(decoded, values);
            prop_assert!(input.is_empty());
        }

        #[test]
        fn the_parameter_is_nearly_the_best(
            values in prop::collection::vec(prop_oneof![0..20u64, 0..2_000u64, 50_000..70_000u64], 1..80),
        ) {
            let cost = |parameter| -> u32 {
                values.iter().map(|value| rice_length(*value, parameter)).sum()
            };
            let least = (0..=MOST_LOW_BITS).map(cost).min().unwrap();
            let found = cost(best_parameter(&values));
            prop_assert!(found <= least + least / 4 + 8, "{found} bits instead of {least}");
        }
    }

    /// Two sockets 10 ms apart every minute took 88 bits for every second difference.
    #[test]
    fn long_and_short_differences_in_turn_cost_what_the_long_ones_need() {
        let values: Vec<u64> = (0..500)
            .map(|i| if i % 2 == 0 { 10 + i % 3 } else { 57_000 + i * 37 % 6_000 })
            .collect();
        assert!(encoded(&values).len() <= 500 * 17 / 8, "{}", encoded(&values).len());
    }

    /// Zeros that were not there were taken for values.
    #[test]
    fn a_count_that_is_too_high_is_an_error() {
        let values = [0, 1, 0, 0, 2, 1, 0, 0, 1];
        let bytes = encoded(&values);
        let mut decoded = Vec::new();
        assert_eq!(decode(&mut &*bytes, values.len(), &mut decoded), Ok(()));
        for count in values.len() + 1..100 {
            assert_eq!(decode(&mut &*bytes, count, &mut decoded), Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn what_is_regular_costs_next_to_nothing() {
        assert!(encoded(&[60_000; 500]).len() <= 4);
        let whole_seconds: Vec<u64> = (0..500).map(|i| 1000 * (58 + i % 5)).collect();
        let milliseconds: Vec<u64> = (0..500).map(|i| 1000 * (58 + i % 5) + i * 37 % 997).collect();
        assert!(encoded(&whole_seconds).len() * 3 < encoded(&milliseconds).len());
    }

    #[test]
    fn one_long_gap_does_not_spoil_the_rest() {
        let mut values = [1000, 1001, 1003, 999].repeat(100);
        let without = encoded(&values).len();
        values[200] = 8 * 3_600_000;
        assert!(encoded(&values).len() < without + 20);
    }
}
