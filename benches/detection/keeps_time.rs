//! Whether connections keep time, by a mark that has nothing to do with any score.

use beacon_candidates::beacon::checkins::merge;

/// Over any of these gaps connections may have been merged, in milliseconds.
const MERGE_GAPS_MS: [i64; 3] = [1_000, 10_000, 60_000];
const MULTIPLES: f64 = 5.0;
const NEAR: f64 = 0.1;
/// Fewer intervals say nothing.
const FEWEST: usize = 4;
const SHARE: f64 = 0.6;

/// Whether most of the intervals lie near one of five multiples of one of them.
pub fn keeps_time(times_ms: &[i64]) -> bool {
    MERGE_GAPS_MS.iter().any(|gap_ms| keep_time(&merge(times_ms, *gap_ms)))
}

fn keep_time(checkins_ms: &[i64]) -> bool {
    let mut intervals: Vec<f64> =
        checkins_ms.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    if intervals.len() < FEWEST {
        return false;
    }
    intervals.sort_by(f64::total_cmp);
    let step = intervals.len().div_ceil(50).max(1);
    intervals.iter().step_by(step).any(|period| {
        let is_near = |interval: &&f64| {
            let multiple = (**interval / period).round().clamp(1.0, MULTIPLES);
            (**interval / multiple - period).abs() <= NEAR * period
        };
        let near = intervals.iter().filter(is_near).count();
        near as f64 >= SHARE * intervals.len() as f64
    })
}
