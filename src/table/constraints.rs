//! Constraints on visible columns, evaluated before row_limit cuts.
//!
//! SQLite checks every constraint again on the rows it gets; a constraint that cannot be
//! evaluated as SQLite would is therefore left to it. LIKE and GLOB are evaluated by SQLite itself;
//! = lets through what is equal under any of its collations.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection as Database;

use super::{Constraint, Operator, QueryContext, TableError};

/// The columns of both tables whose constraints reach us and are evaluated here; the others are
/// parameters, and `time`, which shrinks the window.
pub(super) const NARROWING: [&str; 6] =
    ["host", "pathname", "sophosPID", "destination", "destinationport", "tuple"];

/// The constraints that narrow a query's rows.
pub(super) struct Constraints {
    constraints: Vec<Constraint>,
    /// An empty database, to ask SQLite what its LIKE and GLOB say; for one thread at a time.
    sqlite: Option<Mutex<Database>>,
}

impl Constraints {
    /// Those of `context` that can be evaluated.
    pub(super) fn evaluated(context: &QueryContext) -> Result<Constraints, TableError> {
        let evaluated = |constraint: &&Constraint| {
            let is_pattern = matches!(constraint.operator, Operator::LIKE | Operator::GLOB);
            NARROWING.contains(&&*constraint.column)
                && !constraint.value.contains('\0')
                && (is_pattern || constraint.operator.equals())
        };
        let constraints: Vec<_> = context.constraints.iter().filter(evaluated).cloned().collect();
        let needs_sqlite = constraints.iter().any(|each| !each.operator.equals());
        let sqlite = if needs_sqlite {
            Some(Mutex::new(Database::open_in_memory().map_err(TableError::Pattern)?))
        } else {
            None
        };
        Ok(Constraints { constraints, sqlite })
    }

    /// Whether nothing is narrowed.
    pub(super) fn is_empty(&self) -> bool {
        self.constraints.is_empty()
    }

    /// Whether anything narrows `column`.
    pub(super) fn are_on(&self, column: &str) -> bool {
        self.constraints.iter().any(|constraint| constraint.column == column)
    }

    /// Whether a row with this text in `column` may pass.
    pub(super) fn accept(&self, column: &str, text: &str) -> Result<bool, TableError> {
        // The host does not tell the collation: as wide as the widest of SQLite's.
        let bare = text.trim_end_matches(' ');
        self.all_pass(column, text, |value| bare.eq_ignore_ascii_case(value.trim_end_matches(' ')))
    }

    /// The same for a whole number; patterns see its digits, and = its value.
    pub(super) fn accept_number(&self, column: &str, number: i64) -> Result<bool, TableError> {
        // What is no whole number is left to SQLite.
        self.all_pass(column, &number.to_string(), |value| {
            value.parse().map_or(true, |value: i64| value == number)
        })
    }

    /// Whether all constraints on `column` pass; patterns are compared with `text`.
    fn all_pass(
        &self,
        column: &str,
        text: &str,
        equals: impl Fn(&str) -> bool,
    ) -> Result<bool, TableError> {
        for constraint in self.constraints.iter().filter(|each| each.column == column) {
            let value = constraint.value.as_str();
            let passes = match constraint.operator {
                Operator::LIKE => self.ask_sqlite("SELECT ?1 LIKE ?2", text, value)?,
                Operator::GLOB => self.ask_sqlite("SELECT ?1 GLOB ?2", text, value)?,
                _ => equals(value),
            };
            if !passes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn ask_sqlite(&self, question: &str, text: &str, pattern: &str) -> Result<bool, TableError> {
        let Some(sqlite) = &self.sqlite else {
            return Ok(true);
        };
        // A question that panicked leaves nothing behind.
        let sqlite = sqlite.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = sqlite.prepare_cached(question).map_err(TableError::Pattern)?;
        statement.query_row([text, pattern], |row| row.get(0)).map_err(TableError::Pattern)
    }
}
