//! The window along the width of a picture: where a moment lies, and the marks of hours and days.
//!
//! Each chart decides what is drawn over it.

use jiff::Timestamp;
use maud::{Markup, html};

/// Widths of columns and distances of marks, in seconds; each is a whole number of days, or a part
/// of one, and the last is a multiple of all.
const STEPS: [i64; 23] = [
    1,
    2,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
    900,
    1_800,
    3_600,
    7_200,
    10_800,
    21_600,
    43_200,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    YEAR,
];
const DAY: i64 = 86_400;
const YEAR: i64 = 364 * DAY;
/// Marks with a label, on a telephone and elsewhere, and all of them.
const MOST_MARKS: [i64; 3] = [5, 12, 60];

/// The window of a picture.
#[derive(Clone, Copy)]
pub(super) struct TimeAxis {
    since_s: i64,
    /// The last second of it.
    until_s: i64,
}

/// Equal parts of the time, cut at whole minutes, hours or days; the first and the last reach
/// beyond the window.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    axis: TimeAxis,
    /// Seconds.
    pub(super) step_s: i64,
}

impl TimeAxis {
    /// Of a window from one unix second to another, both in it.
    pub(super) fn of((since_s, until_s): (i64, i64)) -> TimeAxis {
        TimeAxis { since_s, until_s }
    }

    fn length_s(self) -> i64 {
        self.until_s.saturating_sub(self.since_s).saturating_add(1).max(1)
    }

    /// Where a moment in unix milliseconds lies: 0 at the window's begin, 1 at its end.
    pub(super) fn share(self, time_ms: i64) -> f64 {
        let since = time_ms as f64 / 1000.0 - self.since_s as f64;
        (since / self.length_s() as f64).clamp(0.0, 1.0)
    }

    /// About as many columns at most.
    pub(super) fn columns(self, most: i64) -> Columns {
        Columns { axis: self, step_s: self.step_s(most, 1) }
    }

    /// The shortest step that divides the window into at most so many parts and that is a multiple
    /// of `of_s`.
    fn step_s(self, most: i64, of_s: i64) -> i64 {
        let fits = |step_s: &i64| self.length_s() / step_s <= most && step_s % of_s == 0;
        let mut longest = YEAR;
        STEPS.into_iter().find(fits).unwrap_or_else(|| {
            while !fits(&longest) && longest < i64::MAX / 2 {
                longest *= 2;
            }
            longest
        })
    }

    /// Lines at hours or days from `top` to `bottom`, with labels below, in pixels; across in
    /// percent, so that only the distances grow with the picture.
    pub(super) fn markup(self, top: u32, bottom: u32) -> Markup {
        let fine_s = self.step_s(MOST_MARKS[2], 1);
        let medium_s = self.step_s(MOST_MARKS[1], fine_s);
        let coarse_s = self.step_s(MOST_MARKS[0], medium_s);
        let first_s = self.since_s.div_euclid(fine_s).saturating_add(1).saturating_mul(fine_s);
        let marks = (0..)
            .map_while(|index| first_s.checked_add(fine_s.checked_mul(index)?))
            .take_while(|second| *second <= self.until_s)
            .take(2 * MOST_MARKS[2] as usize);
        html! {
            @for second in marks {
                @let share = self.share(second.saturating_mul(1000));
                @let x = format!("{:.2}%", share * 100.0);
                @let is_day = second % DAY == 0;
                @let is_labelled = second % medium_s == 0;
                @let from = if is_labelled { top } else { bottom.saturating_sub(4) };
                line .mark .day[is_day && fine_s < DAY] x1=(x) x2=(x) y1=(from) y2=(bottom) {}
                @if is_labelled {
                    text .wide[second % coarse_s != 0] .day[is_day && fine_s < DAY] x=(x)
                        y=(bottom + 14) text-anchor=(anchor(share)) {
                        (label(second, medium_s))
                    }
                }
            }
        }
    }
}

impl Columns {
    /// How many there are.
    pub(super) fn number(self) -> usize {
        self.place(self.axis.until_s).saturating_add(1)
    }

    /// The column of a moment in unix milliseconds.
    pub(super) fn of(self, time_ms: i64) -> usize {
        let second = time_ms.div_euclid(1000).clamp(self.axis.since_s, self.axis.until_s);
        self.place(second)
    }

    fn place(self, second: i64) -> usize {
        let first = self.axis.since_s.div_euclid(self.step_s);
        usize::try_from(second.div_euclid(self.step_s) - first).unwrap_or(0)
    }

    /// From where to where a column reaches, as shares of the picture's width.
    pub(super) fn span(self, column: usize) -> (f64, f64) {
        let first = self.axis.since_s.div_euclid(self.step_s);
        let begin_s = first.saturating_add(column as i64).saturating_mul(self.step_s);
        let share = |second: i64| self.axis.share(second.saturating_mul(1000));
        (share(begin_s), share(begin_s.saturating_add(self.step_s)))
    }
}

/// A label near the edge stays in the picture.
pub(super) fn anchor(share: f64) -> &'static str {
    match share {
        ..0.06 => "start",
        ..0.94 => "middle",
        _ => "end",
    }
}

fn label(second: i64, step_s: i64) -> String {
    let format = match step_s {
        YEAR.. => "%Y-%m",
        DAY.. => "%-d %b",
        _ if second % DAY == 0 => "%-d %b",
        60.. => "%H:%M",
        _ => "%H:%M:%S",
    };
    match Timestamp::from_second(second) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_cover_the_window() {
        let axis = TimeAxis::of((3_599, 7_200 + 86_400));
        let columns = axis.columns(24);
        assert_eq!(columns.step_s, 7_200);
        assert_eq!(columns.number(), 14);
        assert_eq!((columns.of(0), columns.of(7_200_000), columns.of(i64::MAX)), (0, 1, 13));
        assert_eq!(columns.span(0).0, 0.0);
        assert_eq!(columns.span(13).1, 1.0);
    }

    #[test]
    fn any_window_has_few_marks() {
        for window in [(0, 0), (0, i64::MAX), (1_777_881_600, 1_777_967_999), (5, 4_000_000_000)] {
            let axis = TimeAxis::of(window);
            let markup = axis.markup(0, 60).into_string();
            assert!(markup.matches("<line").count() <= 62, "{window:?}");
            assert!(markup.matches("<text").count() <= 13, "{window:?}");
            assert!(axis.columns(100).number() <= 102, "{window:?}");
        }
    }
}
