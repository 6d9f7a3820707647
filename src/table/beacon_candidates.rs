//! `beacon_candidates`: one row a group of connections, with its rhythm and who named it.
//!
//! Which groups are looked at is decided here, by their summaries, and by how many threads; what
//! becomes of each by `examination`.

use std::ops::Range;
use std::sync::atomic::{self, AtomicUsize};

use super::both::both;
use super::examination::{Candidate, Examination, Outcome, Question};
use super::grouping;
use super::judgement::{self, Wanted};
use super::narrowing::{NARROWING, Narrowing};
use super::parameters::{DEFAULT_ROW_LIMIT, GroupBy, Parameters};
use super::room::Room;
use super::row::Used;
use super::scan::{Scan, Scanning, Turns};
use super::selection::{Member, Open, Selection, Shared, is_public};
use super::tables::Answer;
use super::{QueryContext, Row, Table, TableError};
use crate::beacon::readings::Readings;
use crate::beacon::{fixed_interval, repetitive_interval};
use crate::cache::{Group, Reader, Summary};
use crate::suppression::Rules;

/// The rows for `context`, with `now_ms` (unix milliseconds) as the end of the window if the
/// query names none; an error if they do not fit into `room`.
pub(super) fn generate(
    reader: &Reader,
    rules: &Rules,
    context: &QueryContext,
    room: Room,
    now_ms: i64,
) -> Result<Answer, TableError> {
    let parameters = Parameters::of(context, now_ms)?;
    let narrowing = Narrowing::of(context, &NARROWING)?;
    let suppresses = !parameters.include_suppressed || context.uses("suppressed_by");
    let mut wanted = Wanted::by(context);
    wanted.order |= !parameters.include_all;
    let asks = !parameters.include_all || wanted.shows_rhythm();
    let open = |group: &Group, summary: &Summary| open_by_summary(group, summary, &parameters);
    let (window, include_loopback) = (parameters.window, parameters.include_loopback);
    // Begun before anything is read, for both to see the same.
    let mut twin = reader.twin()?;
    // Put together, groups that no detector may name may be another.
    let only_named =
        !parameters.include_all && narrowing.is_empty() && parameters.group_by == GroupBy::Process;
    let scanning = Scanning { window, include_loopback, open: asks.then_some(open), only_named };
    let turns = Turns::of(reader, twin.is_some())?;
    let used = Used::of(Table::BeaconCandidates.visible_columns(), |column| {
        context.uses(column) || narrowing.narrows(column)
    });
    let rules = suppresses.then_some(rules);
    let most_rows = parameters.most_rows();
    let limits = Limits { most_rows, fits: room.rows(), found: AtomicUsize::new(0) };
    let (mut groups_seen, mut window_is_empty) = (0, false);
    let find = |parts| {
        let scan = Scan::of(parts);
        groups_seen = scan.passed_over;
        let mut selection = Selection::of(reader, window, scan);
        window_is_empty = selection.window_is_empty;
        if !narrowing.is_empty() {
            selection.narrow(&narrowing, columns_in_key(parameters.group_by))?;
        }
        let members = std::mem::take(&mut selection.members);
        let members = grouping::arrange(members, parameters.group_by);
        // Which rows are returned is up to their score, if not all are.
        wanted.order |= members.iter().map(Vec::len).sum::<usize>() > most_rows;
        let mut runs = Vec::new();
        for (part, members) in members.iter().enumerate() {
            let mut end = 0;
            for run in grouping::runs(members, parameters.group_by) {
                groups_seen += 1;
                end += run.len();
                let open = open_of(run, &parameters);
                if parameters.include_all || open.can_be_named() {
                    runs.push(Prospect { part, members: end - run.len()..end, open });
                }
            }
        }
        let parameters = &parameters;
        let question = Question { rules, parameters, narrowing: &narrowing, wanted, used };
        let next = AtomicUsize::new(0);
        Ok(Prospects { question, shared: selection.shared(), members, runs, next })
    };
    let scan = |reader: &Reader| scanning.some(reader, &turns);
    let look = |reader: &Reader, prospects: &Prospects| prospects.look(reader, &limits);
    let found = both(reader, &mut twin, scan, find, look)?;
    if let Some(twin) = twin {
        reader.count(twin.cost());
    }
    let mut found = found.into_iter().reduce(Found::and).unwrap_or_default();
    if parameters.include_all && parameters.row_limit.is_none() && found.rows > DEFAULT_ROW_LIMIT {
        return Err(TableError::TooManyRows { rows: found.rows, limit: DEFAULT_ROW_LIMIT });
    }
    room.check_count(found.rows.min(most_rows as u64))?;
    keep_first(&mut found.candidates, most_rows);
    let rows: Vec<Row> = found.candidates.into_iter().map(|candidate| candidate.row).collect();
    Ok(Answer {
        rows_cut: found.rows - rows.len() as u64,
        rows,
        rows_suppressed: found.suppressed,
        groups_seen,
        window_is_empty,
    })
}

/// Which detectors may name a group of the cache by itself, of which no more is known than its
/// summary. What is ruled out would not be named, so that passing it over changes no row: each
/// part says why.
fn open_by_summary(group: &Group, summary: &Summary, parameters: &Parameters) -> Open {
    let outline = &summary.outline;
    let repetitive = &parameters.repetitive_interval;
    Open {
        fixed: Some(judgement::is_fixed(outline, parameters)),
        repetitive: is_public(group)
            && repetitive_interval::can_hold(outline.connections, repetitive)
            && repetitive_interval::can_repeat(&summary.repetition, repetitive),
        readings: Some(Readings::of(&summary.rhythms)),
    }
}

/// Which detectors may name a row of these members. Put together or taken apart, connections have
/// other intervals, and no more is known of them than their number.
fn open_of(members: &[Member], parameters: &Parameters) -> Open {
    if let ([member], false) = (members, parameters.group_by == GroupBy::ProcessInstance) {
        return member.open;
    }
    let connections = grouping::connections(members);
    let may_be_fixed = fixed_interval::can_hold(connections, &parameters.fixed_interval);
    Open {
        fixed: if may_be_fixed { None } else { Some(false) },
        repetitive: repetitive_interval::can_hold(connections, &parameters.repetitive_interval),
        readings: (!Readings::can_be_among(connections)).then(Readings::default),
    }
}

/// What the rows show of every one of a group's connections alike, so that a group of the cache
/// can be passed over by its key.
fn columns_in_key(group_by: GroupBy) -> &'static [&'static str] {
    match group_by {
        GroupBy::Process | GroupBy::ProcessInstance => {
            &["host", "pathname", "destination", "destinationport", "tuple"]
        }
        GroupBy::Tuple => &["host", "destination", "destinationport", "tuple"],
        GroupBy::ProcessPort => &["host", "pathname", "destinationport"],
    }
}

/// What some of the groups gave.
#[derive(Default)]
struct Found {
    /// No fewer than the most rows that may be returned, of as many as there are.
    candidates: Vec<Candidate>,
    rows: u64,
    suppressed: u64,
}

impl Found {
    fn and(mut self, other: Found) -> Found {
        self.candidates.extend(other.candidates);
        Found {
            candidates: self.candidates,
            rows: self.rows + other.rows,
            suppressed: self.suppressed + other.suppressed,
        }
    }
}

/// How many rows there may be, for all threads together.
struct Limits {
    /// Those that are returned, however many there are.
    most_rows: usize,
    /// Of more than these no answer is made: they are counted, for the error to say how many.
    fits: usize,
    found: AtomicUsize,
}

impl Limits {
    /// Counts a row; whether there is no answer because of it.
    fn is_exceeded(&self) -> bool {
        let found = self.found.fetch_add(1, atomic::Ordering::Relaxed) + 1;
        found.min(self.most_rows) > self.fits
    }
}

/// What is to be examined, by whichever thread comes first.
struct Prospects<'q> {
    question: Question<'q>,
    shared: Shared,
    members: Vec<Vec<Member>>,
    runs: Vec<Prospect>,
    next: AtomicUsize,
}

/// The members of a row, in one part of all, and which detectors may name it.
struct Prospect {
    part: usize,
    members: Range<usize>,
    open: Open,
}

impl Prospects<'_> {
    /// Examines one after the other that no other thread has taken.
    fn look(&self, reader: &Reader, limits: &Limits) -> Result<Found, TableError> {
        let selection = Selection::sharing(&self.shared, reader);
        let mut examination = Examination::new(&self.question, selection);
        let mut found = Found::default();
        loop {
            let at = self.next.fetch_add(1, atomic::Ordering::Relaxed);
            let Some(Prospect { part, members, open }) = self.runs.get(at) else {
                return Ok(found);
            };
            let part = self.members.get(*part);
            let members = part.and_then(|part| part.get(members.clone())).unwrap_or_default();
            let examined = examination.examine(at, members, open, |outcome| match outcome {
                Outcome::Row(candidate) => {
                    found.rows += 1;
                    if limits.is_exceeded() {
                        found.candidates = Vec::new();
                        return;
                    }
                    found.candidates.push(candidate);
                    if found.candidates.len() / 2 > limits.most_rows {
                        keep_first(&mut found.candidates, limits.most_rows);
                    }
                }
                Outcome::Suppressed => found.suppressed += 1,
                Outcome::Passed => {}
            });
            // The other thread need not go on.
            examined
                .inspect_err(|_| self.next.store(self.runs.len(), atomic::Ordering::Relaxed))?;
        }
    }
}

fn keep_first(candidates: &mut Vec<Candidate>, most_rows: usize) {
    candidates.sort_by(Candidate::order);
    candidates.truncate(most_rows);
}
