//! How many connections fall into each of some equal parts of time.

/// Of `sorted` points in time, the number in each of `N` bars; `bar` says which one is a point's, and
/// no later point's is lower.
pub(super) fn heights<const N: usize>(sorted: &[i64], bar: impl Fn(&i64) -> usize) -> [u64; N] {
    let mut heights = [0; N];
    let mut rest = sorted;
    while let Some(first) = rest.first().map(&bar) {
        let (same, later) = rest.split_at(rest.partition_point(|point| bar(point) <= first));
        if let Some(height) = heights.get_mut(first.min(N - 1)) {
            *height += same.len() as u64;
        }
        rest = later;
    }
    heights
}
