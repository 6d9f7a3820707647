//! How much a candidate sends and receives at each check-in, over the window: a log scale, on which
//! a task's result stands out among check-ins that are alike.

use maud::{Markup, html};

use super::checkins::CheckIn;
use super::time_axis::TimeAxis;
use super::timeline_chart::Layout;
use crate::words;

/// In pixels, of one direction.
const HEIGHT: u32 = 52;
/// Between the two.
const GAP: u32 = 10;

/// The picture's data.
pub(super) struct BytesChart {
    axis: TimeAxis,
    sent: Direction,
    received: Direction,
    /// Powers of ten, of the scale's ends.
    decades: (u32, u32),
}

struct Direction {
    bars: Vec<Bar>,
    /// Check-ins of which it is known.
    known: usize,
    least: u64,
    median: u64,
    most: u64,
}

/// The check-ins at one place, as shares of the width, and the least and the most bytes of them.
#[derive(Clone, Copy)]
struct Bar {
    left: f64,
    right: f64,
    least: u64,
    most: u64,
}

impl BytesChart {
    /// `None` where the journal has no bytes.
    pub(super) fn of(checkins: &[CheckIn], layout: Layout) -> Option<BytesChart> {
        let sent = Direction::of(checkins, layout, |checkin| checkin.bytes_sent);
        let received = Direction::of(checkins, layout, |checkin| checkin.bytes_received);
        let known: Vec<_> = [&sent, &received].into_iter().filter(|each| each.known > 0).collect();
        let least = known.iter().map(|direction| direction.least).min()?;
        let most = known.iter().map(|direction| direction.most).max()?;
        let low = magnitude(least).floor() as u32;
        let high = (magnitude(most).ceil() as u32).max(low + 1);
        Some(BytesChart { axis: layout.axis(), sent, received, decades: (low, high) })
    }

    /// What is to be seen, in words.
    pub(super) fn caption(&self) -> String {
        format!("Sent: {}. Received: {}.", self.sent.caption(), self.received.caption())
    }

    /// The picture, with `id` as the begin of its parts' ids.
    pub(super) fn picture(&self, id: &str) -> Markup {
        let (title, desc) = (format!("{id}-title"), format!("{id}-desc"));
        let bottom = 2 * HEIGHT + GAP;
        html! {
            svg .chart role="img" aria-labelledby={ (title) " " (desc) } width="100%"
                height=(bottom + 20) {
                title id=(title) { "Bytes of each check-in over the window" }
                desc id=(desc) { (self.caption()) }
                (self.axis.markup(0, bottom))
                (self.half(&self.sent, "sent", 0))
                (self.half(&self.received, "received", HEIGHT + GAP))
            }
        }
    }

    fn half(&self, direction: &Direction, name: &str, top: u32) -> Markup {
        let (low, high) = self.decades;
        let step = f64::from(HEIGHT - 6) / f64::from(high - low);
        let y = |magnitude: f64| f64::from(HEIGHT) - 3.0 - (magnitude - f64::from(low)) * step;
        let bar = |bar: &Bar| {
            let (left, right) = (bar.left * 1000.0, bar.right * 1000.0);
            let (top, bottom) = (y(magnitude(bar.most)) - 1.5, y(magnitude(bar.least)) + 1.5);
            format!("M{left:.1} {bottom:.1}V{top:.1}H{right:.1}V{bottom:.1}Z")
        };
        html! {
            @for decade in low..=high {
                @let y = format!("{:.1}", f64::from(top) + y(decade.into()));
                line .decade x1="0" x2="100%" y1=(y) y2=(y) {}
            }
            svg y=(top) width="100%" height=(HEIGHT) viewBox={ "0 0 1000 " (HEIGHT) }
                preserveAspectRatio="none" {
                path class=(name) d=(direction.bars.iter().map(bar).collect::<String>()) {}
            }
            text .scale x="2" y=(top + 10) { (name) " " (decade_label(high)) }
            text .scale x="2" y=(top + HEIGHT - 5) { (decade_label(low)) }
        }
    }
}

impl Direction {
    fn of(
        checkins: &[CheckIn],
        layout: Layout,
        bytes: impl Fn(&CheckIn) -> Option<u64>,
    ) -> Direction {
        let mut bars: Vec<Bar> = Vec::new();
        let mut column_before = None;
        let mut all = Vec::new();
        for checkin in checkins {
            let Some(bytes) = bytes(checkin) else {
                continue;
            };
            all.push(bytes);
            let (column, (left, right)) = match layout {
                Layout::Single(axis) => {
                    let share = axis.share(checkin.time_ms);
                    (None, ((share - 0.003).max(0.0), (share + 0.003).min(1.0)))
                }
                Layout::Columns(_, columns) => {
                    let column = columns.of(checkin.time_ms);
                    (Some(column), columns.span(column))
                }
            };
            match bars.last_mut() {
                Some(bar) if column.is_some() && column == column_before => {
                    bar.least = bar.least.min(bytes);
                    bar.most = bar.most.max(bytes);
                }
                _ => bars.push(Bar { left, right, least: bytes, most: bytes }),
            }
            column_before = column;
        }
        let known = all.len();
        let median = match all.is_empty() {
            true => 0,
            false => *all.select_nth_unstable(known / 2).1,
        };
        let least = bars.iter().map(|bar| bar.least).min().unwrap_or(0);
        let most = bars.iter().map(|bar| bar.most).max().unwrap_or(0);
        Direction { bars, known, least, median, most }
    }

    fn caption(&self) -> String {
        let Direction { known, least, median, most, .. } = self;
        let [least_words, median, most_words] =
            [least, median, most].map(|each| words::bytes(*each));
        match known {
            0 => "not known".to_owned(),
            _ if least == most => format!("{median} each"),
            _ => format!("{least_words} to {most_words}, median {median}"),
        }
    }
}

/// The power of ten, from 0 for no bytes.
fn magnitude(bytes: u64) -> f64 {
    (bytes as f64).max(1.0).log10()
}

fn decade_label(decade: u32) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let unit = UNITS.get(decade as usize / 3).copied().unwrap_or("");
    format!("{} {unit}", 10_u32.pow(decade % 3))
}
