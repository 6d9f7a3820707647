//! Sets of multiples of a period, a bit for each.

/// Some of the multiples from 1 to 31.
#[derive(Clone, Copy, Default)]
pub(super) struct Multiples(u32);

impl Multiples {
    /// A set of these.
    pub(super) const fn of(numbers: &[u32]) -> Multiples {
        let (mut set, mut at) = (0, 0);
        while at < numbers.len() {
            set |= 1 << numbers[at];
            at += 1;
        }
        Multiples(set)
    }

    pub(super) fn contains(self, number: u32) -> bool {
        self.0 >> number & 1 == 1
    }

    pub(super) fn insert(&mut self, number: u32) {
        self.0 |= 1 << number;
    }

    /// The highest of them; 0 without any.
    pub(super) fn highest(self) -> u32 {
        self.0.checked_ilog2().unwrap_or(0)
    }

    pub(super) fn are_all_in(self, others: Multiples) -> bool {
        self.0 & !others.0 == 0
    }
}
