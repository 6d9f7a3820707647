//! Sysmon's events as JSON lines, whoever wrote them; EVTX files are undone in `evtx`.

use serde_json::Value;

use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::sysmon_event::Event;

/// One line of JSON.
pub(super) fn read_line<S: JournalSink>(
    line: &str,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    match serde_json::from_str::<Value>(line) {
        Ok(object) => match Event::of(&object) {
            Some(event) => event.deliver(to),
            None => {
                to.skip("not Sysmon's");
                Ok(())
            }
        },
        Err(problem) => {
            to.reject_json("a JSON object", &problem);
            Ok(())
        }
    }
}
