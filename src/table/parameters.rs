//! The parameters of a query: hidden columns that are compared with = in a WHERE.
//!
//! Reading and checking them is done here for all hosts and tables; what they mean for the rows is
//! decided by the tables. Every parameter is echoed in every row, as given, or SQLite would drop the row.

use super::parameter::{DEFAULT_HOURS, DEFAULT_ROW_LIMIT, THRESHOLDS, thresholds};
use super::{Kind, Parameter, QueryContext, TableError, Value};
use crate::beacon::Window;
use crate::beacon::detectors::Threshold;

const HOUR_MS: f64 = 3_600_000.0;

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

    pub(super) fn as_str(self) -> &'static str {
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
    pub(super) hours: f64,
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

    /// The value of a detector's threshold, in force.
    pub(super) fn threshold(&self, parameter: Parameter) -> Value {
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
                    Some(_) if constraint.operator.equals() => {
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
            // In WHERE include_all nothing is compared, and nothing would come back.
            if parameter.is_switch() && given.is_none() && context.names(name) {
                return Err(TableError::SwitchNotGiven { name });
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
