//! One column of a block: a sequence of integers in as few bits as its spread allows.
//!
//! Every value is stored as `(value - least) / common divisor` in a fixed number of low bits; where
//! a value needs more, its high bits stand behind all low ones: the patched frame of reference of
//! M. Zukowski, S. Heman, N. Nes and P. Boncz, "Super-Scalar RAM-CPU Cache Compression" (ICDE
//! 2006). No value's place depends on another's, which is what makes it quick to read. The divisor
//! makes whole-second journals small, and a constant column costs no bits at all.

use crate::varint::{DecodeError, put_varint, take_varint};

/// The most low bits, so that any of them lie within eight bytes.
const MOST_LOW_BITS: u32 = 56;

/// Appends `values` to `out`; `decode` needs to be told their count.
pub(crate) fn encode(values: &[u64], out: &mut Vec<u8>) {
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
    let width = best_width(&quotients);
    let (mut low, mut high, mut behind) = (BitWriter::default(), Vec::new(), 0);
    for (at, value) in quotients.into_iter().enumerate() {
        low.put(value & low_mask(width), width);
        if value >> width != 0 {
            put_varint((at - behind) as u64, &mut high);
            put_varint(value >> width, &mut high);
            behind = at;
        }
    }
    let low = low.finish();
    out.push(width as u8);
    put_varint((low.len() + high.len()) as u64, out);
    out.extend(low);
    out.extend(high);
}

/// Takes a column of `count` values off the front of `input` into `values`, in place of what they hold.
/// On an error they are of no use.
pub(crate) fn decode(
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
    let (width, bytes) = take_bits(input)?;
    let length_of_low = (count * width as usize).div_ceil(8);
    let (low, mut high) = bytes.split_at_checked(length_of_low).ok_or(DecodeError::Truncated)?;
    unpack(low, width, values);
    let (mut at, mut largest) = (0, low_mask(width));
    while !high.is_empty() {
        at = usize::try_from(take_varint(&mut high)?).map_or(count, |gap| gap.saturating_add(at));
        let bits = take_varint(&mut high)?;
        let value = values.get_mut(at).filter(|_| bits <= u64::MAX >> width);
        let value = value.ok_or(DecodeError::Overflow)?;
        *value |= bits << width;
        largest = largest.max(*value);
    }
    if divisor == 1 && largest.checked_add(least).is_some() {
        values.iter_mut().for_each(|value| *value += least);
        return Ok(());
    }
    for value in values {
        let scaled = value.checked_mul(divisor).and_then(|product| product.checked_add(least));
        *value = scaled.ok_or(DecodeError::Overflow)?;
    }
    Ok(())
}

/// Fills `values` with numbers of `width` bits each, by a loop for each usual width: where it is known
/// when that is compiled, so are all places, and it takes a third of the steps.
fn unpack(bytes: &[u8], width: u32, values: &mut [u64]) {
    macro_rules! with_constant_shifts {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_eights::<$width>(bytes, values),)*
                _ => unpack_each(bytes, width, values),
            }
        };
    }
    with_constant_shifts!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28);
}

/// Eight numbers of n bits fill n bytes, and each lies in all eights at the same place.
fn unpack_eights<const WIDTH: usize>(bytes: &[u8], values: &mut [u64]) {
    let mut from = 0;
    let (eights, _) = values.as_chunks_mut::<8>();
    for eight in eights {
        let Some(window) = bytes.get(from..from + WIDTH + 8) else {
            break;
        };
        for (index, value) in eight.iter_mut().enumerate() {
            let position = index * WIDTH;
            *value = word(window, position / 8) >> (position % 8) & low_mask(WIDTH as u32);
        }
        from += WIDTH;
    }
    let rest = values.get_mut(from / WIDTH * 8..).unwrap_or_default();
    unpack_each(bytes.get(from..).unwrap_or_default(), WIDTH as u32, rest);
}

fn unpack_each(bytes: &[u8], width: u32, values: &mut [u64]) {
    let mut position = 0;
    for value in values {
        *value = word(bytes, position / 8) >> (position % 8) & low_mask(width);
        position += width as usize;
    }
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

fn low_mask(width: u32) -> u64 {
    (1 << width) - 1
}

/// Takes a column off the front of `input` undecoded.
pub(crate) fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
    take_varint(input)?;
    if take_varint(input)? != 0 {
        take_bits(input)?;
    }
    Ok(())
}

fn take_bits<'a>(input: &mut &'a [u8]) -> Result<(u32, &'a [u8]), DecodeError> {
    let (&width, rest) = input.split_first().ok_or(DecodeError::Truncated)?;
    *input = rest;
    let length = usize::try_from(take_varint(input)?).map_err(|_| DecodeError::Truncated)?;
    if u32::from(width) > MOST_LOW_BITS {
        return Err(DecodeError::Overflow);
    }
    let (bytes, rest) = input.split_at_checked(length).ok_or(DecodeError::Truncated)?;
    *input = rest;
    Ok((width.into(), bytes))
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

/// The number of low bits with which `values` take the least space.
fn best_width(values: &[u64]) -> u32 {
    let mut of_length = [0_u64; u64::BITS as usize + 1];
    let mut longest = 0;
    for value in values {
        let length = u64::BITS - value.leading_zeros();
        of_length[length as usize] += 1;
        longest = longest.max(length);
    }
    let present: Vec<(u32, u64)> =
        (0..=longest).zip(of_length).filter(|(_, count)| *count > 0).collect();
    let cost = |width: u32| -> u64 {
        let longer = present.iter().rev().take_while(|(length, _)| *length > width);
        let high: u64 = longer.map(|(length, count)| count * high_length(length - width)).sum();
        values.len() as u64 * u64::from(width) + high
    };
    (0..=longest.min(MOST_LOW_BITS)).min_by_key(|width| cost(*width)).unwrap_or(0)
}

/// What this number of high bits takes behind the low ones, in bits: their place takes one byte, nearly
/// always.
fn high_length(bits: u32) -> u64 {
    8 + 8 * u64::from(bits.div_ceil(7))
}

/// Bits, the lowest of each byte first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    length: u32,
}

impl BitWriter {
    /// Fewer than 64.
    fn put(&mut self, bits: u64, length: u32) {
        self.pending |= bits << self.length;
        self.length += length;
        if self.length >= u64::BITS {
            self.bytes.extend_from_slice(&self.pending.to_le_bytes());
            self.length -= u64::BITS;
            self.pending = bits >> (length - self.length);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let rest = self.pending.to_le_bytes();
        self.bytes.extend(rest.iter().take(self.length.div_ceil(8) as usize));
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values of every size, so that widths, high bits and the 64-bit edge all occur.
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
        fn no_other_width_takes_less(
            values in prop::collection::vec(prop_oneof![0..20u64, 0..2_000u64, 50_000..70_000u64], 1..80),
        ) {
            let cost = |width: u32| -> u64 {
                let high = values.iter().map(|value| match value.checked_shr(width).unwrap_or(0) {
                    0 => 0,
                    bits => high_length(bits.ilog2() + 1),
                });
                u64::from(width) * values.len() as u64 + high.sum::<u64>()
            };
            prop_assert_eq!(cost(best_width(&values)), (0..=MOST_LOW_BITS).map(cost).min().unwrap());
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
    fn a_count_that_the_bytes_are_too_few_for_is_an_error() {
        let bytes = encoded(&[0, 1, 0, 0, 2, 1, 0, 3]);
        let mut decoded = Vec::new();
        for count in 9..100 {
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
