//! Windows events as JSON lines, whoever wrote them; EVTX files are undone in `evtx`.

use serde_json::Value;

use super::windows_event;
use crate::journal::delivery::{Delivery, JournalSink};

/// One line of JSON.
pub(super) fn read_line<S: JournalSink>(
    line: &str,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    match serde_json::from_str::<Value>(line) {
        Ok(object) => windows_event::deliver(&object, to),
        Err(problem) => {
            to.reject_json("a JSON object", &problem);
            Ok(())
        }
    }
}
