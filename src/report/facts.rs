//! A row of a table by the names of its columns, fit to be shown.
//!
//! What a journal wrote is made printable here and cut; the page keeps it
//! from becoming markup.

use crate::journal::printable;
use crate::table::{Column, Row, Table, Value, real_as_text};
use crate::words;

/// Characters of a text that are shown.
pub(super) const MOST_SHOWN: usize = 2_000;

/// A row of a table.
pub(super) struct Facts {
    columns: &'static [Column],
    row: Row,
}

impl Facts {
    pub(super) fn new(table: Table, row: Row) -> Facts {
        Facts { columns: table.visible_columns(), row }
    }

    fn value(&self, column: &str) -> &Value {
        let mut values = self.columns.iter().zip(self.row.iter());
        values.find(|(each, _)| each.name == column).map_or(&Value::Null, |(_, value)| value)
    }

    /// A text as the table has it: not for the page, but to ask other tables.
    pub(super) fn raw(&self, column: &str) -> &str {
        self.value(column).as_text().unwrap_or_default()
    }

    /// A value as a query prints it; '' if it is not known.
    pub(super) fn text(&self, column: &str) -> String {
        text(self.value(column))
    }

    /// A number, if it is known.
    pub(super) fn number(&self, column: &str) -> Option<f64> {
        match self.value(column) {
            Value::Integer(number) => Some(*number as f64),
            Value::Double(number) => Some(*number),
            Value::Null | Value::Text(_) => None,
        }
    }

    /// A whole number, if it is known.
    pub(super) fn integer(&self, column: &str) -> Option<i64> {
        match self.value(column) {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// A number of things, if it is known.
    pub(super) fn count(&self, column: &str) -> Option<u64> {
        self.integer(column).and_then(|number| u64::try_from(number).ok())
    }

    /// A moment in words, if it is known.
    pub(super) fn time(&self, column: &str) -> Option<String> {
        self.integer(column).map(words::time_of_second)
    }

    /// Every column with its value as a query prints it.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static Column, String)> {
        self.columns.iter().zip(self.row.iter()).map(|(column, value)| (column, text(value)))
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Double(number) => real_as_text(*number),
        Value::Text(text) => cut(text, MOST_SHOWN),
    }
}

/// `text` made printable, and no more than `most` characters of it.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            let more = words::count(text[end..].chars().count() as u64, "more character");
            format!("{}… ({more})", printable(&text[..end]))
        }
        None => printable(text),
    }
}
