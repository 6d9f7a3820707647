//! Sysmon's events as JSON objects, whoever wrote them; EVTX files are undone in `evtx`.

use serde_json::Value;

use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::sysmon_event::Event;

/// What the other events of a file are.
pub(super) const OF_OTHERS: &str = "not Sysmon's";

/// One object, or why it is none.
pub(super) fn read_object<S: JournalSink>(
    object: &str,
    to: &mut Delivery<'_, S>,
) -> Result<serde_json::Result<()>, S::Error> {
    let object = match serde_json::from_str::<Value>(object) {
        Ok(object) => object,
        Err(problem) => return Ok(Err(problem)),
    };
    match Event::of(&object) {
        Some(event) => event.deliver(to)?,
        None => to.skip(OF_OTHERS),
    }
    Ok(Ok(()))
}
