//! The parameters of a query: hidden columns that are compared with = in a WHERE.
//!
//! Each is defined once, here or, for the thresholds of a detector, by the detector. Reading and
//! checking them is done here for all hosts and tables; what they mean for the rows is decided by the
//! tables. Every parameter is echoed in every row, as given, or SQLite would drop the row.

use super::{Kind, QueryContext, TableError, Value};
use crate::beacon::Window;
use crate::beacon::detectors::{DETECTORS, Threshold};

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
const DEFAULT_HOURS: f64 = 24.0;
const HOUR_MS: f64 = 3_600_000.0;
/// Of all detectors.
const THRESHOLDS: usize = {
    let (mut count, mut at) = (0, 0);
    while at < DETECTORS.len() {
        count += DETECTORS[at].thresholds.len();
        at += 1;
    }
    count
};

/// All there is to say of a parameter.
struct Definition {
    name: &'static str,
    kind: Kind,
    description: &'static str,
    /// What holds where it is not given, in words.
    default_value: String,
    /// What it takes, in words.
    expected: &'static str,
    /// The value of its hidden column where it is not given: what applies instead.
    in_force: fn(&Parameters, Parameter) -> Value,
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

    fn definition(self) -> Definition {
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
fn thresholds() -> impl Iterator<Item = &'static Threshold> {
    const ALL: &[crate::beacon::detectors::Detector] = &DETECTORS;
    ALL.iter().flat_map(|detector| detector.thresholds)
}

/// What a row describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GroupBy {
    /// Pathname, destination, port and protocol.
    #[default]
    Process,
    /// The same and the process instance.
    ProcessInstance,
    /// Destination and port, whatever the process.
    Tuple,
    /// Pathname, port and protocol over all destinations.
    ProcessPort,
}

impl GroupBy {
    const ALL: [GroupBy; 4] =
        [GroupBy::Process, GroupBy::ProcessInstance, GroupBy::Tuple, GroupBy::ProcessPort];

    fn parse(text: &str) -> Option<GroupBy> {
        GroupBy::ALL.into_iter().find(|group_by| group_by.as_str() == text)
    }

    fn as_str(self) -> &'static str {
        match self {
            GroupBy::Process => "process",
            GroupBy::ProcessInstance => "process_instance",
            GroupBy::Tuple => "tuple",
            GroupBy::ProcessPort => "process_port",
        }
    }
}

/// The parameters of one query, checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameters {
    pub(super) window: Window,
    pub(super) group_by: GroupBy,
    /// Values for the thresholds of all detectors, in their order.
    pub(super) thresholds: [f64; THRESHOLDS],
    pub(super) include_suppressed: bool,
    pub(super) include_loopback: bool,
    pub(super) include_all: bool,
    /// `None` if not given.
    pub(super) row_limit: Option<u64>,
    hours: f64,
}

impl Parameters {
    /// The parameters in `context`, with `now_ms` (unix milliseconds) for the end of the window.
    pub(super) fn read(context: &QueryContext, now_ms: i64) -> Result<Parameters, TableError> {
        let given = Given::checked(context)?;
        let hours = given.number(Parameter::Hours, |hours| hours > 0.0)?.unwrap_or(DEFAULT_HOURS);
        let until = given.count(Parameter::Until)?;
        let since = given.count(Parameter::Since)?;
        let to_ms = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        let until_ms = until.map_or(now_ms, to_ms);
        let since_ms = since.map_or_else(
            || until_ms.saturating_sub((hours * HOUR_MS).round() as i64).max(0),
            to_ms,
        );
        if since_ms > until_ms {
            return Err(TableError::EmptyWindow {
                since: (since_ms / 1000).to_string(),
                until: (until_ms / 1000).to_string(),
            });
        }
        let mut values = [0.0; THRESHOLDS];
        for (number, (value, threshold)) in values.iter_mut().zip(thresholds()).enumerate() {
            *value = given.threshold(number, threshold)?;
        }
        Ok(Parameters {
            window: Window { since_ms, until_ms },
            group_by: given.group_by()?,
            thresholds: values,
            include_suppressed: given.flag(Parameter::IncludeSuppressed)?,
            include_loopback: given.flag(Parameter::IncludeLoopback)?,
            include_all: given.flag(Parameter::IncludeAll)?,
            row_limit: given.count(Parameter::RowLimit)?,
            hours,
        })
    }

    /// The most rows to return.
    pub(super) fn most_rows(&self) -> usize {
        usize::try_from(self.row_limit.unwrap_or(DEFAULT_ROW_LIMIT)).unwrap_or(usize::MAX)
    }

    fn threshold(&self, parameter: Parameter) -> Value {
        let Parameter::Threshold(number) = parameter else {
            return Value::Null;
        };
        match (self.thresholds.get(number), parameter.kind()) {
            (Some(value), Kind::BigInt) => (*value as i64).into(),
            (Some(value), _) => Value::Double(*value),
            (None, _) => Value::Null,
        }
    }
}

/// The value of a parameter's hidden column in every row of the answer to `context`, whose
/// parameters are `checked`.
pub(super) fn echo(parameter: Parameter, context: &QueryContext, checked: &Parameters) -> Value {
    let Some(given) = context.given(parameter.name()) else {
        return (parameter.definition().in_force)(checked, parameter);
    };
    match (parameter.kind(), given.trim().parse::<f64>()) {
        (Kind::BigInt, Ok(number)) => Value::Integer(number as i64),
        (Kind::Double, Ok(number)) => Value::Double(number),
        _ => given.into(),
    }
}

/// The parameters as text.
struct Given<'c>(&'c QueryContext);

impl<'c> Given<'c> {
    /// Those in `context`, each with one value at most.
    fn checked(context: &'c QueryContext) -> Result<Given<'c>, TableError> {
        for parameter in Parameter::ALL {
            let name = parameter.name();
            let mut given = None;
            for constraint in context.on(name) {
                let value = constraint.value.as_str();
                match constraint.operator.comparison() {
                    None => {}
                    Some("=") => {
                        let first = *given.get_or_insert(value);
                        if first != value {
                            let (first, second) = (first.to_owned(), value.to_owned());
                            return Err(TableError::ParameterTwice { name, first, second });
                        }
                    }
                    Some(operator) => {
                        return Err(TableError::ParameterOperator { name, operator });
                    }
                }
            }
        }
        Ok(Given(context))
    }

    fn refuse<T>(&self, parameter: Parameter) -> Result<T, TableError> {
        Err(TableError::BadParameter {
            name: parameter.name(),
            value: self.0.given(parameter.name()).unwrap_or_default().to_owned(),
            expected: parameter.expected(),
        })
    }

    /// A finite number >= 0 that `is_possible`.
    fn number(
        &self,
        parameter: Parameter,
        is_possible: impl FnOnce(f64) -> bool,
    ) -> Result<Option<f64>, TableError> {
        let Some(text) = self.0.given(parameter.name()) else {
            return Ok(None);
        };
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 && is_possible(number) => {
                Ok(Some(number))
            }
            _ => self.refuse(parameter),
        }
    }

    /// A whole number from 0.
    fn count(&self, parameter: Parameter) -> Result<Option<u64>, TableError> {
        Ok(self.number(parameter, is_whole)?.map(|number| number as u64))
    }

    fn flag(&self, parameter: Parameter) -> Result<bool, TableError> {
        match self.count(parameter)? {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => self.refuse(parameter),
        }
    }

    fn threshold(&self, number: usize, threshold: &Threshold) -> Result<f64, TableError> {
        let (least, most) = threshold.range;
        let is_possible = |value: f64| {
            (least..=most).contains(&value) && (!threshold.is_whole || is_whole(value))
        };
        let given = self.number(Parameter::Threshold(number), is_possible)?;
        Ok(given.unwrap_or(threshold.default))
    }

    fn group_by(&self) -> Result<GroupBy, TableError> {
        match self.0.given(Parameter::GroupBy.name()) {
            None => Ok(GroupBy::default()),
            Some(text) => match GroupBy::parse(text) {
                Some(group_by) => Ok(group_by),
                None => self.refuse(Parameter::GroupBy),
            },
        }
    }
}

/// Whether a number is whole, and so small that every whole number up to it is one.
fn is_whole(number: f64) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    number.fract() == 0.0 && number <= EXACT
}
