//! What one query asks of `beacon_candidates`, worked out once.

use super::columns::{COLUMNS, DEFINITIONS};
use crate::cache::Parts;
use crate::suppression::Rules;
use crate::table::column::Needs;
use crate::table::constraints::Constraints;
use crate::table::parameters::{GroupBy, Parameters};
use crate::table::row::ColumnMask;
use crate::table::{QueryContext, TableError};

/// The plan of a query.
pub(super) struct QueryPlan<'a> {
    pub(super) parameters: Parameters,
    pub(super) constraints: Constraints,
    /// Of this endpoint's own connections, shorter periods are not claimed, in seconds: what the times
    /// of their sources allow.
    pub(super) shortest_period_s: f64,
    /// The columns whose values are asked for.
    pub(super) mask: ColumnMask,
    /// What has to be known of a group that is returned.
    pub(super) needs: Needs,
    /// `None` if nobody asks what they say.
    pub(super) rules: Option<&'a Rules>,
}

impl<'a> QueryPlan<'a> {
    /// For `context`, with `now_ms` (unix milliseconds) as the end of the window if the query names none.
    pub(super) fn new(
        context: &QueryContext,
        rules: &'a Rules,
        now_ms: i64,
    ) -> Result<QueryPlan<'a>, TableError> {
        let parameters = Parameters::read(context, now_ms)?;
        let constraints = Constraints::evaluated(context)?;
        let is_asked = |name| context.uses(name) || context.on(name).next().is_some();
        let asked = DEFINITIONS.iter().filter(|definition| is_asked(definition.column.name));
        let mut needs = asked.fold(Needs::NOTHING, |needs, definition| needs.and(definition.needs));
        if !parameters.include_all {
            needs = needs.and(Needs::SCORE);
        }
        let asks_rules = !parameters.include_suppressed || needs.any(Needs::RULES);
        Ok(QueryPlan {
            mask: ColumnMask::new(&COLUMNS, |column| {
                context.uses(column) || constraints.are_on(column)
            }),
            rules: asks_rules.then_some(rules),
            parameters,
            constraints,
            shortest_period_s: 0.0,
            needs,
        })
    }

    /// Whether anything that is shown, or which rows are, depends on what the detectors say.
    pub(super) fn asks_detectors(&self) -> bool {
        !self.parameters.include_all || self.needs.any(RHYTHMIC)
    }

    /// Whether groups that no detector may name need no second look: put together with others they
    /// could be named.
    pub(super) fn passes_over_unnamed(&self) -> bool {
        !self.parameters.include_all
            && self.constraints.is_empty()
            && self.parameters.group_by == GroupBy::Process
    }

    /// What is read of connections besides their times.
    pub(super) fn parts(&self) -> Parts {
        Parts {
            instances: self.needs.any(Needs::INSTANCES),
            domains: self.needs.any(Needs::DOMAINS),
            bytes: self.needs.any(Needs::BYTES),
        }
    }
}

/// What follows from a rhythm.
pub(super) const RHYTHMIC: Needs = Needs::RHYTHM.and(Needs::SCORE).and(Needs::DETECTORS);
