//! Our own journal as NDJSON; CSV is split in `csv_journal`.

use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::row::Row;

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
