//! What a query asks of a table: the constraints that its WHERE puts on columns, as osquery
//! passes them on.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// How a constraint compares; the codes are SQLite's `SQLITE_INDEX_CONSTRAINT_*`
/// (<https://www.sqlite.org/c3ref/c_index_constraint_eq.html>), which osquery's JSON carries too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator(pub u8);

impl Operator {
    /// `=`, and each value of an IN.
    pub const EQUAL: Operator = Operator(2);
    /// `>`
    pub const GREATER: Operator = Operator(4);
    /// `<=`
    pub const LESS_OR_EQUAL: Operator = Operator(8);
    /// `<`
    pub const LESS: Operator = Operator(16);
    /// `>=`
    pub const GREATER_OR_EQUAL: Operator = Operator(32);
    /// `LIKE`
    pub const LIKE: Operator = Operator(65);
    /// `GLOB`
    pub const GLOB: Operator = Operator(66);

    /// `IS NULL`; its value means nothing.
    pub const IS_NULL: Operator = Operator(71);
    /// `IS`, with something else than NULL.
    pub const IS: Operator = Operator(72);

    /// Whether a column has to equal the value.
    pub fn equals(self) -> bool {
        matches!(self, Operator::EQUAL | Operator::IS)
    }

    /// The operator in SQL, if it rules out values of a column. The others (IS NOT NULL, LIMIT and
    /// what future versions of SQLite pass on) ask nothing of a table.
    pub fn comparison(self) -> Option<&'static str> {
        Some(match self.0 {
            2 => "=",
            4 => ">",
            8 => "<=",
            16 => "<",
            32 => ">=",
            64 => "MATCH",
            65 => "LIKE",
            66 => "GLOB",
            67 => "REGEXP",
            68 => "!=",
            69 => "IS NOT",
            71 => "IS NULL",
            72 => "IS",
            _ => return None,
        })
    }
}

/// `column operator value`, with the value as SQLite's text of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The column's name.
    pub column: Cow<'static, str>,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub value: String,
}

/// The constraints of one call; all of them have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryContext {
    /// In no particular order.
    pub constraints: Vec<Constraint>,
    /// The columns whose values are asked for; `None` where the host does not tell.
    pub columns_used: Option<BTreeSet<String>>,
}

impl QueryContext {
    /// Whether the values of a column are asked for.
    pub fn uses(&self, column: &str) -> bool {
        self.columns_used.as_ref().is_none_or(|used| used.contains(column))
    }

    /// Whether the host tells that the query names a column.
    pub fn names(&self, column: &str) -> bool {
        self.columns_used.as_ref().is_some_and(|used| used.contains(column))
    }

    /// The constraints on a column.
    pub fn on<'c>(&'c self, column: &'c str) -> impl Iterator<Item = &'c Constraint> {
        self.constraints.iter().filter(move |constraint| constraint.column == column)
    }

    /// What a column has to equal, as given; the first if there are several.
    pub fn given(&self, column: &str) -> Option<&str> {
        let constraint = self
            .constraints
            .iter()
            .find(|constraint| constraint.column == column && constraint.operator.equals());
        constraint.map(|constraint| constraint.value.as_str())
    }
}
