//! A candidate of the page: its row, and the data of its pictures.

use super::bytes_chart::BytesChart;
use super::checkins::CheckIns;
use super::facts::Facts;
use super::interval_chart::IntervalChart;
use super::time_axis::TimeAxis;
use super::timeline_chart::{Layout, TimelineChart};
use crate::table::{TableError, Tables};
use crate::words;

/// A candidate.
pub(super) struct Candidate {
    /// Its row of `beacon_candidates`.
    pub(super) facts: Facts,
    pub(super) timeline: TimelineChart,
    /// `None` where there is no period.
    pub(super) intervals: Option<IntervalChart>,
    /// `None` where the journal has no bytes.
    pub(super) bytes: Option<BytesChart>,
    /// What the pictures leave out.
    pub(super) caveat: Option<String>,
}

impl Candidate {
    /// Of a row of candidates, asking for its connections in a window whose ends are given in unix
    /// seconds.
    pub(super) fn of(
        tables: &Tables,
        facts: Facts,
        hours: &str,
        now_ms: i64,
        window_s: (i64, i64),
    ) -> Result<Candidate, TableError> {
        let checkins = CheckIns::of(tables, &facts, hours, now_ms)?;
        let layout = Layout::of(TimeAxis::of(window_s), &checkins.all);
        Ok(Candidate {
            timeline: TimelineChart::of(&checkins.all, &facts, layout),
            intervals: IntervalChart::of(&checkins.all, &facts),
            bytes: BytesChart::of(&checkins.all, layout),
            caveat: caveat(&checkins, &facts),
            facts,
        })
    }
}

fn caveat(checkins: &CheckIns, facts: &Facts) -> Option<String> {
    let counted = facts.integer("number_of_connections")?;
    let counted = u64::try_from(counted).unwrap_or(0);
    (checkins.connections != counted).then(|| {
        let all = words::count(counted, "connection");
        format!("The pictures show {} of {all}.", words::number(checkins.connections))
    })
}
