//! How much an answer may hold: so many bytes, counted as osquery takes it, which is the name and
//! the value of each column as text in every row.

use super::{Parameter, Row, Table, TableError, Value};

/// A length stands before each name and value.
const LENGTH: usize = 4;

/// The room for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    table: Table,
    bytes: usize,
}

impl Room {
    /// So many bytes for the rows of `table`.
    pub(super) fn of(bytes: usize, table: Table) -> Room {
        Room { table, bytes }
    }

    /// The most rows that may fit, if they hold nothing but their columns' names.
    pub(super) fn rows(self) -> usize {
        self.bytes / self.names().max(1)
    }

    /// An error if an answer of so many rows cannot fit.
    pub(super) fn check_count(self, rows: u64) -> Result<(), TableError> {
        match rows > self.rows() as u64 {
            true => Err(self.exceeded_by(rows)),
            false => Ok(()),
        }
    }

    /// An error if these rows do not fit.
    pub(super) fn check(self, rows: &[Row]) -> Result<(), TableError> {
        let mut left = self.bytes;
        let names = self.names();
        for row in rows {
            let bytes = names + row.iter().map(bytes_of).sum::<usize>();
            left = left.checked_sub(bytes).ok_or_else(|| self.exceeded_by(rows.len() as u64))?;
        }
        Ok(())
    }

    /// Bytes of the names in each row.
    fn names(self) -> usize {
        let names = self.table.columns().map(|column| column.name);
        names.map(|name| name.len() + 2 * LENGTH).sum()
    }

    fn exceeded_by(self, rows: u64) -> TableError {
        let narrows = match self.table {
            Table::BeaconConnections => "time, ",
            _ => "",
        };
        let has_limit = self.table.parameters().contains(&Parameter::RowLimit);
        let advice = match has_limit {
            true => format!(
                "give a lower row_limit, or narrow it by {narrows}pathname, tuple, destination, \
                 destinationport or host"
            ),
            false => "raise answer_megabytes".to_owned(),
        };
        TableError::TooLarge { rows, bytes: self.bytes as u64, advice }
    }
}

/// Bytes of a value as text, about.
fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Integer(number) => number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1,
        Value::Double(_) => 8,
        Value::Text(text) => text.len(),
    }
}
