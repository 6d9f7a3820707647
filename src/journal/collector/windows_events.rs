//! Sysmon's events as osquery's `windows_events` holds them: `data` is the event's own data as
//! JSON, `time` is when osquery took it.

use serde_json::Value;

use super::{CollectError, Host, Slice, deliver_rows};
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::sysmon_event::Event;

/// Where Sysmon writes.
pub(super) const CHANNEL: &str = "Microsoft-Windows-Sysmon/Operational";

pub(super) fn collect<S: JournalSink>(
    slice: Slice,
    host: &mut dyn Host,
    to: &mut Delivery<'_, S>,
) -> Result<(), CollectError<S::Error>> {
    let sql = format!(
        "SELECT eventid, data FROM windows_events WHERE {} \
         AND +source = '{CHANNEL}' AND +eventid IN (1, 3)",
        slice.of_events()
    );
    deliver_rows(&sql, host, |row, number| {
        to.at_line(number);
        let text = |name: &str| row.get(name).map_or("", String::as_str);
        let data: Value = match serde_json::from_str(text("data")) {
            Ok(data) => data,
            Err(problem) => {
                to.reject_json("event data in JSON", &problem);
                return Ok(());
            }
        };
        match Event::of_this_endpoint(text("eventid"), &data) {
            Some(event) => event.deliver(to),
            None => {
                to.reject("neither EventData nor an event id");
                Ok(())
            }
        }
    })
}
