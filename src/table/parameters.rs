//! The parameters of a query: hidden columns that are compared with = in a WHERE.
//!
//! Reading and checking them is done here, once for all hosts and tables; what they mean for the
//! rows is the tables' affair. Every parameter is echoed in every row, as given, or SQLite would
//! drop the row.

use super::{Kind, QueryContext, TableError, Value};
use crate::beacon::{fixed_interval, repetitive_interval};
use crate::cache::Window;

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
    /// `fixed_interval`'s fewest connections.
    MinConnections,
    /// `fixed_interval`'s largest spread.
    MaxIntervalSpread,
    /// `repetitive_interval`'s shortest interval.
    TimeDeltaThreshold,
    /// `repetitive_interval`'s fewest intervals an hour.
    TotalEventsThreshold,
    /// `repetitive_interval`'s smallest share.
    PercentBeaconThreshold,
    /// Whether groups that a suppression rule hides are returned.
    IncludeSuppressed,
    /// Whether connections to the machine itself count.
    IncludeLoopback,
    /// Whether groups that no detector named are returned.
    IncludeAll,
    /// The most rows.
    RowLimit,
}

/// Rows that are returned where no row_limit is given.
pub(super) const DEFAULT_ROW_LIMIT: u64 = 1000;
const HOUR_MS: f64 = 3_600_000.0;

impl Parameter {
    /// All of them, in the order of the hidden columns.
    pub const ALL: [Parameter; 13] = [
        Parameter::Hours,
        Parameter::Since,
        Parameter::Until,
        Parameter::GroupBy,
        Parameter::MinConnections,
        Parameter::MaxIntervalSpread,
        Parameter::TimeDeltaThreshold,
        Parameter::TotalEventsThreshold,
        Parameter::PercentBeaconThreshold,
        Parameter::IncludeSuppressed,
        Parameter::IncludeLoopback,
        Parameter::IncludeAll,
        Parameter::RowLimit,
    ];

    /// The hidden column's name.
    pub fn name(self) -> &'static str {
        match self {
            Parameter::Hours => "hours",
            Parameter::Since => "since",
            Parameter::Until => "until",
            Parameter::GroupBy => "group_by",
            Parameter::MinConnections => "min_connections",
            Parameter::MaxIntervalSpread => "max_interval_spread",
            Parameter::TimeDeltaThreshold => "time_delta_threshold",
            Parameter::TotalEventsThreshold => "total_events_threshold",
            Parameter::PercentBeaconThreshold => "percent_beacon_threshold",
            Parameter::IncludeSuppressed => "include_suppressed",
            Parameter::IncludeLoopback => "include_loopback",
            Parameter::IncludeAll => "include_all",
            Parameter::RowLimit => "row_limit",
        }
    }

    /// Its type.
    pub fn kind(self) -> Kind {
        match self {
            Parameter::GroupBy => Kind::Text,
            Parameter::Hours
            | Parameter::MaxIntervalSpread
            | Parameter::TimeDeltaThreshold
            | Parameter::PercentBeaconThreshold => Kind::Double,
            _ => Kind::BigInt,
        }
    }

    /// What it does, in a line.
    pub fn description(self) -> &'static str {
        match self {
            Parameter::Hours => "how far back the window reaches",
            Parameter::Since => "begin of the window",
            Parameter::Until => "end of the window",
            Parameter::GroupBy => "what a row describes",
            Parameter::MinConnections => "the fewest connections that fixed_interval names",
            Parameter::MaxIntervalSpread => {
                "fixed_interval needs the longest interval minus the shortest below this"
            }
            Parameter::TimeDeltaThreshold => "repetitive_interval counts only intervals above this",
            Parameter::TotalEventsThreshold => {
                "repetitive_interval needs more such intervals in an hour than this"
            }
            Parameter::PercentBeaconThreshold => {
                "repetitive_interval needs the most frequent of them to make up more than this"
            }
            Parameter::IncludeSuppressed => {
                "whether groups that a suppression rule hides are returned, too"
            }
            Parameter::IncludeLoopback => "whether connections to the machine itself count",
            Parameter::IncludeAll => "whether groups that no detector named are returned, too",
            Parameter::RowLimit => "the most rows to return",
        }
    }

    /// Whether it is 0 or 1, and 0 unless given.
    fn is_switch(self) -> bool {
        matches!(
            self,
            Parameter::IncludeSuppressed | Parameter::IncludeLoopback | Parameter::IncludeAll
        )
    }

    /// What holds where it is not given, in words.
    pub fn default_value(self) -> &'static str {
        match self {
            Parameter::Hours => "24",
            Parameter::Since => "until - hours",
            Parameter::Until => "now",
            Parameter::GroupBy => "process",
            Parameter::MinConnections => "3",
            Parameter::MaxIntervalSpread | Parameter::TimeDeltaThreshold => "10",
            Parameter::TotalEventsThreshold => "15",
            Parameter::PercentBeaconThreshold => "95",
            Parameter::IncludeSuppressed | Parameter::IncludeLoopback | Parameter::IncludeAll => {
                "0"
            }
            Parameter::RowLimit => "1000",
        }
    }

    /// What it takes, in words.
    pub fn expected(self) -> &'static str {
        match self {
            Parameter::Hours => "a number of hours above 0",
            Parameter::Since | Parameter::Until => "whole unix seconds from 0",
            Parameter::GroupBy => "'process', 'process_instance', 'tuple' or 'process_port'",
            Parameter::MinConnections => "a whole number from 1",
            Parameter::MaxIntervalSpread | Parameter::TimeDeltaThreshold => {
                "a number of seconds from 0"
            }
            Parameter::TotalEventsThreshold | Parameter::RowLimit => "a whole number from 0",
            Parameter::PercentBeaconThreshold => "a percentage from 0 to 100",
            Parameter::IncludeSuppressed | Parameter::IncludeLoopback | Parameter::IncludeAll => {
                "0 or 1"
            }
        }
    }
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
    fn parse(text: &str) -> Option<GroupBy> {
        Some(match text {
            "process" => GroupBy::Process,
            "process_instance" => GroupBy::ProcessInstance,
            "tuple" => GroupBy::Tuple,
            "process_port" => GroupBy::ProcessPort,
            _ => return None,
        })
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
    pub(super) fixed_interval: fixed_interval::Thresholds,
    pub(super) repetitive_interval: repetitive_interval::Thresholds,
    pub(super) include_suppressed: bool,
    pub(super) include_loopback: bool,
    pub(super) include_all: bool,
    /// `None` if not given.
    pub(super) row_limit: Option<u64>,
    hours: f64,
}

impl Parameters {
    /// The parameters in `context`, with `now_ms` (unix milliseconds) for the end of the window.
    pub(super) fn of(context: &QueryContext, now_ms: i64) -> Result<Parameters, TableError> {
        let given = Given::of(context)?;
        let hours = given.number(Parameter::Hours, |hours| hours > 0.0)?.unwrap_or(24.0);
        let until = given.count(Parameter::Until, 0)?;
        let since = given.count(Parameter::Since, 0)?;
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
        let percent = given.number(Parameter::PercentBeaconThreshold, |p| p <= 100.0)?;
        Ok(Parameters {
            window: Window { since_ms, until_ms },
            group_by: given.group_by()?,
            fixed_interval: fixed_interval::Thresholds {
                min_connections: given.count(Parameter::MinConnections, 1)?.unwrap_or(3),
                max_interval_spread: given
                    .number(Parameter::MaxIntervalSpread, |_| true)?
                    .unwrap_or(10.0),
            },
            repetitive_interval: repetitive_interval::Thresholds {
                time_delta: given.number(Parameter::TimeDeltaThreshold, |_| true)?.unwrap_or(10.0),
                total_events: given.count(Parameter::TotalEventsThreshold, 0)?.unwrap_or(15),
                percent: percent.unwrap_or(95.0),
            },
            include_suppressed: given.flag(Parameter::IncludeSuppressed)?,
            include_loopback: given.flag(Parameter::IncludeLoopback)?,
            include_all: given.flag(Parameter::IncludeAll)?,
            row_limit: given.count(Parameter::RowLimit, 0)?,
            hours,
        })
    }

    /// The most rows to return.
    pub(super) fn most_rows(&self) -> usize {
        usize::try_from(self.row_limit.unwrap_or(DEFAULT_ROW_LIMIT)).unwrap_or(usize::MAX)
    }

    /// The value of a parameter's hidden column where it is not given: what applies instead.
    fn in_force(&self, parameter: Parameter) -> Value {
        match parameter {
            Parameter::Hours => Value::Double(self.hours),
            Parameter::Since => (self.window.since_ms / 1000).into(),
            Parameter::Until => (self.window.until_ms / 1000).into(),
            Parameter::GroupBy => self.group_by.as_str().into(),
            Parameter::MinConnections => self.fixed_interval.min_connections.into(),
            Parameter::MaxIntervalSpread => Value::Double(self.fixed_interval.max_interval_spread),
            Parameter::TimeDeltaThreshold => Value::Double(self.repetitive_interval.time_delta),
            Parameter::TotalEventsThreshold => self.repetitive_interval.total_events.into(),
            Parameter::PercentBeaconThreshold => Value::Double(self.repetitive_interval.percent),
            Parameter::IncludeSuppressed => i64::from(self.include_suppressed).into(),
            Parameter::IncludeLoopback => i64::from(self.include_loopback).into(),
            Parameter::IncludeAll => i64::from(self.include_all).into(),
            Parameter::RowLimit => self.row_limit.unwrap_or(DEFAULT_ROW_LIMIT).into(),
        }
    }
}

/// The value of a parameter's hidden column in every row of the answer to `context`, whose
/// parameters are `checked`.
pub(super) fn echo(parameter: Parameter, context: &QueryContext, checked: &Parameters) -> Value {
    let Some(given) = context.given(parameter.name()) else {
        return checked.in_force(parameter);
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
    fn of(context: &'c QueryContext) -> Result<Given<'c>, TableError> {
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

    /// A whole number from `least`.
    fn count(&self, parameter: Parameter, least: u64) -> Result<Option<u64>, TableError> {
        const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
        match self.number(parameter, |number| number.fract() == 0.0 && number <= EXACT)? {
            Some(number) if (number as u64) < least => self.refuse(parameter),
            number => Ok(number.map(|number| number as u64)),
        }
    }

    fn flag(&self, parameter: Parameter) -> Result<bool, TableError> {
        match self.count(parameter, 0)? {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => self.refuse(parameter),
        }
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
