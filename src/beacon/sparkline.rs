//! Activity over a span of time in one line of text.

use super::bars::heights;

/// Characters of a line.
const WIDTH: usize = 24;
/// None, and from few to most.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The connections at `times_ms` (sorted) in 24 equal parts of `span_ms` (both ends in), each as a block as
/// high as its share of the fullest; the lowest block stands for none.
pub fn sparkline(times_ms: &[i64], span_ms: (i64, i64)) -> String {
    let width = ((span_ms.1 - span_ms.0 + 1) as f64 / WIDTH as f64).max(f64::MIN_POSITIVE);
    let part = |time: &i64| ((time - span_ms.0) as f64 / width) as usize;
    let counts: [u64; WIDTH] = heights(times_ms, part);
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let steps = (LEVELS.len() - 1) as u64;
    counts.iter().map(|count| LEVELS[(count * steps).div_ceil(most) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_span_has_its_block() {
        let times = [0, 50, 100, 1_200, 2_399];
        assert_eq!(sparkline(&times, (0, 2_399)), "█▅▁▁▁▁▁▁▁▁▁▁▅▁▁▁▁▁▁▁▁▁▁▅");
        assert_eq!(sparkline(&[], (0, 0)), "▁".repeat(24));
    }
}
