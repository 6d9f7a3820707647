//! What becomes of one group: who names it, whether a rule hides it, and its row.
//!
//! A group goes through three doors, each dearer than the one before: its summary, which needs no
//! decoding; the times of its connections, for the detectors; the rest of them, for its row.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::mem;

use rustc_hash::FxHashMap;

use super::candidate_row::{CandidateRow, Place};
use super::grouping::{self, Detail, ResultGroup};
use super::judgement::{Findings, Judgement, Wanted};
use super::narrowing::Narrowing;
use super::parameters::{GroupBy, Parameters};
use super::row::Used;
use super::selection::{Member, Open, Selection, tuple};
use super::{Row, TableError};
use crate::cache::Parts;
use crate::suppression::{self, Rules, RulesOnPath};

/// A row, and what it is ordered by.
pub(super) struct Candidate {
    score: f64,
    /// `None` where nobody asks for an order: to compare thousands of empty ones takes milliseconds.
    tuple: Option<String>,
    /// The number of its group, for what else is equal.
    at: usize,
    pub(super) row: Row,
}

/// What becomes of a group.
pub(super) enum Outcome {
    Row(Candidate),
    /// Not what was asked for.
    Passed,
    /// A rule hides it.
    Suppressed,
}

impl Candidate {
    /// The highest score first.
    pub(super) fn order(&self, other: &Candidate) -> Ordering {
        let by_score = other.score.total_cmp(&self.score);
        by_score.then_with(|| self.tuple.cmp(&other.tuple)).then(self.at.cmp(&other.at))
    }
}

/// What a query asks of every group.
pub(super) struct Question<'a> {
    /// `None` if nobody asks what they say.
    pub(super) rules: Option<&'a Rules>,
    pub(super) parameters: &'a Parameters,
    pub(super) narrowing: &'a Narrowing,
    pub(super) wanted: Wanted,
    /// The columns whose values are asked for.
    pub(super) used: Used,
}

/// Asks one group after the other.
pub(super) struct Examination<'a> {
    question: &'a Question<'a>,
    selection: Selection<'a>,
    /// The rules that each pathname, by its name id, may fall under.
    rules_on_path: FxHashMap<u32, RulesOnPath<'a>>,
}

impl<'a> Examination<'a> {
    /// Of groups of `selection`.
    pub(super) fn new(question: &'a Question<'a>, selection: Selection<'a>) -> Examination<'a> {
        Examination { question, selection, rules_on_path: FxHashMap::default() }
    }

    /// What becomes of the result groups of `members`, run number `at`, of which the detectors in
    /// `open` may name any.
    pub(super) fn examine(
        &mut self,
        at: usize,
        members: &[Member],
        open: &Open,
        mut take: impl FnMut(Outcome),
    ) -> Result<(), TableError> {
        let (detail, is_of_row) = self.first_look(members, open)?;
        for mut group in self.gather(members, detail)? {
            take(self.outcome(at, members, &mut group, open, is_of_row)?);
            self.selection.keep(group.timeline.into_times());
        }
        Ok(())
    }

    /// The rules that a pathname, by its name id, may fall under; `None` if there are none.
    fn rules_on_path(&mut self, pathname: u32) -> Result<Option<&RulesOnPath<'_>>, TableError> {
        let Some(rules) = self.question.rules else {
            return Ok(None);
        };
        let on_path = match self.rules_on_path.entry(pathname) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(rules.on_path(&self.selection.name(pathname)?)),
        };
        Ok(Some(&*on_path).filter(|on_path| !on_path.is_empty()))
    }

    fn gather(
        &mut self,
        members: &[Member],
        detail: Detail,
    ) -> Result<Vec<ResultGroup>, TableError> {
        grouping::gather(&mut self.selection, members, self.question.parameters.group_by, detail)
    }

    /// All that its row needs, where a group is sure to have one or cannot be looked at twice; else
    /// what the detectors look at. And which of the two it is.
    fn first_look(
        &mut self,
        members: &[Member],
        open: &Open,
    ) -> Result<(Detail, bool), TableError> {
        let Parameters { include_all, group_by, .. } = self.question.parameters;
        let is_row = *include_all || open.fixed == Some(true);
        match is_row || *group_by == GroupBy::ProcessInstance {
            true => Ok((self.detail_of_row(members, open)?, true)),
            false => Ok((Detail::Connections(Parts::default()), false)),
        }
    }

    /// What has to be known of a group to show it, or to see that a rule hides it.
    fn detail_of_row(&mut self, members: &[Member], open: &Open) -> Result<Detail, TableError> {
        let mut wanted = self.question.wanted;
        for member in members {
            wanted.parts.domains |= match self.rules_on_path(member.group.pathname)? {
                Some(rules) => rules.read_domains(),
                None => false,
            };
        }
        let parameters = self.question.parameters;
        let alone = match members {
            [member] if parameters.group_by != GroupBy::ProcessInstance => Some(member),
            _ => None,
        };
        Ok(wanted.to_show(open, alone, parameters, self.selection.last_day))
    }

    /// The row of a group, if it is to be returned.
    fn outcome(
        &mut self,
        at: usize,
        members: &[Member],
        group: &mut ResultGroup,
        open: &Open,
        is_of_row: bool,
    ) -> Result<Outcome, TableError> {
        let question = self.question;
        let mut findings = Findings::default();
        if !question.parameters.include_all {
            if !findings.name(group, question.parameters, open) {
                return Ok(Outcome::Passed);
            }
            if !is_of_row {
                let detail = self.detail_of_row(members, open)?;
                self.selection.keep(mem::take(&mut group.timeline).into_times());
                match self.gather(members, detail)?.pop() {
                    Some(shown) => *group = shown,
                    None => return Ok(Outcome::Passed),
                }
            }
        }
        let place = self.place(group)?;
        if !self.passes(&place, group)? {
            return Ok(Outcome::Passed);
        }
        let suppressed_by = self.suppressed_by(group)?;
        if !suppressed_by.is_empty() && !question.parameters.include_suppressed {
            return Ok(Outcome::Suppressed);
        }
        let judgement = Judgement::of(group, findings, question.parameters, &question.wanted, open);
        let score = if question.wanted.order { judgement.score() } else { 0.0 };
        let row = CandidateRow {
            parameters: question.parameters,
            wanted: &question.wanted,
            last_day: self.selection.last_day,
            group,
            judgement: &judgement,
            place: &place,
            suppressed_by: &suppressed_by,
        };
        let row = row.of(&question.used);
        let tuple = question.wanted.order.then_some(place.tuple);
        Ok(Outcome::Row(Candidate { score, tuple, at, row }))
    }

    /// Who talks to whom, as text, as far as anybody asks.
    fn place(&mut self, group: &ResultGroup) -> Result<Place, TableError> {
        let latest = &group.latest;
        let reader = self.selection.reader;
        let mut place = Place { host: self.selection.name(latest.group.host)?, ..Place::default() };
        if latest.instance != 0 {
            place.instance = Some(reader.instance(latest.instance)?);
        }
        if self.question.parameters.group_by == GroupBy::ProcessPort {
            place.tuple = tuple("*", latest.group.port);
            return Ok(place);
        }
        place.scope = latest.group.scope.as_str();
        place.domain = reader.domain(latest.domain)?;
        if self.question.wanted.destination || self.question.wanted.order {
            place.destination = self.selection.name(latest.group.destination)?;
            place.tuple = tuple(&place.destination, latest.group.port);
        }
        Ok(place)
    }

    fn passes(&self, place: &Place, group: &ResultGroup) -> Result<bool, TableError> {
        let narrowing = self.question.narrowing;
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
            let on_path = self.rules_on_path(member.pathname)?;
            if !on_path.is_some_and(|rules| rules.look_at(member.port, member.protocol)) {
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
