//! Sysmon events 3 (network connection) and 1 (process creation), wherever they are written:
//! NXLog's flat JSON, Winlogbeat's JSON as it is or in ECS fields, the event trees of EVTX files,
//! event data as an object or as text (Velociraptor, Azure Monitor), and osquery's rows.
//!
//! Field names are those of
//! <https://learn.microsoft.com/en-us/sysinternals/downloads/sysmon>.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::address::Destination;
use super::delivery::{Delivery, JournalSink};
use super::time_spelling::year_first;
use super::{ConnectionEvent, FileTime, Process, ProcessEvent, Protocol, normalise, record_id};

const PROCESS_CREATION: u64 = 1;
const NETWORK_CONNECTION: u64 = 3;
/// Event 1 is logged this soon after the process start that its GUID holds.
const START_TOLERANCE_MS: i64 = 5_000;

/// Where the Elastic Common Schema keeps what Sysmon calls otherwise.
const ECS: [(&str, &str); 10] = [
    ("UtcTime", "@timestamp"),
    ("ProcessGuid", "process.entity_id"),
    ("ProcessId", "process.pid"),
    ("Image", "process.executable"),
    ("CommandLine", "process.command_line"),
    ("Protocol", "network.transport"),
    ("SourcePort", "source.port"),
    ("DestinationIp", "destination.ip"),
    ("DestinationHostname", "destination.domain"),
    ("DestinationPort", "destination.port"),
];

/// A Windows event that Sysmon logged.
pub(super) struct Event<'a> {
    id: u64,
    computer: &'a str,
    data: Cow<'a, Map<String, Value>>,
}

impl<'a> Event<'a> {
    /// The event in a JSON object of any known shape; `None` if it is no event of Sysmon's.
    pub(super) fn of(object: &'a Value) -> Option<Event<'a>> {
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        // Winlogbeat 7 and later; Winlogbeat 6 had the same fields at the top.
        let beat = object.get("winlog").unwrap_or(object);
        if let Some(id) = beat.get("event_id")
            && let Some(data) = data_of_beat(object, beat)
        {
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
                ["/Provider_attributes/Name", "/Provider/#attributes/Name", "/Provider/Name"];
            let provider = provider.iter().find_map(|path| system.pointer(path));
            return Event::new(
                id,
                text(&system["Computer"]),
                [&system["Channel"], provider.unwrap_or(&Value::Null), &Value::Null, &Value::Null],
                data_of(object.pointer("/Event/EventData")?)?,
            );
        }
        // NXLog, with the data beside the rest; others with the data as text in a field of its own.
        let computer = ["Hostname", "Computer", "host"].map(|name| text(&object[name]));
        let data = match object.get("EventData") {
            Some(data @ Value::String(_)) => data_of(data).or_else(|| data_of(object)),
            _ => data_of(object),
        };
        Event::new(
            object.get("EventID")?,
            computer.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
            [
                &object["Channel"],
                &object["SourceName"],
                &object["ProviderName"],
                &object["Provider"],
            ],
            data?,
        )
    }

    /// The event in a row of osquery's `windows_events` from Sysmon's log.
    pub(super) fn of_this_endpoint(id: &str, data: &'a Value) -> Option<Event<'a>> {
        let data = data_of(data.get("EventData")?)?;
        Some(Event { id: id.parse().ok()?, computer: "", data })
    }

    /// The same, of a host that the event does not name.
    pub(super) fn on_host(self, host: &'a str) -> Event<'a> {
        Event { computer: host, ..self }
    }

    /// Event ids are only Sysmon's own in Sysmon's log, which one of `logs` has to name.
    fn new(
        id: &Value,
        computer: &'a str,
        logs: [&Value; 4],
        data: Cow<'a, Map<String, Value>>,
    ) -> Option<Event<'a>> {
        let mut logs = logs.into_iter().filter_map(Value::as_str).peekable();
        let is_sysmon = match logs.peek() {
            Some(_) => logs.any(|log| log.contains("Sysmon")),
            None => data.contains_key("ProcessGuid"),
        };
        let id = id.as_u64().or_else(|| id.as_str()?.parse().ok())?;
        is_sysmon.then_some(Event { id, computer, data })
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
        year_first(&text).ok_or_else(|| {
            format!("UtcTime '{text}' is not a time: Sysmon writes 2026-05-04 09:30:00.250")
        })
    }

    /// Hands the event to the sink, if it is one that we read.
    pub(super) fn deliver<S: JournalSink>(&self, to: &mut Delivery<'_, S>) -> Result<(), S::Error> {
        match self.id {
            NETWORK_CONNECTION => {
                let initiated = self.text("Initiated");
                if initiated.is_empty() {
                    to.doubt("of unknown direction (Initiated is missing)");
                } else if !initiated.eq_ignore_ascii_case("true") {
                    to.skip("inbound (Initiated is not true)");
                    return Ok(());
                }
                self.deliver_connection(to)
            }
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
        let Ok(port) = port.parse() else {
            to.reject(format_args!("DestinationPort '{port}' is not a port"));
            return Ok(());
        };
        if address.trim().is_empty() {
            to.reject("DestinationIp is missing");
            return Ok(());
        }
        let Some(Destination { address: destination, port: None, .. }) = Destination::of(&address)
        else {
            to.reject(format_args!("DestinationIp '{address}' is not an address"));
            return Ok(());
        };
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

/// Event data: an object, or one as text.
fn data_of(value: &Value) -> Option<Cow<'_, Map<String, Value>>> {
    match value {
        Value::Object(data) => Some(Cow::Borrowed(data)),
        Value::String(text) => serde_json::from_str(text).ok().map(Cow::Owned),
        _ => None,
    }
}

/// The data of an event of Winlogbeat's, completed from the fields of the Elastic Common Schema, to
/// which modules and pipelines for Sysmon move it.
fn data_of_beat<'a>(object: &'a Value, beat: &'a Value) -> Option<Cow<'a, Map<String, Value>>> {
    let data = beat.get("event_data").and_then(data_of);
    let is_complete = |data: &Map<String, Value>| data.contains_key("UtcTime");
    if let Some(data) = data.as_ref().filter(|data| is_complete(data)) {
        return Some(data.clone());
    }
    let in_ecs = |path: &str| {
        let nested = path.split('.').try_fold(object, |value, name| value.get(name));
        nested.or_else(|| object.get(path)).filter(|value| !value.is_null())
    };
    let mut completed = data.map(Cow::into_owned).unwrap_or_default();
    for (name, path) in ECS {
        if let Some(value) = in_ecs(path)
            && !completed.contains_key(name)
        {
            completed.insert(name.to_owned(), value.clone());
        }
    }
    let direction = in_ecs("network.direction").and_then(Value::as_str);
    if let (Some(direction), false) = (direction, completed.contains_key("Initiated")) {
        let initiated = match direction {
            "egress" | "outbound" => Some(true),
            "ingress" | "inbound" => Some(false),
            _ => None, // internal and external say where, not who began
        };
        completed.extend(initiated.map(|initiated| ("Initiated".to_owned(), initiated.into())));
    }
    (!completed.is_empty()).then_some(Cow::Owned(completed))
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
