//! A row of a table. Of some forty columns a query mostly asks for a few, of thousands of groups.

use std::ops::Index;
use std::sync::Arc;

use super::{Column, Value};

/// The values of a row, in the order of its table's visible columns. Those that nobody asked for are
/// NULL and take no space.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    values: Vec<Value>,
    /// Where the value of each column is, if not all have one.
    places: Option<Arc<[Option<usize>]>>,
}

impl Row {
    /// The value of a column, by its number; `None` if there is no such column.
    pub fn get(&self, column: usize) -> Option<&Value> {
        match &self.places {
            None => self.values.get(column),
            Some(places) => {
                Some(places.get(column)?.and_then(|at| self.values.get(at)).unwrap_or(&Value::Null))
            }
        }
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.places.as_ref().map_or(self.values.len(), |places| places.len())
    }

    /// The values of all columns.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        (0..self.columns()).filter_map(|column| self.get(column))
    }
}

impl Index<usize> for Row {
    type Output = Value;

    /// The value of a column; NULL if there is no such column.
    fn index(&self, column: usize) -> &Value {
        self.get(column).unwrap_or(&Value::Null)
    }
}

impl From<Vec<Value>> for Row {
    /// A row with a value for each column.
    fn from(values: Vec<Value>) -> Row {
        Row { values, places: None }
    }
}

/// The columns that the rows of an answer hold values of.
pub(super) struct ColumnMask {
    columns: Vec<usize>,
    places: Arc<[Option<usize>]>,
}

impl ColumnMask {
    /// Those of `columns` that are `used`.
    pub(super) fn new(columns: &[Column], used: impl Fn(&str) -> bool) -> ColumnMask {
        let mut numbers = Vec::new();
        let places = columns.iter().enumerate().map(|(number, column)| {
            used(column.name).then(|| {
                numbers.push(number);
                numbers.len() - 1
            })
        });
        ColumnMask { places: places.collect(), columns: numbers }
    }

    /// A row with the `value` of each of these columns, by its number.
    pub(super) fn row(&self, value: impl FnMut(usize) -> Value) -> Row {
        let values = self.columns.iter().copied().map(value).collect();
        Row { values, places: Some(Arc::clone(&self.places)) }
    }
}
