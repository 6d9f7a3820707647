//! Our own journal as NDJSON, and as CSV that `csv_journal` has split.

use super::csv_journal::Record;
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::Field;
use crate::journal::row::{Column, Row, missing_column};

/// One line of NDJSON.
pub(super) fn read_line<S: JournalSink>(
    line: &str,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    let mut row = Row::default();
    match row.read_json(line) {
        Ok(()) => row.deliver(to),
        Err(problem) => {
            to.reject_json("a JSON object", &problem);
            Ok(())
        }
    }
}

/// The columns of a CSV journal, by position; `None` for those that are not ours.
pub(super) struct CsvColumns(Vec<Option<Column>>);

impl CsvColumns {
    /// Those that a header names, or the one that it lacks.
    pub(super) fn named(names: &[String]) -> Result<CsvColumns, &'static str> {
        let columns: Vec<_> = names.iter().map(|name| Column::named(name)).collect();
        let known: Vec<_> = columns.iter().flatten().copied().collect();
        missing_column(&known).map_or(Ok(CsvColumns(columns)), Err)
    }

    /// One record.
    pub(super) fn read<S: JournalSink>(
        &self,
        record: &Record,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        let mut row = Row::default();
        for (column, value) in self.0.iter().zip(record.fields()) {
            if let Some(column) = column {
                row.set(*column, Field::Text(value));
            }
        }
        row.deliver(to)
    }
}
