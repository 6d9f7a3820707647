//! `beacon_candidates`: one row a group of connections, with its rhythm and who named it.
//!
//! A group goes through three doors, each dearer than the one before: its summary, which needs no
//! decoding; the times of its connections, for the detectors; the rest of them, for its row.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::candidate_row::{CandidateRow, Place};
use super::grouping::{self, Detail, ResultGroup};
use super::judgement::{self, Findings, Judgement, Wanted};
use super::narrowing::{NARROWING, Narrowing};
use super::parameters::{DEFAULT_ROW_LIMIT, GroupBy, Parameters};
use super::selection::{Member, Open, Selection, is_public, tuple};
use super::tables::Answer;
use super::{QueryContext, Row, Table, TableError};
use crate::beacon::readings::Readings;
use crate::beacon::{fixed_interval, repetitive_interval};
use crate::cache::{Group, Parts, Reader, Summary};
use crate::suppression::{self, Rules, RulesOnPath};

/// A row, and what it is ordered by.
struct Candidate {
    score: f64,
    tuple: String,
    row: Row,
}

/// What becomes of a group.
enum Outcome {
    Row(Candidate),
    /// Not what was asked for.
    Passed,
    /// A rule hides it.
    Suppressed,
}

impl Candidate {
    /// The highest score first.
    fn order(&self, other: &Candidate) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.tuple.cmp(&other.tuple))
    }
}

/// The rows for `context`, with `now_ms` (unix milliseconds) as the end of the window if the
/// query names none.
pub(super) fn generate(
    reader: &Reader,
    rules: &Rules,
    context: &QueryContext,
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
    let mut selection = Selection::new(reader, window, include_loopback, asks.then_some(open))?;
    if !narrowing.is_empty() {
        selection.narrow(&narrowing, columns_in_key(parameters.group_by))?;
    }
    let mut members = std::mem::take(&mut selection.members);
    grouping::sort(&mut members, parameters.group_by);

    let most_rows = parameters.most_rows();
    // Which rows are returned is up to their score, if not all are.
    wanted.order |= members.len() > most_rows;
    let used = Table::BeaconCandidates
        .visible_columns()
        .iter()
        .map(|column| context.uses(column.name) || narrowing.narrows(column.name));
    let mut asked = Asked {
        rules: suppresses.then_some(rules),
        rules_on_path: FxHashMap::default(),
        parameters: &parameters,
        narrowing: &narrowing,
        wanted,
        used: used.collect(),
        selection,
    };
    let mut candidates: Vec<Candidate> = Vec::new();
    let (mut found, mut rows_suppressed, mut groups_seen) = (0_u64, 0, 0);
    for members in grouping::runs(&members, parameters.group_by) {
        groups_seen += 1;
        let open = open_of(members, &parameters);
        if !parameters.include_all && !open.can_be_named() {
            continue;
        }
        let (detail, is_of_row) = asked.first_look(members, &open)?;
        for group in asked.gather(members, detail)? {
            match asked.candidate(members, group, &open, is_of_row)? {
                Outcome::Row(candidate) => {
                    found += 1;
                    candidates.push(candidate);
                    if candidates.len() / 2 > most_rows {
                        keep_first(&mut candidates, most_rows);
                    }
                }
                Outcome::Suppressed => rows_suppressed += 1,
                Outcome::Passed => {}
            }
        }
    }
    if parameters.include_all && parameters.row_limit.is_none() && found > DEFAULT_ROW_LIMIT {
        return Err(TableError::TooManyRows { rows: found, limit: DEFAULT_ROW_LIMIT });
    }
    keep_first(&mut candidates, most_rows);
    let rows: Vec<Row> = candidates.into_iter().map(|candidate| candidate.row).collect();
    let window_is_empty = asked.selection.window_is_empty;
    let rows_cut = found - rows.len() as u64;
    Ok(Answer { rows, rows_cut, rows_suppressed, groups_seen, window_is_empty })
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

fn keep_first(candidates: &mut Vec<Candidate>, most_rows: usize) {
    candidates.sort_by(Candidate::order);
    candidates.truncate(most_rows);
}

/// What a query asks of every group.
struct Asked<'a> {
    /// `None` if nobody asks what they say.
    rules: Option<&'a Rules>,
    /// Those of them that each pathname, by its name id, may fall under.
    rules_on_path: FxHashMap<u32, RulesOnPath<'a>>,
    parameters: &'a Parameters,
    narrowing: &'a Narrowing,
    wanted: Wanted,
    /// For each visible column, whether its value is asked for.
    used: Vec<bool>,
    selection: Selection<'a>,
}

impl Asked<'_> {
    /// The rules that a pathname, by its name id, may fall under; `None` if there are none.
    fn rules_on_path(&mut self, pathname: u32) -> Result<Option<&RulesOnPath<'_>>, TableError> {
        let Some(rules) = self.rules else {
            return Ok(None);
        };
        let on_path = match self.rules_on_path.entry(pathname) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(rules.on_path(&self.selection.name(pathname)?)),
        };
        Ok(Some(&*on_path).filter(|on_path| !on_path.is_empty()))
    }

    fn gather(&self, members: &[Member], detail: Detail) -> Result<Vec<ResultGroup>, TableError> {
        grouping::gather(&self.selection, members, self.parameters.group_by, detail)
    }

    /// All that its row needs, where a group is sure to have one or cannot be looked at twice; else
    /// what the detectors look at. And which of the two it is.
    fn first_look(
        &mut self,
        members: &[Member],
        open: &Open,
    ) -> Result<(Detail, bool), TableError> {
        let Parameters { include_all, group_by, .. } = self.parameters;
        let is_row = *include_all || open.fixed == Some(true);
        match is_row || *group_by == GroupBy::ProcessInstance {
            true => Ok((self.detail_of_row(members, open)?, true)),
            false => Ok((Detail::Connections(Parts::default()), false)),
        }
    }

    /// What has to be known of a group to show it, or to see that a rule hides it.
    fn detail_of_row(&mut self, members: &[Member], open: &Open) -> Result<Detail, TableError> {
        let mut wanted = self.wanted;
        for member in members {
            wanted.parts.domains |= match self.rules_on_path(member.group.pathname)? {
                Some(rules) => rules.read_domains(),
                None => false,
            };
        }
        Ok(wanted.to_show(open))
    }

    /// The row of a group, if it is to be returned.
    fn candidate(
        &mut self,
        members: &[Member],
        mut group: ResultGroup,
        open: &Open,
        is_of_row: bool,
    ) -> Result<Outcome, TableError> {
        let mut findings = Findings::default();
        if !self.parameters.include_all {
            if !findings.name(&group, self.parameters, open) {
                return Ok(Outcome::Passed);
            }
            if !is_of_row {
                let detail = self.detail_of_row(members, open)?;
                match self.gather(members, detail)?.pop() {
                    Some(shown) => group = shown,
                    None => return Ok(Outcome::Passed),
                }
            }
        }
        let place = self.place(&group)?;
        if !self.passes(&place, &group)? {
            return Ok(Outcome::Passed);
        }
        let suppressed_by = self.suppressed_by(&group)?;
        if !suppressed_by.is_empty() && !self.parameters.include_suppressed {
            return Ok(Outcome::Suppressed);
        }
        let judgement = Judgement::of(&group, findings, self.parameters, &self.wanted, open);
        let score = if self.wanted.order { judgement.score() } else { 0.0 };
        let row = CandidateRow {
            parameters: self.parameters,
            wanted: &self.wanted,
            last_day: self.selection.last_day,
            group: &group,
            judgement: &judgement,
            place: &place,
            suppressed_by: &suppressed_by,
        };
        let row = row.values(&self.used);
        Ok(Outcome::Row(Candidate { score, tuple: place.tuple, row }))
    }

    /// Who talks to whom, as text, as far as anybody asks.
    fn place(&mut self, group: &ResultGroup) -> Result<Place, TableError> {
        let latest = &group.latest;
        let reader = self.selection.reader;
        let mut place = Place { host: self.selection.name(latest.group.host)?, ..Place::default() };
        if latest.instance != 0 {
            place.instance = Some(reader.instance(latest.instance)?);
        }
        if self.parameters.group_by == GroupBy::ProcessPort {
            place.tuple = tuple("*", latest.group.port);
            return Ok(place);
        }
        place.scope = latest.group.scope.as_str();
        place.domain = reader.domain(latest.domain)?;
        if self.wanted.destination || self.wanted.order {
            place.destination = self.selection.name(latest.group.destination)?;
            place.tuple = tuple(&place.destination, latest.group.port);
        }
        Ok(place)
    }

    fn passes(&self, place: &Place, group: &ResultGroup) -> Result<bool, TableError> {
        let narrowing = self.narrowing;
        Ok(narrowing.is_empty()
            || narrowing.accepts("host", &place.host)?
                && narrowing.accepts("pathname", place.pathname())?
                && narrowing.accepts("sophosPID", &place.sophos_pid())?
                && narrowing.accepts("destination", &place.destination)?
                && narrowing.accepts_number("destinationport", group.latest.group.port.into())?
                && narrowing.accepts("tuple", &place.tuple)?)
    }

    /// The name of the rule that matches the latest connection, if every connection of the group is
    /// matched by some rule; else ''. One that is not is what a hunter has to see.
    fn suppressed_by(&mut self, group: &ResultGroup) -> Result<String, TableError> {
        let mut latest = String::new();
        for (member, domain) in &group.members {
            if self.rules_on_path(member.pathname)?.is_none() {
                return Ok(String::new());
            }
            let pathname = self.selection.name(member.pathname)?;
            let destination = self.selection.name(member.destination)?;
            let domain_name = self.selection.reader.domain(*domain)?;
            let on_path = self.rules_on_path(member.pathname)?;
            let rule = on_path.and_then(|on_path| {
                on_path.find(&suppression::Member {
                    pathname: &pathname,
                    destination: &destination,
                    domain: &domain_name,
                    port: member.port,
                    protocol: member.protocol,
                })
            });
            let Some(rule) = rule else {
                return Ok(String::new());
            };
            if member.id == group.latest.group.id && *domain == group.latest.domain {
                latest.clone_from(&rule.name);
            }
        }
        Ok(latest)
    }
}
