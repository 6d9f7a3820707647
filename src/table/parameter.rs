//! The parameters by name: each is defined once, here or, for the thresholds of a detector, by the
//! detector.

use super::parameters::{GroupBy, Parameters};
use super::{Kind, Value};
use crate::beacon::detectors::{DETECTORS, Detector, Threshold};

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// How far back the window reaches.
    Hours,
    /// Where the window begins.
    Since,
    /// Where the window ends.
    Until,
    /// What a row describes.
    GroupBy,
    /// What a detector compares with: its number among the thresholds of all [`DETECTORS`].
    Threshold(usize),
    /// Whether groups that a suppression rule hides are returned.
    IncludeSuppressed,
    /// Whether connections to the machine itself count.
    IncludeLoopback,
    /// Whether groups that no detector named are returned.
    IncludeAll,
    /// The most rows.
    RowLimit,
}

/// The parameters of `beacon_connections`.
pub(super) const OF_CONNECTIONS: [Parameter; 5] = [
    Parameter::Hours,
    Parameter::Since,
    Parameter::Until,
    Parameter::IncludeLoopback,
    Parameter::RowLimit,
];

/// Rows that are returned where no row_limit is given.
pub(super) const DEFAULT_ROW_LIMIT: u64 = 1000;
pub(super) const DEFAULT_HOURS: f64 = 24.0;
/// Of all detectors.
pub(super) const THRESHOLDS: usize = {
    let (mut count, mut at) = (0, 0);
    while at < DETECTORS.len() {
        count += DETECTORS[at].thresholds.len();
        at += 1;
    }
    count
};

/// All there is to say of a parameter.
pub(super) struct Definition {
    name: &'static str,
    kind: Kind,
    description: &'static str,
    /// What holds where it is not given, in words.
    default_value: String,
    /// What it takes, in words.
    expected: &'static str,
    /// The value of its hidden column where it is not given: what applies instead.
    pub(super) in_force: fn(&Parameters, Parameter) -> Value,
}

impl Parameter {
    /// All of them, in the order of the hidden columns.
    pub const ALL: [Parameter; THRESHOLDS + 8] = {
        let mut all = [Parameter::Hours; THRESHOLDS + 8];
        let before = [Parameter::Hours, Parameter::Since, Parameter::Until, Parameter::GroupBy];
        let after = [
            Parameter::IncludeSuppressed,
            Parameter::IncludeLoopback,
            Parameter::IncludeAll,
            Parameter::RowLimit,
        ];
        let mut at = 0;
        while at < all.len() {
            all[at] = if at < before.len() {
                before[at]
            } else if at < before.len() + THRESHOLDS {
                Parameter::Threshold(at - before.len())
            } else {
                after[at - before.len() - THRESHOLDS]
            };
            at += 1;
        }
        all
    };

    pub(super) fn definition(self) -> Definition {
        let flag = |name, description, in_force| Definition {
            name,
            kind: Kind::BigInt,
            description,
            default_value: "0".to_owned(),
            expected: "0 or 1",
            in_force,
        };
        match self {
            Parameter::Hours => Definition {
                name: "hours",
                kind: Kind::Double,
                description: "how far back the window reaches",
                default_value: DEFAULT_HOURS.to_string(),
                expected: "a number of hours above 0",
                in_force: |checked, _| Value::Double(checked.hours),
            },
            Parameter::Since => Definition {
                name: "since",
                kind: Kind::BigInt,
                description: "begin of the window",
                default_value: "until - hours".to_owned(),
                expected: "whole unix seconds from 0",
                in_force: |checked, _| (checked.window.since_ms / 1000).into(),
            },
            Parameter::Until => Definition {
                name: "until",
                kind: Kind::BigInt,
                description: "end of the window",
                default_value: "now".to_owned(),
                expected: "whole unix seconds from 0",
                in_force: |checked, _| (checked.window.until_ms / 1000).into(),
            },
            Parameter::GroupBy => Definition {
                name: "group_by",
                kind: Kind::Text,
                description: "what a row describes",
                default_value: GroupBy::default().as_str().to_owned(),
                expected: "'process', 'process_instance', 'tuple' or 'process_port'",
                in_force: |checked, _| checked.group_by.as_str().into(),
            },
            Parameter::Threshold(number) => match thresholds().nth(number) {
                Some(threshold) => Definition {
                    name: threshold.name,
                    kind: if threshold.is_whole { Kind::BigInt } else { Kind::Double },
                    description: threshold.description,
                    default_value: threshold.default.to_string(),
                    expected: threshold.expected,
                    in_force: Parameters::threshold,
                },
                // There is none of such a number in `Parameter::ALL`.
                None => flag("", "", |_, _| Value::Null),
            },
            Parameter::IncludeSuppressed => flag(
                "include_suppressed",
                "whether groups that a suppression rule hides are returned, too",
                |checked, _| i64::from(checked.include_suppressed).into(),
            ),
            Parameter::IncludeLoopback => flag(
                "include_loopback",
                "whether connections to the machine itself count",
                |checked, _| i64::from(checked.include_loopback).into(),
            ),
            Parameter::IncludeAll => flag(
                "include_all",
                "whether groups that no detector named are returned, too",
                |checked, _| i64::from(checked.include_all).into(),
            ),
            Parameter::RowLimit => Definition {
                name: "row_limit",
                kind: Kind::BigInt,
                description: "the most rows to return",
                default_value: DEFAULT_ROW_LIMIT.to_string(),
                expected: "a whole number from 0",
                in_force: |checked, _| checked.row_limit.unwrap_or(DEFAULT_ROW_LIMIT).into(),
            },
        }
    }

    /// Whether it is 0 or 1, and 0 unless given.
    pub(super) fn is_switch(self) -> bool {
        matches!(
            self,
            Parameter::IncludeSuppressed | Parameter::IncludeLoopback | Parameter::IncludeAll
        )
    }

    /// The hidden column's name.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// Its type.
    pub fn kind(self) -> Kind {
        self.definition().kind
    }

    /// What it does, in a line.
    pub fn description(self) -> &'static str {
        self.definition().description
    }

    /// What holds where it is not given, in words.
    pub fn default_value(self) -> String {
        self.definition().default_value
    }

    /// What it takes, in words.
    pub fn expected(self) -> &'static str {
        self.definition().expected
    }
}

/// Those of all detectors, in their order.
pub(super) fn thresholds() -> impl Iterator<Item = &'static Threshold> {
    const ALL: &[Detector] = &DETECTORS;
    ALL.iter().flat_map(|detector| detector.thresholds)
}
