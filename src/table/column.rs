//! What a column is: its name, type and meaning, and which constraints on it reach a table.

/// SQLite's type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TEXT.
    Text,
    /// BIGINT.
    BigInt,
    /// DOUBLE.
    Double,
}

impl Kind {
    /// The type in SQL.
    pub fn as_sql(self) -> &'static str {
        match self {
            Kind::Text => "TEXT",
            Kind::BigInt => "BIGINT",
            Kind::Double => "DOUBLE",
        }
    }
}

/// osquery's `ColumnOptions`, which decide what constraints reach a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnOptions {
    /// ADDITIONAL: constraints reach us.
    Narrowing,
    /// OPTIMIZED: none does, so that a JOIN on the column makes one call and not one a row.
    Plain,
    /// HIDDEN and ADDITIONAL: a parameter.
    Parameter,
}

impl ColumnOptions {
    /// The number that osquery knows it by.
    pub fn code(self) -> u8 {
        match self {
            ColumnOptions::Narrowing => 4,
            ColumnOptions::Plain => 8,
            ColumnOptions::Parameter => 20,
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What reaches the table of constraints on it.
    pub options: ColumnOptions,
    /// What it holds, in a line: units, and when it is NULL or ''.
    pub description: &'static str,
}

/// A column on which constraints reach us.
pub(super) const fn narrowing(name: &'static str, kind: Kind, description: &'static str) -> Column {
    Column { name, kind, options: ColumnOptions::Narrowing, description }
}

/// A column on which none does.
pub(super) const fn plain(name: &'static str, kind: Kind, description: &'static str) -> Column {
    Column { name, kind, options: ColumnOptions::Plain, description }
}
