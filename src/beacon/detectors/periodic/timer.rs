//! A timer: the windows around the multiples of its period in which intervals of it lie.

/// The multiples of the period that are looked at. An interval of k periods is k sleeps, with k - 1
/// check-ins missed between them.
pub(super) const MULTIPLES: usize = 5;
/// The least width of half a window, in seconds, because clocks and networks are not exact.
const NARROWEST_S: f64 = 0.05;

/// A timer that is set anew at every check-in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timer {
    /// The period, in seconds.
    pub(super) period_s: f64,
    /// Half of the first window, as a share of the period.
    pub(super) width: f64,
    /// Up to which multiple of the period there are windows.
    pub(super) multiples: usize,
    /// How exactly times are known, in seconds; 0 where they are known to the millisecond.
    pub(super) resolution_s: f64,
}

/// Lengths of intervals, in seconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    /// The multiple of the period, from 1.
    pub(super) multiple: usize,
    pub(super) from_s: f64,
    pub(super) to_s: f64,
    /// It begins where the window before ends, which has what lies on the border.
    pub(super) adjoins: bool,
}

impl Timer {
    /// Half of a window is no narrower than this, in seconds.
    pub(super) fn narrowest_s(resolution_s: f64) -> f64 {
        (0.5 * resolution_s).max(NARROWEST_S)
    }

    /// Its windows, the shortest first. The deviations of k sleeps add up like the square root of k. No
    /// two windows overlap.
    pub(super) fn windows(self) -> impl Iterator<Item = Window> {
        let Timer { period_s, width, multiples, resolution_s } = self;
        let narrowest_s = Timer::narrowest_s(resolution_s);
        let mut covered_s = 0.0;
        (1..=multiples).map(move |multiple| {
            let middle_s = multiple as f64 * period_s;
            let half_s = (width * (multiple as f64).sqrt() * period_s).max(narrowest_s);
            let (begin_s, to_s) = (middle_s - half_s, middle_s + half_s);
            let adjoins = begin_s <= covered_s && multiple > 1;
            let from_s = f64::max(begin_s, covered_s);
            covered_s = to_s;
            Window { multiple, from_s, to_s, adjoins }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_are_in_order_around_the_multiples_and_do_not_overlap(
            period_s in 1.0..100_000.0,
            width in 0.001..0.65,
            is_whole: bool,
        ) {
            let resolution_s = f64::from(u8::from(is_whole));
            let timer = Timer { period_s, width, multiples: MULTIPLES, resolution_s };
            let windows: Vec<Window> = timer.windows().collect();
            for window in &windows {
                let middle_s = window.multiple as f64 * period_s;
                // The one before may reach beyond the middle.
                let reach_s = window.to_s - middle_s;
                prop_assert!(reach_s > 0.0 && window.from_s <= window.to_s, "{window:?}");
                prop_assert!(window.adjoins || window.from_s >= middle_s - reach_s - 1e-6);
            }
            for pair in windows.windows(2) {
                prop_assert!(pair[0].to_s <= pair[1].from_s, "{pair:?}");
                prop_assert_eq!(pair[1].adjoins, pair[0].to_s == pair[1].from_s);
            }
        }
    }
}
