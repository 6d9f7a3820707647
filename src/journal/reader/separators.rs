//! Where the separators of a line are.
//!
//! The fields between them are short, so that a search for each separator costs more than it
//! skips: those among eight bytes are found together.

/// The lower bits of eight bytes.
const LOWER_BITS: u64 = u64::from_le_bytes([0x7f; 8]);

/// Puts into `positions` where `separator` is in `line`, in place of what they hold.
pub(super) fn find(line: &str, separator: u8, positions: &mut Vec<usize>) {
    positions.clear();
    let separators = u64::from_le_bytes([separator; 8]);
    let (words, rest) = line.as_bytes().as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let differences = u64::from_le_bytes(*word) ^ separators;
        // The highest bit of each byte without a difference; one in the lower bits carries there.
        let carried = (differences & LOWER_BITS) + LOWER_BITS;
        let mut found = !(carried | differences | LOWER_BITS);
        while found != 0 {
            positions.push(8 * index + found.trailing_zeros() as usize / 8);
            found &= found - 1;
        }
    }
    let rest = (8 * words.len()..).zip(rest);
    positions.extend(rest.filter(|(_, byte)| **byte == separator).map(|(at, _)| at));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_separator_is_found_and_nothing_else(
            line in "[a\\t\u{8}\n\u{89}\u{20ac}\u{0}]{0,40}",
        ) {
            let mut positions = vec![7];
            find(&line, b'\t', &mut positions);
            let expected: Vec<_> = line.match_indices('\t').map(|(at, _)| at).collect();
            prop_assert_eq!(positions, expected);
        }
    }
}
