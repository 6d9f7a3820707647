//! Why a table gives no rows, as the message that becomes the SQL error.

use crate::cache::CacheError;
use crate::words;

/// A query that cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A hidden parameter has a value that it cannot have.
    #[error("{name} = '{value}' is not possible: expected {expected}")]
    BadParameter {
        /// The parameter.
        name: &'static str,
        /// As given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A hidden parameter is compared with something else than = or IN: SQLite would return
    /// nothing and say nothing.
    #[error("{name} is a parameter: give it with = or IN, not {operator}")]
    ParameterOperator {
        /// The parameter.
        name: &'static str,
        /// The operator in SQL.
        operator: &'static str,
    },
    /// A hidden parameter that is 0 unless given stands alone, as in `WHERE include_all`, or where its
    /// value does not reach a table: no row would have another, and SQLite would say nothing.
    #[error("{name} is a parameter, and 0 unless it is given with = or IN: write {name} = 1")]
    SwitchNotGiven {
        /// The parameter.
        name: &'static str,
    },
    /// A hidden parameter has two values at once.
    #[error("{name} is given as '{first}' and as '{second}': no row can have both")]
    ParameterTwice {
        /// The parameter.
        name: &'static str,
        /// One value.
        first: String,
        /// The other.
        second: String,
    },
    /// The window ends before it begins.
    #[error("since = {since} is later than until = {until}")]
    EmptyWindow {
        /// Unix seconds.
        since: String,
        /// Unix seconds.
        until: String,
    },
    /// Everything was asked for, and it is more than what is returned unasked.
    #[error(
        "include_all = 1 finds {} rows, more than the {} that are returned by default: give \
         row_limit, or narrow the query",
        words::number(*rows),
        words::number(*limit)
    )]
    TooManyRows {
        /// Rows found.
        rows: u64,
        /// The default limit.
        limit: u64,
    },
    /// The answer would be larger than one may be.
    #[error(
        "the answer has {} rows, which is more than the {} that one may have: {advice}",
        words::number(*rows),
        words::bytes(*bytes)
    )]
    TooLarge {
        /// Rows found, but no more than row_limit.
        rows: u64,
        /// How large it may be.
        bytes: u64,
        /// What to do.
        advice: String,
    },
    /// A timeline of everything is no timeline.
    #[error(
        "beacon_connections shows the timeline of a group: say which with = or LIKE on tuple, \
         destination, pathname or sophosPID"
    )]
    TimelineOfEverything,
    /// The cache could not be read.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// SQLite could not compare a value with a pattern.
    #[error("cannot evaluate a pattern: {0}")]
    Pattern(rusqlite::Error),
}
