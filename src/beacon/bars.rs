//! How many connections fall into each of some equal parts of time.

/// Adds points in time, `sorted`, to the heights of the `bar` that each falls into: its number, which does
/// not fall as time goes on. What is beyond the last bar is in it.
pub(super) fn add<const N: usize>(
    heights: &mut [u64; N],
    sorted: &[i64],
    bar: impl Fn(&i64) -> usize,
) {
    let mut rest = sorted;
    while let Some(first) = rest.first().map(&bar) {
        let (same, later) = rest.split_at(rest.partition_point(|point| bar(point) <= first));
        if let Some(height) = heights.get_mut(first.min(N - 1)) {
            *height += same.len() as u64;
        }
        rest = later;
    }
}
