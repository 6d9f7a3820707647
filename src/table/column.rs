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

impl Column {
    /// A column on which no constraint reaches us.
    pub(super) const fn new(name: &'static str, kind: Kind, description: &'static str) -> Column {
        Column { name, kind, options: ColumnOptions::Plain, description }
    }

    /// The same with constraints that reach us.
    pub(super) const fn narrowing(self) -> Column {
        Column { options: ColumnOptions::Narrowing, ..self }
    }
}

/// All there is to say of a column: what it is declared as, what has to be known for it, and how its
/// value is computed from what a row is made of, by `F`.
pub(super) struct Definition<F> {
    pub(super) column: Column,
    pub(super) needs: Needs,
    pub(super) value: F,
}

/// What the columns of these definitions are declared as.
pub(super) const fn declared<F, const N: usize>(definitions: &[Definition<F>]) -> [Column; N] {
    let mut columns = [Column::new("", Kind::Text, ""); N];
    let mut at = 0;
    while at < N {
        columns[at] = definitions[at].column;
        at += 1;
    }
    columns
}

/// What has to be known for a column, besides how many connections there are and between which bounds;
/// several may be joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs(u32);

impl Needs {
    pub(super) const NOTHING: Needs = Needs(0);
    /// Process instances of connections.
    pub(super) const INSTANCES: Needs = Needs(1);
    /// Names of destinations at each connection.
    pub(super) const DOMAINS: Needs = Needs(1 << 1);
    /// Bytes of each connection.
    pub(super) const BYTES: Needs = Needs(1 << 2);
    /// The destination as text.
    pub(super) const DESTINATION: Needs = Needs(1 << 3);
    /// The median interval.
    pub(super) const MEDIAN: Needs = Needs(1 << 4);
    /// The standard deviation of the intervals.
    pub(super) const DEVIATION: Needs = Needs(1 << 5);
    /// The most frequent interval.
    pub(super) const REPETITION: Needs = Needs(1 << 6);
    /// Check-ins and their period.
    pub(super) const RHYTHM: Needs = Needs(1 << 7);
    /// The score of the rhythm.
    pub(super) const SCORE: Needs = Needs(1 << 8);
    /// Which detectors name the group.
    pub(super) const DETECTORS: Needs = Needs(1 << 9);
    /// RITA's scores.
    pub(super) const RITA: Needs = Needs(1 << 10);
    /// The times of all connections.
    pub(super) const TIMES: Needs = Needs(1 << 11);
    /// What suppression rules say.
    pub(super) const RULES: Needs = Needs(1 << 12);

    /// Both together.
    pub(super) const fn and(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether any of `other` is among them.
    pub(super) const fn any(self, other: Needs) -> bool {
        self.0 & other.0 != 0
    }
}
