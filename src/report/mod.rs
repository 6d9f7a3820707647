//! One HTML page on the top candidates, for people who have no database at hand.
//!
//! The page says what the tables say, with pictures: here its data is asked for and its parts are
//! drawn. What a candidate is, and what a rhythm, is decided in the tables and before them.

mod bytes_chart;
mod candidate;
mod candidate_section;
mod checkins;
mod empty_window;
mod facts;
mod file;
mod interval_chart;
mod page;
mod suppressed;
mod time_axis;
mod timeline_chart;

use std::collections::BTreeSet;

use candidate::Candidate;
use facts::Facts;
use suppressed::Suppressed;

use crate::table::{Constraint, Operator, QueryContext, Table, TableError, Tables};

pub use empty_window::empty_window;
pub use file::{WriteError, write};

/// What a report is asked of.
#[derive(Clone, Debug)]
pub struct Request {
    /// How far back the window reaches, in hours, as given.
    pub hours: String,
    /// Where the window ends, unix milliseconds.
    pub now_ms: i64,
    /// The most candidates to show; those with the highest score are.
    pub limit: u32,
    /// Where the connections are from, in words.
    pub source: String,
    /// The time that the page says it was made, unix milliseconds.
    pub generated_ms: i64,
}

/// A report: the data of its page.
pub struct Report {
    request: Request,
    /// Unix seconds of the window's ends, both in it.
    window_s: (i64, i64),
    candidates: Vec<Candidate>,
    suppressed: Suppressed,
    counts: Counts,
    /// What there is instead, where the window holds nothing.
    empty_window: Option<String>,
}

/// How many groups of the window were seen, named and suppressed.
struct Counts {
    seen: u64,
    /// By a detector.
    named: u64,
    /// Of these, by a rule.
    suppressed: u64,
}

impl Report {
    /// Asks `tables` for everything that the page shows. Of connections no more is kept than the
    /// pictures need, one candidate at a time.
    pub fn of(tables: &Tables, request: Request) -> Result<Report, TableError> {
        let table = Table::BeaconCandidates;
        let now_ms = request.now_ms;
        let mut context = asking(&request.hours);
        equal(&mut context, "row_limit", &request.limit.to_string());
        let answer = tables.answer(table, &context, now_ms)?;
        let window_s = window_s(tables, &context, now_ms)?;
        let counts = Counts {
            seen: answer.groups_seen,
            named: answer.rows.len() as u64 + answer.rows_cut + answer.rows_suppressed,
            suppressed: answer.rows_suppressed,
        };
        let candidates = answer.rows.into_iter().map(|row| {
            Candidate::of(tables, Facts::new(table, row), &request.hours, now_ms, window_s)
        });
        let candidates = candidates.collect::<Result<_, _>>()?;
        let suppressed = match counts.suppressed {
            0 => Suppressed::default(),
            _ => Suppressed::of(tables, &request.hours, now_ms, counts.named)?,
        };
        let empty_window =
            answer.window_is_empty.then(|| empty_window(tables, now_ms)).transpose()?;
        Ok(Report { request, window_s, candidates, suppressed, counts, empty_window })
    }

    /// The page: one HTML document that refers to nothing outside itself.
    pub fn page(&self) -> String {
        page::page(self).into_string()
    }

    /// The hosts of all groups on the page, as they are written in the journal.
    fn hosts(&self) -> BTreeSet<&str> {
        let shown = self.candidates.iter().map(|candidate| &candidate.facts);
        shown.chain(self.suppressed.listed.iter()).map(|facts| facts.raw("host")).collect()
    }
}

/// A query of this window.
fn asking(hours: &str) -> QueryContext {
    let mut context = QueryContext::default();
    equal(&mut context, "hours", hours);
    context
}

fn equal(context: &mut QueryContext, column: &'static str, value: &str) {
    narrow(context, column, Operator::EQUAL, value);
}

fn narrow(context: &mut QueryContext, column: &'static str, operator: Operator, value: &str) {
    context.constraints.push(Constraint {
        column: column.into(),
        operator,
        value: value.to_owned(),
    });
}

/// The window that a query of candidates has, unix seconds.
fn window_s(
    tables: &Tables,
    context: &QueryContext,
    now_ms: i64,
) -> Result<(i64, i64), TableError> {
    let echo = tables.echo(Table::BeaconCandidates, context, now_ms)?;
    let parameters = Table::BeaconCandidates.parameters().iter().zip(echo);
    let (mut since, mut until) = (0, now_ms.div_euclid(1000));
    for (parameter, value) in parameters {
        match (parameter.name(), value) {
            ("since", crate::table::Value::Integer(second)) => since = second,
            ("until", crate::table::Value::Integer(second)) => until = second,
            _ => {}
        }
    }
    Ok((since, until))
}
