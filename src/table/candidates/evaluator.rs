//! What becomes of one group: whether a detector names it, whether a rule hides it, and its row.
//!
//! A group is looked at up to three times, each dearer than the one before: its sketch, which needs no
//! reading; the times of its connections, for the detectors; the rest of them, for its row.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::columns::DEFINITIONS;
use super::gather::{Gatherer, ReadLevel, ResultGroup};
use super::plan::QueryPlan;
use super::prefilter::Member;
use super::row::{CandidateRow, Parties};
use super::statistics::{Statistics, evidence, read_level};
use crate::beacon::detectors::{Findings, Prefilter, detected_by};
use crate::cache::{Parts, Reader};
use crate::suppression::{self, RulesOnPath};
use crate::table::column::Needs;
use crate::table::names::{Names, tuple};
use crate::table::parameters::GroupBy;
use crate::table::{Row, TableError, Value};

/// A row lists so many destinations.
const LISTED_DESTINATIONS: usize = 8;

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

/// Evaluates one group after the other.
pub(super) struct GroupEvaluator<'a> {
    plan: &'a QueryPlan<'a>,
    reader: &'a Reader,
    gatherer: Gatherer<'a>,
    names: Names<'a>,
    /// The rules that each pathname, by its name id, may fall under.
    rules_on_path: FxHashMap<u32, RulesOnPath<'a>>,
}

impl<'a> GroupEvaluator<'a> {
    /// Of groups that `gatherer` reads.
    pub(super) fn new(
        plan: &'a QueryPlan<'a>,
        reader: &'a Reader,
        gatherer: Gatherer<'a>,
        names: Names<'a>,
    ) -> GroupEvaluator<'a> {
        GroupEvaluator { plan, reader, gatherer, names, rules_on_path: FxHashMap::default() }
    }

    /// Hands on what becomes of the groups of `members`, run number `at`, of which the detectors say
    /// this already.
    pub(super) fn evaluate(
        &mut self,
        at: usize,
        members: &[Member],
        prefilter: Prefilter,
        mut take: impl FnMut(Outcome),
    ) -> Result<(), TableError> {
        let parameters = &self.plan.parameters;
        if parameters.group_by == GroupBy::ProcessInstance {
            // All that their rows need: to look at them twice would read all of them twice.
            let level = self.level_of_row(members, prefilter)?;
            for group in self.gatherer.by_instance(members, level)? {
                let mut findings = Findings::default();
                let is_row = parameters.include_all || self.names(&group, prefilter, &mut findings);
                take(match is_row {
                    true => self.row(at, &group, prefilter, &mut findings)?,
                    false => Outcome::Passed,
                });
            }
            return Ok(());
        }
        let mut findings = Findings::default();
        if !parameters.include_all && !prefilter.is_named() {
            let times_only = ReadLevel::Connections(Parts::default());
            let times = self.gatherer.whole(members, times_only)?;
            if !times.is_some_and(|group| self.names(&group, prefilter, &mut findings)) {
                take(Outcome::Passed);
                return Ok(());
            }
        }
        let level = self.level_of_row(members, prefilter)?;
        take(match self.gatherer.whole(members, level)? {
            Some(group) => self.row(at, &group, prefilter, &mut findings)?,
            None => Outcome::Passed,
        });
        Ok(())
    }

    /// Whether a detector names a group of which the times have been read.
    fn names(&self, group: &ResultGroup, prefilter: Prefilter, findings: &mut Findings) -> bool {
        let mut evidence = evidence(group, prefilter, findings, self.plan);
        let thresholds = &self.plan.parameters.thresholds;
        prefilter.is_named() || detected_by(&mut evidence, prefilter, thresholds).next().is_some()
    }

    /// How much has to be read of a group to show it, or to see that a rule hides it.
    fn level_of_row(
        &mut self,
        members: &[Member],
        prefilter: Prefilter,
    ) -> Result<ReadLevel, TableError> {
        let mut parts = self.plan.parts();
        for member in members {
            let rules = self.rules_on_path(member.group.pathname)?;
            parts.domains |= rules.is_some_and(RulesOnPath::read_domains);
        }
        let alone = match members {
            [member] if self.plan.parameters.group_by != GroupBy::ProcessInstance => Some(member),
            _ => None,
        };
        Ok(read_level(self.plan.needs, parts, prefilter, alone))
    }

    /// The row of a group, unless a constraint or a rule speaks against it.
    fn row(
        &mut self,
        at: usize,
        group: &ResultGroup,
        prefilter: Prefilter,
        findings: &mut Findings,
    ) -> Result<Outcome, TableError> {
        let plan = self.plan;
        let parties = self.parties(group)?;
        if !self.passes(&parties, group)? {
            return Ok(Outcome::Passed);
        }
        let suppressed_by = self.suppressed_by(group)?;
        if !suppressed_by.is_empty() && !plan.parameters.include_suppressed {
            return Ok(Outcome::Suppressed);
        }
        let last_day = self.gatherer.last_day;
        let statistics = Statistics::compute(group, findings, prefilter, plan, last_day);
        let row = CandidateRow {
            group,
            statistics: &statistics,
            parties: &parties,
            suppressed_by: &suppressed_by,
        };
        let value = |column: usize| {
            DEFINITIONS.get(column).map_or(Value::Null, |definition| (definition.value)(&row))
        };
        let row = plan.mask.row(value);
        let is_ordered = plan.needs.any(Needs::SCORE);
        Ok(Outcome::Row(Candidate {
            score: statistics.score.filter(|_| is_ordered).unwrap_or(0.0),
            tuple: is_ordered.then_some(parties.tuple),
            at,
            row,
        }))
    }

    /// Who talks to whom, as far as a column needs it.
    fn parties(&mut self, group: &ResultGroup) -> Result<Parties, TableError> {
        let latest = &group.latest;
        let mut parties =
            Parties { host: self.names.text(latest.group.host)?, ..Parties::default() };
        if latest.instance != 0 {
            parties.instance = Some(self.reader.instance(latest.instance)?);
        }
        if self.plan.needs.any(Needs::DESTINATION) {
            parties.destinations = self.destinations(group)?;
        }
        if self.plan.parameters.group_by == GroupBy::ProcessPort {
            parties.tuple = tuple("*", latest.group.port);
            return Ok(parties);
        }
        parties.scope = latest.group.scope.as_str();
        parties.domain = self.reader.domain(latest.domain)?;
        if self.plan.needs.any(Needs::DESTINATION.and(Needs::SCORE)) {
            parties.destination = self.names.text(latest.group.destination)?;
            parties.tuple = tuple(&parties.destination, latest.group.port);
        }
        Ok(parties)
    }

    /// The first few destinations of a group, as text.
    fn destinations(&mut self, group: &ResultGroup) -> Result<String, TableError> {
        let mut listed = String::new();
        for name in group.destinations.iter().take(LISTED_DESTINATIONS) {
            if !listed.is_empty() {
                listed.push_str(", ");
            }
            listed.push_str(&self.names.text(*name)?);
        }
        match group.destinations.len().saturating_sub(LISTED_DESTINATIONS) {
            0 => Ok(listed),
            more => Ok(format!("{listed} and {more} more")),
        }
    }

    fn passes(&self, parties: &Parties, group: &ResultGroup) -> Result<bool, TableError> {
        let constraints = &self.plan.constraints;
        Ok(constraints.is_empty()
            || constraints.accept("host", &parties.host)?
                && constraints.accept("pathname", parties.pathname())?
                && constraints.accept("sophosPID", &parties.sophos_pid())?
                && constraints.accept("destination", &parties.destination)?
                && constraints.accept_number("destinationport", group.latest.group.port.into())?
                && constraints.accept("tuple", &parties.tuple)?)
    }

    /// The rules that a pathname, by its name id, may fall under; `None` if there are none.
    fn rules_on_path(&mut self, pathname: u32) -> Result<Option<&RulesOnPath<'_>>, TableError> {
        let Some(rules) = self.plan.rules else {
            return Ok(None);
        };
        let on_path = match self.rules_on_path.entry(pathname) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(rules.on_path(&self.names.text(pathname)?)),
        };
        Ok(Some(&*on_path).filter(|on_path| !on_path.is_empty()))
    }

    /// The name of the rule that matches the latest connection, if every connection of the group is
    /// matched by some rule; else ''. One that is not is what a hunter has to see.
    fn suppressed_by(&mut self, group: &ResultGroup) -> Result<String, TableError> {
        let mut latest = String::new();
        for (member, domain) in &group.members {
            let on_path = self.rules_on_path(member.pathname)?;
            let (port, protocol, scope) = (member.port, member.protocol, member.scope);
            if !on_path.is_some_and(|rules| rules.look_at(port, protocol, scope)) {
                return Ok(String::new());
            }
            let pathname = self.names.text(member.pathname)?;
            let destination = self.names.text(member.destination)?;
            let domain_name = self.reader.domain(*domain)?;
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
