//! How long a candidate's intervals are: a histogram up to some periods, with the period, the band
//! of its jitter, and the multiples at which check-ins are missing.

use maud::{Markup, html};

use super::checkins::CheckIn;
use super::facts::Facts;
use crate::beacon::periodicity::MOST_PERIODS;
use crate::words;

/// Multiples of the period that are drawn; what is longer is one bar.
const MULTIPLES: usize = 4;
/// Half a period more, so that the last has room.
const PERIODS: f64 = MULTIPLES as f64 + 0.5;
/// Bins of a period, where these are a second or longer.
const BINS_A_PERIOD: f64 = 16.0;
/// In pixels.
const HEIGHT: u32 = 96;
/// Room above the bars for their numbers.
const HEAD: u32 = 16;
/// The width of [`PERIODS`], as a share; the last bar comes after it.
const WIDTH: f64 = 0.9;
const LAST_BAR: (f64, f64) = (0.94, 1.0);

/// The picture's data.
pub(super) struct IntervalChart {
    /// Seconds.
    period: f64,
    /// A share of the period.
    jitter: f64,
    /// Seconds.
    bin: f64,
    /// From where to where in seconds, and how many.
    bins: Vec<(f64, f64, u64)>,
    /// How many are nearest to 1, 2, … periods.
    multiples: [u64; MULTIPLES],
    /// How many are longer.
    longer: u64,
    /// And of these so long that the host was absent.
    absences: u64,
    intervals: usize,
    /// Whether several agents check in by turns.
    has_turns: bool,
}

impl IntervalChart {
    /// `None` where there is no period.
    pub(super) fn of(checkins: &[CheckIn], facts: &Facts) -> Option<IntervalChart> {
        let period = facts.number("period").filter(|period| *period > 0.0)?;
        let intervals_ms = || checkins.windows(2).map(|pair| pair[1].time_ms - pair[0].time_ms);
        let bin = bin(period, intervals_ms().all(|interval_ms| interval_ms % 1000 == 0));
        // Bins lie around the period, so that the first may begin before 0.
        let place = |interval: f64| ((interval - period) / bin + 0.5).floor();
        let first = place(0.0);
        let number = (place(PERIODS * period) - first) as usize + 1;
        let mut counts = vec![0_u64; number];
        let (mut multiples, mut longer, mut absences) = ([0; MULTIPLES], 0, 0);
        for interval_ms in intervals_ms() {
            let interval = interval_ms as f64 / 1000.0;
            let periods = (interval / period).round().max(1.0);
            match multiples.get_mut(periods as usize - 1) {
                Some(count) => {
                    *count += 1;
                    if let Some(count) = counts.get_mut((place(interval) - first) as usize) {
                        *count += 1;
                    }
                }
                None => {
                    longer += 1;
                    absences += u64::from(periods > MOST_PERIODS as f64);
                }
            }
        }
        let bins = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
        let bins = bins.map(|(index, count)| {
            let begin = period + (first + index as f64 - 0.5) * bin;
            (begin.max(0.0), (begin + bin).min(PERIODS * period), count)
        });
        Some(IntervalChart {
            period,
            jitter: facts.number("jitter").unwrap_or(0.0),
            bin,
            bins: bins.collect(),
            multiples,
            longer,
            absences,
            intervals: checkins.len().saturating_sub(1),
            has_turns: facts.count("agents") > Some(1),
        })
    }

    /// What is to be seen, in words.
    pub(super) fn caption(&self) -> String {
        let IntervalChart { period, jitter, bin, .. } = *self;
        let mut caption = format!(
            "{} between check-ins, in bins of {}; the period of {} is marked, with its jitter of \
             {}.",
            words::count(self.intervals as u64, "interval"),
            words::duration(bin),
            words::duration(period),
            words::percent(jitter),
        );
        let skipped: u64 = self.multiples[1..].iter().sum();
        if self.has_turns {
            caption += " Several agents take turns: the period is that of each, the intervals are \
                        from one agent's check-in to the next one's.";
        } else if skipped > 0 {
            let skipped = words::number(skipped);
            caption += &format!(" {skipped} are nearer to two, three or four periods than to one.");
        }
        if self.absences > 0 {
            let absences = words::number(self.absences);
            caption += &format!(" {absences} longer than ten periods: not counted as missed.");
        }
        caption
    }

    /// The picture, with `id` as the begin of its parts' ids.
    pub(super) fn picture(&self, id: &str) -> Markup {
        let (title, desc) = (format!("{id}-title"), format!("{id}-desc"));
        html! {
            svg .chart role="img" aria-labelledby={ (title) " " (desc) } width="100%"
                height=(HEIGHT + 32) {
                title id=(title) { "Intervals between check-ins" }
                desc id=(desc) { (self.caption()) }
                svg width="100%" height=(HEIGHT) viewBox={ "0 0 1000 " (HEIGHT) }
                    preserveAspectRatio="none" { (self.plot()) }
                (self.marks())
            }
        }
    }

    /// Seconds as a share of the width.
    fn share(&self, seconds: f64) -> f64 {
        (seconds / (PERIODS * self.period)).clamp(0.0, 1.0) * WIDTH
    }

    fn plot(&self) -> Markup {
        let most = self.bins.iter().map(|bin| bin.2).chain([self.longer]).max().unwrap_or(0);
        let room = f64::from(HEIGHT - HEAD);
        let bar = |(left, right): (f64, f64), count: u64| {
            let height = (room * count as f64 / most.max(1) as f64).max(3.0);
            let (top, left, right) =
                (f64::from(HEIGHT) - height, left * 1000.0 + 1.0, right * 1000.0 - 1.0);
            format!("M{left:.1} {HEIGHT}V{top:.1}H{:.1}V{HEIGHT}Z", right.max(left + 2.0))
        };
        let bars = self
            .bins
            .iter()
            .map(|(begin, end, count)| bar((self.share(*begin), self.share(*end)), *count));
        let longer = (self.longer > 0).then(|| bar(LAST_BAR, self.longer));
        let bars: String = bars.chain(longer).collect();
        // At least as wide as can be seen.
        let half = (self.jitter.min(1.0) * self.period).max(self.period * 0.02);
        let band = [self.period - half, self.period + half].map(|at| self.share(at) * 1000.0);
        html! {
            rect .band x=(format!("{:.1}", band[0])) width=(format!("{:.1}", band[1] - band[0]))
                y=(HEAD) height=(HEIGHT - HEAD) {}
            path .bar d=(bars) {}
        }
    }

    fn marks(&self) -> Markup {
        let longer = (LAST_BAR.0 + LAST_BAR.1) / 2.0;
        html! {
            line .mark x1="0" x2="100%" y1=(HEIGHT) y2=(HEIGHT) {}
            @for (index, count) in self.multiples.iter().enumerate() {
                @let periods = (index + 1) as f64;
                @let share = self.share(periods * self.period);
                @let x = format!("{:.2}%", share * 100.0);
                line .multiple .period[index == 0] x1=(x) x2=(x) y1=(HEAD) y2=(HEIGHT) {}
                text .number x=(x) y="11" text-anchor="middle" { (words::number(*count)) }
                text x=(x) y=(HEIGHT + 14) text-anchor="middle" {
                    (words::duration(periods * self.period))
                }
                text .faint x=(x) y=(HEIGHT + 27) text-anchor="middle" {
                    @if index == 0 { "period" } @else { "×" (index + 1) }
                }
            }
            text .number x=(format!("{:.2}%", longer * 100.0)) y="11" text-anchor="middle" {
                (self.longer)
            }
            text .faint x="100%" y=(HEIGHT + 14) text-anchor="end" { "longer" }
        }
    }
}

/// The width of a bin, in seconds. Where all times are whole seconds a bin has to hold equally many
/// of them, or the bars would be uneven for that alone.
fn bin(period: f64, are_whole_seconds: bool) -> f64 {
    let bin = period / BINS_A_PERIOD;
    if are_whole_seconds { bin.ceil() } else { bin }
}
