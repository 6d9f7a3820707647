//! Windows events as JSON objects, whoever wrote them; EVTX files are undone in `evtx`.

use serde_json::Value;

use super::windows_event;
use crate::journal::delivery::{Delivery, JournalSink};

/// One object, or why it is none.
pub(super) fn read_object<S: JournalSink>(
    object: &str,
    to: &mut Delivery<'_, S>,
) -> Result<serde_json::Result<()>, S::Error> {
    match serde_json::from_str::<Value>(object) {
        Ok(object) => windows_event::deliver(&object, to).map(Ok),
        Err(problem) => Ok(Err(problem)),
    }
}
