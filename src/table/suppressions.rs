//! `beacon_suppressions`: the rules that hide known-benign timers.

use super::column::{Definition, Needs, declared};
use super::tables::Answer;
use super::{Column, Kind, Row, Value};
use crate::suppression::{Rule, Rules};

/// As the columns are declared.
pub(super) static COLUMNS: [Column; DEFINITIONS.len()] = declared(DEFINITIONS);

type RuleColumn = Definition<fn(&Rule) -> Value>;

const fn column(column: Column, value: fn(&Rule) -> Value) -> RuleColumn {
    Definition { column, needs: Needs::NOTHING, value }
}

const DEFINITIONS: &[RuleColumn] = &[
    column(Column::new("name", Kind::Text, "name of the rule"), |rule| rule.name.as_str().into()),
    column(Column::new("class", Kind::Text, "what kind of timer it is for"), |rule| {
        rule.class.as_str().into()
    }),
    column(Column::new("reason", Kind::Text, "why that is known to be benign"), |rule| {
        rule.reason.as_str().into()
    }),
    column(Column::new("origin", Kind::Text, "'default', or the file that it is from"), |rule| {
        rule.origin.as_str().into()
    }),
    column(Column::new("enabled", Kind::BigInt, "1 if it is applied, 0 if not"), |rule| {
        i64::from(rule.enabled).into()
    }),
    column(Column::new("conditions", Kind::Text, "what must hold, all of it"), |rule| {
        rule.conditions.as_str().into()
    }),
];

/// A row for each rule, whether it is applied or not.
pub(super) fn generate(rules: &Rules) -> Answer {
    let row = |rule: &Rule| {
        let values: Vec<_> = DEFINITIONS.iter().map(|column| (column.value)(rule)).collect();
        Row::from(values)
    };
    let rows = rules.all().iter().map(row).collect();
    Answer { rows, ..Answer::default() }
}
