//! Which of its tables an osquery records connections in. Only one is read: the same connection
//! from two of them would count twice.

use std::collections::{HashMap, HashSet};

use super::open_sockets::{self, OpenSockets};
use super::socket_events::{self, SocketEvents};
use super::{Collector, Host, HostError, windows_events};

/// osquery's own default of the flag.
const DEFAULT_EVENTS_EXPIRY_S: i64 = 3600;

/// What was found to collect from.
pub struct Choice {
    /// `None` if osquery records nothing.
    pub collector: Option<Collector>,
    /// What is to be known of it, or why there is none: a sentence for `beacon_status`; '' if all
    /// is well.
    pub remark: &'static str,
    /// After so many seconds osquery may forget an event (its flag `events_expiry`); `None` if it
    /// never does.
    pub events_expiry_s: Option<i64>,
    /// Whether osquery records events unless something is missing; in osqueryi it does not.
    pub is_told_to_record: bool,
}

/// A collector that the user has named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first that records.
    Auto,
    /// This one, whether or not it records.
    Named(Named),
}

/// The collectors that need nothing but their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Sysmon in `windows_events`.
    Sysmon,
    /// `socket_events`.
    SocketEvents,
    /// `bpf_socket_events`.
    BpfSocketEvents,
    /// `process_open_sockets`.
    OpenSockets,
}

impl From<Named> for Collector {
    fn from(named: Named) -> Collector {
        match named {
            Named::Sysmon => Collector::Sysmon,
            Named::SocketEvents => Collector::Sockets(SocketEvents::of_audit()),
            Named::BpfSocketEvents => Collector::Sockets(SocketEvents::of_bpf()),
            Named::OpenSockets => Collector::OpenSockets(OpenSockets::default()),
        }
    }
}

/// What an osquery says of itself.
struct Osquery {
    flags: HashMap<String, String>,
    /// Event subscribers that run and whose publisher runs, with the events that this one has had.
    recording: HashMap<String, u64>,
    tables: HashSet<String>,
}

/// Finds the collector for this osquery: Sysmon, `socket_events`, `bpf_socket_events`, and where
/// none of them records `process_open_sockets`.
pub fn choose(source: Source, host: &mut dyn Host) -> Result<Choice, HostError> {
    let osquery = Osquery::ask(host)?;
    let events_expiry_s = osquery.flag("events_expiry").and_then(|value| value.parse().ok());
    let (collector, remark) = match source {
        Source::Named(named) => (Some(Collector::from(named)), ""),
        Source::Auto => osquery.first_that_records(),
    };
    let remark = match &collector {
        Some(collector) if remark.is_empty() => osquery.remark_on(collector),
        _ => remark,
    };
    let events_expiry_s = events_expiry_s.unwrap_or(DEFAULT_EVENTS_EXPIRY_S);
    let events_expiry_s = (events_expiry_s > 0).then_some(events_expiry_s);
    let is_told_to_record = !osquery.disables_events();
    Ok(Choice { collector, remark, events_expiry_s, is_told_to_record })
}

impl Osquery {
    fn ask(host: &mut dyn Host) -> Result<Osquery, HostError> {
        let mut flags = HashMap::new();
        host.query(
            "SELECT name, value FROM osquery_flags \
             WHERE +name IN ('disable_events', 'events_expiry', 'windows_event_channels')",
            &mut |row| {
                if let (Some(name), Some(value)) = (row.get("name"), row.get("value")) {
                    flags.insert(name.clone(), value.clone());
                }
            },
        )?;
        // A subscriber calls itself active even if its publisher is not.
        let (mut publishers, mut subscribers) = (HashMap::new(), Vec::new());
        let sql = "SELECT name, publisher, type, events, active FROM osquery_events";
        host.query(sql, &mut |row| {
            let text = |name: &str| row.get(name).cloned().unwrap_or_default();
            match (text("type").as_str(), text("active").as_str()) {
                ("publisher", "1") => {
                    publishers.insert(text("name"), text("events").parse().unwrap_or(0));
                }
                ("subscriber", "1") => subscribers.push((text("name"), text("publisher"))),
                _ => {}
            }
        })?;
        let mut tables = HashSet::new();
        host.query("SELECT name FROM osquery_registry WHERE registry = 'table'", &mut |row| {
            tables.extend(row.get("name").cloned());
        })?;
        let recording = subscribers
            .into_iter()
            .filter_map(|(name, publisher)| Some((name, *publishers.get(&publisher)?)))
            .collect();
        Ok(Osquery { flags, recording, tables })
    }

    fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str)
    }

    /// What speaks against a source of events. Audit counts as running even while another program
    /// holds it; then only its events are missing.
    fn remark_on(&self, collector: &Collector) -> &'static str {
        let table = match collector {
            Collector::Sysmon => "windows_events",
            collector if collector.is_an_event_table() => collector.name(),
            _ => return "",
        };
        match self.recording.get(table) {
            None => "osquery does not record this (see osquery_events, and its flags)",
            Some(0) => {
                "osquery has recorded no event yet (on Linux, another program may hold audit)"
            }
            Some(_) => "",
        }
    }

    fn disables_events(&self) -> bool {
        self.flag("disable_events") == Some("true")
    }

    fn first_that_records(&self) -> (Option<Collector>, &'static str) {
        let records =
            |table: &str| self.recording.contains_key(table) && self.tables.contains(table);
        let channels = self.flag("windows_event_channels").unwrap_or_default();
        let has_sysmon =
            channels.to_ascii_lowercase().contains(&windows_events::CHANNEL.to_ascii_lowercase());
        if records("windows_events") && has_sysmon {
            return (Some(Collector::Sysmon), "");
        }
        if records(socket_events::AUDIT.name) {
            return (Some(Named::SocketEvents.into()), "");
        }
        if records(socket_events::BPF.name) {
            return (Some(Named::BpfSocketEvents.into()), "");
        }
        // As osqueryi does unless told otherwise: who looks around there wants no journal.
        if self.disables_events() {
            return (None, "this osquery records no events (--disable_events)");
        }
        if self.tables.contains(open_sockets::NAME) {
            return (
                Some(Named::OpenSockets.into()),
                "last resort: osquery records no connections here, so only those are seen that \
                 are open at a poll",
            );
        }
        (None, "this osquery has no table of connections")
    }
}
