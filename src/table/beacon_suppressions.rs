//! `beacon_suppressions`: the rules that hide known-benign timers.

use super::Row;
use super::tables::Answer;
use crate::suppression::{Rule, Rules};

/// A row for each rule, whether it is applied or not.
pub(super) fn generate(rules: &Rules) -> Answer {
    let row = |rule: &Rule| {
        Row::from(vec![
            rule.name.as_str().into(),
            rule.class.as_str().into(),
            rule.reason.as_str().into(),
            rule.origin.as_str().into(),
            i64::from(rule.enabled).into(),
            rule.conditions.as_str().into(),
        ])
    };
    let rows = rules.all().iter().map(row).collect();
    Answer { rows, ..Answer::default() }
}
