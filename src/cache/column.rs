//! One column of a block: a sequence of integers in as few bits as its spread allows.
//!
//! Every value is stored as `(value - least) / common divisor` in a Rice code (R. F. Rice,
//! "Some Practical Universal Noiseless Coding Techniques", JPL 79-22, 1979), which is within a
//! few hundredths of a bit of the best for the exponential spread that arrival times have. The
//! divisor makes whole-second journals small, and a constant column costs no bits at all.

use super::block::DecodeError;

/// A longer unary part is written as this many ones and the plain value: one eight-hour gap
/// among one-second intervals must not cost 28,800 bits.
const ESCAPE: u32 = 24;

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
    let mut bits = BitWriter::default();
    for value in quotients {
        bits.put_rice(value, parameter);
    }
    let bytes = bits.finish();
    out.push(parameter as u8);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(&bytes);
}

/// Takes a column of `count` values off the front of `input` and hands them to `take`.
#[inline]
pub(super) fn decode(
    input: &mut &[u8],
    count: usize,
    mut take: impl FnMut(u64) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let least = take_varint(input)?;
    let divisor = take_varint(input)?;
    if divisor == 0 {
        return (0..count).try_for_each(|_| take(least));
    }
    let (parameter, bytes) = take_bits(input)?;
    let mut bits = BitReader::new(bytes);
    for _ in 0..count {
        let value;
        (value, bits) = bits.take_rice(parameter)?;
        let scaled = value.checked_mul(divisor);
        let value = scaled.and_then(|scaled| scaled.checked_add(least));
        take(value.ok_or(DecodeError::Overflow)?)?;
    }
    Ok(())
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
    if parameter > 63 {
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
    let mut sorted = values.to_vec();
    let middle = sorted.len() / 2;
    let median = *sorted.select_nth_unstable(middle).1;
    let largest = values.iter().max().copied().unwrap_or(0);
    let bits = |value: u64| value.checked_ilog2().unwrap_or(0);
    let starts = [bits(median), bits(largest).saturating_sub(2)];
    let walked = starts.map(|start| {
        let up = walk_downhill(start..64, cost);
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
    let quotient = value >> parameter;
    if quotient < u64::from(ESCAPE) { quotient as u32 + 1 + parameter } else { ESCAPE + 64 }
}

/// Bits, the lowest of each byte first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    pending: u128,
    length: u32,
}

impl BitWriter {
    fn put_rice(&mut self, value: u64, parameter: u32) {
        let quotient = value >> parameter;
        if quotient < u64::from(ESCAPE) {
            self.put((1 << quotient) - 1, quotient as u32 + 1);
            self.put(value & ((1 << parameter) - 1), parameter);
        } else {
            self.put((1 << ESCAPE) - 1, ESCAPE);
            self.put(value, 64);
        }
    }

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

#[derive(Clone, Copy)]
struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits taken from `bytes` and not yet consumed; those above `length` are undefined.
    window: u64,
    length: u32,
}

impl<'a> BitReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, window: 0, length: 0 }
    }

    /// Fills the window to at least 56 bits, or to all that is left.
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(next) = self.bytes.first_chunk::<8>() {
            self.window |= u64::from_le_bytes(*next) << self.length;
            let taken = (63 - self.length) / 8;
            self.bytes = &self.bytes[taken as usize..];
            self.length += taken * 8;
            return;
        }
        while self.length <= 56
            && let Some((&byte, rest)) = self.bytes.split_first()
        {
            self.window |= u64::from(byte) << self.length;
            self.bytes = rest;
            self.length += 8;
        }
    }

    #[inline]
    fn consume(&mut self, length: u32) -> Result<(), DecodeError> {
        self.length = self.length.checked_sub(length).ok_or(DecodeError::Truncated)?;
        self.window >>= length;
        Ok(())
    }

    /// Up to 32 bits.
    fn take(&mut self, length: u32) -> Result<u64, DecodeError> {
        self.refill();
        let bits = self.window & ((1 << length) - 1);
        self.consume(length)?;
        Ok(bits)
    }

    /// A value, and what is left; by value, so that the window stays in registers.
    #[inline(always)]
    fn take_rice(mut self, parameter: u32) -> Result<(u64, Self), DecodeError> {
        self.refill();
        let quotient = self.window.trailing_ones();
        let length = quotient + 1 + parameter;
        if quotient >= ESCAPE || parameter > 31 || length > self.length {
            return self.take_long_rice(quotient, parameter);
        }
        // The window holds the longest of these.
        let low = self.window >> (quotient + 1) & ((1 << parameter) - 1);
        self.window >>= length;
        self.length -= length;
        Ok((u64::from(quotient) << parameter | low, self))
    }

    #[cold]
    fn take_long_rice(mut self, quotient: u32, parameter: u32) -> Result<(u64, Self), DecodeError> {
        if quotient >= ESCAPE {
            self.consume(ESCAPE)?;
            return Ok((self.take(32)? | self.take(32)? << 32, self));
        }
        self.consume(quotient + 1)?;
        let low_length = parameter.min(31);
        let low = self.take(low_length)?;
        let high = if parameter > 31 { self.take(parameter - 31)? << 31 } else { 0 };
        let top = u64::from(quotient);
        if parameter > 0 && top > u64::MAX >> parameter {
            return Err(DecodeError::Overflow);
        }
        Ok((top << parameter | high | low, self))
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

pub(super) fn take_varint(input: &mut &[u8]) -> Result<u64, DecodeError> {
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
            decode(&mut input, values.len(), |value| {
                decoded.push(value);
                Ok(())
            })
            .unwrap();
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
            let least = (0..64).map(cost).min().unwrap();
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
