//! Activity over a span of time in one line of text.

use super::bars;

/// Characters of a line.
const WIDTH: usize = 24;
/// None, and from few to most.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The connections at `times_ms` (sorted) in 24 equal parts of `span_ms` (both ends in), each as a block as
/// high as its share of the fullest; the lowest block stands for none.
pub fn sparkline(times_ms: &[i64], (from_ms, to_ms): (i64, i64)) -> String {
    let mut counts = [0; WIDTH];
    let width = ((to_ms - from_ms + 1) as f64 / WIDTH as f64).max(f64::MIN_POSITIVE);
    bars::add(&mut counts, times_ms, |time| ((time - from_ms) as f64 / width) as usize);
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
