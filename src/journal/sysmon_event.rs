//! Sysmon events 3 (network connection) and 1 (process creation), wherever they are written:
//! NXLog's flat JSON, Winlogbeat's JSON, the event trees of EVTX files, and osquery's rows.
//!
//! Field names are those of
//! <https://learn.microsoft.com/en-us/sysinternals/downloads/sysmon>.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::delivery::{Delivery, JournalSink};
use super::{ConnectionEvent, FileTime, Process, ProcessEvent, Protocol, normalise, record_id};

const PROCESS_CREATION: u64 = 1;
const NETWORK_CONNECTION: u64 = 3;
/// Event 1 is logged this soon after the process start that its GUID holds.
const START_TOLERANCE_MS: i64 = 5_000;

/// A Windows event that Sysmon logged.
pub(super) struct Event<'a> {
    id: u64,
    computer: &'a str,
    data: &'a Map<String, Value>,
}

impl<'a> Event<'a> {
    /// The event in a JSON object of any known shape; `None` if it is no event of Sysmon's.
    pub(super) fn of(object: &'a Value) -> Option<Event<'a>> {
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        // Winlogbeat 7 and later; Winlogbeat 6 had the same fields at the top.
        let beat = object.get("winlog").unwrap_or(object);
        if let (Some(id), Some(data)) = (beat.get("event_id"), beat.get("event_data")) {
            return Event::new(
                id,
                text(&beat["computer_name"]),
                [&beat["channel"], &beat["log_name"], &beat["provider_name"], &beat["source_name"]],
                data,
            );
        }
        // The event tree of EVTX, as evtx tools write it.
        if let Some(system) = object.pointer("/Event/System") {
            let id = match &system["EventID"] {
                Value::Object(id) => id.get("#text")?,
                id => id,
            };
            let provider =
                object.pointer("/Event/System/Provider_attributes/Name").unwrap_or(&Value::Null);
            return Event::new(
                id,
                text(&system["Computer"]),
                [&system["Channel"], provider, &Value::Null, &Value::Null],
                object.pointer("/Event/EventData")?,
            );
        }
        // NXLog.
        let computer = ["Hostname", "Computer", "host"].map(|name| text(&object[name]));
        Event::new(
            object.get("EventID")?,
            computer.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
            [&object["Channel"], &object["SourceName"], &object["ProviderName"], &Value::Null],
            object,
        )
    }

    /// The event in a row of osquery's `windows_events` from Sysmon's log.
    pub(super) fn of_this_endpoint(id: &str, data: &'a Value) -> Option<Event<'a>> {
        let data = data.get("EventData")?.as_object()?;
        Some(Event { id: id.parse().ok()?, computer: "", data })
    }

    /// Event ids are only Sysmon's own in Sysmon's log, which one of `logs` has to name.
    fn new(id: &Value, computer: &'a str, logs: [&Value; 4], data: &'a Value) -> Option<Event<'a>> {
        let mut logs = logs.into_iter().filter_map(Value::as_str).peekable();
        let is_sysmon = match logs.peek() {
            Some(_) => logs.any(|log| log.contains("Sysmon")),
            None => data.get("ProcessGuid").is_some(),
        };
        let id = id.as_u64().or_else(|| id.as_str()?.parse().ok())?;
        is_sysmon.then_some(Event { id, computer, data: data.as_object()? })
    }

    /// A value of the event; '' where Sysmon writes none.
    fn text(&self, name: &str) -> String {
        match self.data.get(name) {
            Some(Value::String(text)) if text != "-" => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(truth)) => truth.to_string(),
            _ => String::new(),
        }
    }

    fn image(&self) -> String {
        let image = self.text("Image");
        if image == "<unknown process>" { String::new() } else { image }
    }

    fn pid(&self) -> Option<u32> {
        self.text("ProcessId").parse().ok()
    }

    fn process_start(&self) -> Option<FileTime> {
        process_start(&self.text("ProcessGuid"))
    }

    fn utc_time_ms(&self) -> Result<i64, String> {
        let text = self.text("UtcTime");
        let parsed = text.parse::<DateTime>().and_then(|time| time.to_zoned(TimeZone::UTC));
        match parsed.map(|time| time.timestamp().as_millisecond()) {
            Ok(ms) if ms >= 0 => Ok(ms),
            _ => Err(format!("UtcTime '{text}' is not a time")),
        }
    }

    /// Hands the event to the sink, if it is one that we read.
    pub(super) fn deliver<S: JournalSink>(&self, to: &mut Delivery<'_, S>) -> Result<(), S::Error> {
        match self.id {
            NETWORK_CONNECTION if !self.text("Initiated").eq_ignore_ascii_case("true") => {
                to.skip("inbound (Initiated is not true)");
                Ok(())
            }
            NETWORK_CONNECTION => self.deliver_connection(to),
            PROCESS_CREATION => self.deliver_process(to),
            _ => {
                to.skip("not a network connection");
                Ok(())
            }
        }
    }

    fn deliver_connection<S: JournalSink>(&self, to: &mut Delivery<'_, S>) -> Result<(), S::Error> {
        let time_ms = match self.utc_time_ms() {
            Ok(time_ms) => time_ms,
            Err(problem) => {
                to.reject(problem);
                return Ok(());
            }
        };
        let (address, port) = (self.text("DestinationIp"), self.text("DestinationPort"));
        let (destination, Ok(port)) = (normalise(&address), port.parse()) else {
            to.reject(format_args!("DestinationPort '{port}' is not a port"));
            return Ok(());
        };
        if destination.is_empty() {
            to.reject("DestinationIp is missing");
            return Ok(());
        }
        let (guid, source_port) = (self.text("ProcessGuid"), self.text("SourcePort"));
        let name = self.text("DestinationHostname");
        let name = normalise(&name);
        let is_name = name.parse::<std::net::IpAddr>().is_err();
        to.connection(&ConnectionEvent {
            time_ms,
            host: self.computer,
            process: Process {
                pathname: &self.image(),
                pid: self.pid(),
                start: self.process_start(),
                cmdline: "",
            },
            destination: &destination,
            port,
            protocol: Protocol::from_journal(&self.text("Protocol")),
            domain: if is_name { &name } else { "" },
            bytes_sent: None,
            bytes_received: None,
            record_id: (!guid.is_empty() && !source_port.is_empty())
                .then(|| record_id((guid, source_port))),
        })
    }

    fn deliver_process<S: JournalSink>(&self, to: &mut Delivery<'_, S>) -> Result<(), S::Error> {
        let start = self.process_start();
        if let (Some(start), Ok(logged)) = (start, self.utc_time_ms())
            && (logged - start.unix_ms()).abs() > START_TOLERANCE_MS
            && to.is_first_warning()
        {
            log::warn!(
                "{}: the GUID of process {} (and perhaps of others) says that it started {} s before \
                 its creation was logged; the GUID counts",
                self.computer,
                self.text("ProcessId"),
                (logged - start.unix_ms()) / 1000,
            );
        }
        to.process(&ProcessEvent {
            host: self.computer,
            process: Process {
                pathname: &self.image(),
                pid: self.pid(),
                start,
                cmdline: &self.text("CommandLine"),
            },
        })
    }
}

/// The process start, whole seconds, in a ProcessGuid, which Sysmon composes of machine, start and
/// token: the unix time has its lower 16 bits in the second group and its upper 16 in the third.
/// `None` for the GUID of an unknown process.
fn process_start(guid: &str) -> Option<FileTime> {
    let mut groups = guid.trim_matches(['{', '}']).split('-').skip(1);
    let low = u16::from_str_radix(groups.next()?, 16).ok()?;
    let high = u16::from_str_radix(groups.next()?, 16).ok()?;
    let seconds = i64::from(high) << 16 | i64::from(low);
    if seconds == 0 { None } else { FileTime::from_unix_ms(seconds * 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guid_holds_the_process_start() {
        // 0x5dc03cda = 1572879578
        let start = process_start("{b3c285a4-3cda-5dc0-0000-001077270b00}").unwrap();
        assert_eq!(start.unix_ms(), 1_572_879_578_000);
        assert_eq!(process_start("B3C285A4-3CDA-5DC0-0000-001077270B00"), Some(start));
        for unknown in ["", "{00000000-0000-0000-0000-000000000000}", "x-y-z", "{b3c285a4-3cda}"] {
            assert_eq!(process_start(unknown), None, "{unknown}");
        }
    }
}
