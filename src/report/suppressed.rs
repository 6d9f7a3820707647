//! The candidates that suppression rules hide, and the rules that hide them.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::{asking, equal};
use crate::table::{QueryContext, Table, TableError, Tables};

/// More are not listed.
const MOST_LISTED: usize = 500;
/// More rows are not looked through for them.
const MOST_ROWS: u64 = 5_000;
/// What is listed of each, which saves computing the rest.
const USED: [&str; 11] = [
    "pathname",
    "tuple",
    "domain",
    "checkins",
    "period",
    "merge_gap",
    "agents",
    "beacon_score",
    "suppressed_by",
    "sparkline",
    "host",
];

/// Hidden candidates, those with the highest score first.
#[derive(Default)]
pub(super) struct Suppressed {
    pub(super) listed: Vec<Facts>,
    /// Rows of `beacon_suppressions`, by name.
    rules: BTreeMap<String, Facts>,
}

impl Suppressed {
    /// Those among the first `named` of all candidates.
    pub(super) fn of(
        tables: &Tables,
        hours: &str,
        now_ms: i64,
        named: u64,
    ) -> Result<Suppressed, TableError> {
        let mut context = asking(hours);
        equal(&mut context, "include_suppressed", "1");
        equal(&mut context, "row_limit", &named.min(MOST_ROWS).to_string());
        context.columns_used = Some(USED.map(str::to_owned).into());
        let rows = tables.answer(Table::BeaconCandidates, &context, now_ms)?.rows;
        let rows = rows.into_iter().map(|row| Facts::new(Table::BeaconCandidates, row));
        let listed = rows.filter(|facts| !facts.raw("suppressed_by").is_empty());
        let listed = listed.take(MOST_LISTED).collect();
        let rules = tables.answer(Table::BeaconSuppressions, &QueryContext::default(), now_ms)?;
        let rules = rules.rows.into_iter().map(|row| Facts::new(Table::BeaconSuppressions, row));
        Ok(Suppressed {
            listed,
            rules: rules.map(|rule| (rule.raw("name").to_owned(), rule)).collect(),
        })
    }

    /// The rule that hides a listed candidate.
    pub(super) fn rule(&self, facts: &Facts) -> Option<&Facts> {
        self.rules.get(facts.raw("suppressed_by"))
    }
}
