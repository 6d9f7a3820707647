//! The fields of a line between separators.
//!
//! Such fields are short, so that a search for each separator costs more than it skips: eight
//! bytes are looked at together, and all separators among them are found at once.

/// The low bits of eight bytes.
const LOW_BITS: u64 = u64::from_le_bytes([0x7f; 8]);

/// Fields as `str::split` gives them, for a separator of one byte.
pub(super) struct Fields<'l> {
    line: &'l str,
    /// The separator, eight times.
    separators: u64,
    /// Where the next field begins; `None` after the last.
    from: Option<usize>,
    /// The highest bit of each byte that is a separator, of the eight before `ahead`.
    found: u64,
    ahead: usize,
}

impl<'l> Fields<'l> {
    /// Of a line with this separator, which must be ASCII.
    pub(super) fn new(line: &'l str, separator: u8) -> Fields<'l> {
        let separators = u64::from_le_bytes([separator; 8]);
        Fields { line, separators, from: Some(0), found: 0, ahead: 0 }
    }

    /// Looks at the next eight bytes.
    #[inline]
    fn look_ahead(&mut self) {
        let rest = &self.line.as_bytes()[self.ahead..];
        let bytes = rest.first_chunk().copied().unwrap_or_else(|| self.padded(rest));
        let differences = u64::from_le_bytes(bytes) ^ self.separators;
        // The highest bit of a byte stays 0 only where there is no difference at all.
        self.found = !((differences & LOW_BITS) + LOW_BITS | differences | LOW_BITS);
        self.ahead += 8;
    }

    /// The last bytes, and no separator after them.
    fn padded(&self, rest: &[u8]) -> [u8; 8] {
        let mut padded = [!self.separators as u8; 8];
        padded[..rest.len()].copy_from_slice(rest);
        padded
    }
}

impl<'l> Iterator for Fields<'l> {
    type Item = &'l str;

    #[inline]
    fn next(&mut self) -> Option<&'l str> {
        let from = self.from?;
        while self.found == 0 {
            if self.ahead >= self.line.len() {
                self.from = None;
                return self.line.get(from..);
            }
            self.look_ahead();
        }
        let to = self.ahead - 8 + self.found.trailing_zeros() as usize / 8;
        self.found &= self.found - 1;
        self.from = Some(to + 1);
        self.line.get(from..to)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_split_as_str_does_it(line in "[a\\t\u{8}\n\u{89}\u{20ac}|]{0,40}") {
            for separator in ['\t', '|'] {
                let fields = Fields::new(&line, separator as u8);
                prop_assert!(fields.eq(line.split(separator)), "{line:?}");
            }
        }
    }
}
