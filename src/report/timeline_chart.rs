//! A candidate's check-ins along the window: a line each, or where there are many, how many there
//! were in each part of it.

use maud::{Markup, html};

use super::checkins::CheckIn;
use super::facts::Facts;
use super::time_axis::{Columns, TimeAxis};
use crate::words;

/// So many lines to the width of the picture can be told apart on a telephone.
const MOST_LINES: f64 = 120.0;
/// Bars to the width, and check-ins that a bar should stand for.
const BARS: (f64, f64) = (24.0, 144.0);
const CHECKINS_A_BAR: f64 = 4.0;
/// In pixels.
const HEIGHT: u32 = 60;

/// How check-ins are laid along the window, here and wherever they are drawn over time.
#[derive(Clone, Copy)]
pub(super) enum Layout {
    /// Each by itself.
    Single(TimeAxis),
    /// Together, in parts of the window.
    Columns(TimeAxis, Columns),
}

impl Layout {
    /// For check-ins, as dense as they are from the first to the last.
    pub(super) fn of(axis: TimeAxis, checkins: &[CheckIn]) -> Layout {
        let ends = checkins.first().zip(checkins.last());
        let share =
            ends.map_or(1.0, |(first, last)| axis.share(last.time_ms) - axis.share(first.time_ms));
        let to_the_width = checkins.len() as f64 / share.max(0.01);
        if checkins.len() <= 2 || to_the_width <= MOST_LINES {
            return Layout::Single(axis);
        }
        let bars = (to_the_width / CHECKINS_A_BAR).clamp(BARS.0, BARS.1);
        Layout::Columns(axis, axis.columns(bars as i64))
    }

    pub(super) fn axis(self) -> TimeAxis {
        match self {
            Layout::Single(axis) | Layout::Columns(axis, _) => axis,
        }
    }
}

/// The picture's data.
pub(super) struct TimelineChart {
    axis: TimeAxis,
    bars: Bars,
    checkins: usize,
    /// Seconds, and unix milliseconds of its begin.
    longest_pause: Option<(f64, i64)>,
}

enum Bars {
    /// Where each check-in is, as shares of the width.
    Lines(Vec<f64>),
    Counts {
        columns: Columns,
        counts: Vec<u64>,
        /// In a column, if every check-in were made.
        expected: Option<f64>,
    },
}

impl TimelineChart {
    pub(super) fn of(checkins: &[CheckIn], facts: &Facts, layout: Layout) -> TimelineChart {
        let bars = match layout {
            Layout::Single(axis) => {
                Bars::Lines(checkins.iter().map(|each| axis.share(each.time_ms)).collect())
            }
            Layout::Columns(_, columns) => {
                let mut counts = vec![0; columns.number()];
                for checkin in checkins {
                    if let Some(count) = counts.get_mut(columns.of(checkin.time_ms)) {
                        *count += 1;
                    }
                }
                // So many more would press the bars down.
                let most = 3 * counts.iter().max().copied().unwrap_or(0);
                let expected = expected(facts, columns).filter(|each| *each <= most as f64);
                Bars::Counts { columns, counts, expected }
            }
        };
        let pauses = checkins.windows(2).map(|pair| (pair[1].time_ms - pair[0].time_ms, pair[0]));
        let longest = pauses.max_by_key(|(pause_ms, _)| *pause_ms);
        TimelineChart {
            axis: layout.axis(),
            bars,
            checkins: checkins.len(),
            longest_pause: longest
                .map(|(pause_ms, before)| (pause_ms as f64 / 1000.0, before.time_ms)),
        }
    }

    /// What is to be seen, in words.
    pub(super) fn caption(&self) -> String {
        let number = words::count(self.checkins as u64, "check-in");
        let mut caption = match &self.bars {
            Bars::Lines(_) => format!("{number}, a line each."),
            Bars::Counts { columns, counts, expected } => {
                let most = words::number(counts.iter().max().copied().unwrap_or(0));
                let step = words::duration(columns.step_s as f64);
                let dashed = match expected {
                    Some(_) => "; dashed: as many as the period makes",
                    None => "",
                };
                format!("{number}; a bar is {step}, the highest {most}{dashed}.")
            }
        };
        if let Some((seconds, from_ms)) = self.longest_pause {
            let (pause, from) = (words::duration(seconds), words::time(from_ms));
            caption += &format!(" Longest pause: {pause}, from {from}.");
        }
        caption
    }

    /// The picture, with `id` as the begin of its parts' ids.
    pub(super) fn picture(&self, id: &str) -> Markup {
        let (title, desc) = (format!("{id}-title"), format!("{id}-desc"));
        html! {
            svg .chart role="img" aria-labelledby={ (title) " " (desc) } width="100%"
                height=(HEIGHT + 20) {
                title id=(title) { "Check-ins over the window" }
                desc id=(desc) { (self.caption()) }
                (self.axis.markup(0, HEIGHT))
                svg width="100%" height=(HEIGHT) viewBox={ "0 0 1000 " (HEIGHT) }
                    preserveAspectRatio="none" { (self.plot()) }
            }
        }
    }

    fn plot(&self) -> Markup {
        let height = f64::from(HEIGHT);
        match &self.bars {
            Bars::Lines(places) => {
                let lines = places.iter().map(|x| format!("M{:.1} 6V{HEIGHT}", x * 1000.0));
                html! { path .line d=(lines.collect::<String>()) {} }
            }
            Bars::Counts { columns, counts, expected } => {
                let most = counts.iter().max().copied().unwrap_or(0) as f64;
                let most = most.max(expected.unwrap_or(0.0));
                let y = |count: f64| height - (height - 6.0) * count / most.max(1.0);
                let bar = |(column, count): (usize, &u64)| {
                    let (left, right) = columns.span(column);
                    let (left, right) = (left * 1000.0, right * 1000.0);
                    let (gap, top) = ((right - left) * 0.1, y(*count as f64).min(height - 1.5));
                    format!("M{:.1} {HEIGHT}V{top:.1}H{:.1}V{HEIGHT}Z", left + gap, right - gap)
                };
                let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(bar);
                html! {
                    path .bar d=(bars.collect::<String>()) {}
                    @if let Some(expected) = expected {
                        path .expected d={ "M0 " (format!("{:.1}", y(*expected))) "H1000" } {}
                    }
                }
            }
        }
    }
}

/// Of several agents each has its own period.
fn expected(facts: &Facts, columns: Columns) -> Option<f64> {
    let period = facts.number("period").filter(|period| *period > 0.0)?;
    (facts.count("agents") <= Some(1)).then_some(columns.step_s as f64 / period)
}
