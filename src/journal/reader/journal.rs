//! Our own journal as JSON objects; CSV is split in `csv_journal`.

use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::row::Row;

/// One object, or why it is none.
pub(super) fn read_object<S: JournalSink>(
    object: &str,
    to: &mut Delivery<'_, S>,
) -> Result<serde_json::Result<()>, S::Error> {
    let mut row = Row::default();
    match row.read_json(object) {
        Ok(()) => row.deliver(to).map(Ok),
        Err(problem) => Ok(Err(problem)),
    }
}
