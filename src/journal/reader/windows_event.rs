//! Windows events as trees, whoever undid their file or wrote them as JSON: Sysmon's, and those that
//! the log Security has of connections.

use serde_json::{Value, json};

use super::event_xml;
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::records::{Layout, built_in};
use crate::journal::sysmon_event::Event;

/// Where shippers put an event's XML.
const XML_FIELDS: [&str; 6] =
    ["/_raw", "/result/_raw", "/message", "/MESSAGE", "/event/original", "/SyslogMessage"];

/// Whether a column of this name may hold events as XML.
pub(super) fn is_xml_column(name: &str) -> bool {
    let name = name.trim().trim_matches('"');
    XML_FIELDS.iter().any(|pointer| pointer.strip_prefix('/') == Some(name))
}

/// Whether an object is an event that we know.
pub(super) fn is_known(object: &Value) -> bool {
    match xml_in(object) {
        Some(_) => true,
        None => {
            let tree = tree_of_velociraptor(object);
            let object = tree.as_ref().unwrap_or(object);
            Event::of(object).is_some() || is_of_security(object)
        }
    }
}

/// Hands over what an event tells.
pub(super) fn deliver<S: JournalSink>(
    object: &Value,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    if let Some(xml) = xml_in(object) {
        return event_xml::deliver(xml, to);
    }
    let tree = tree_of_velociraptor(object);
    let object = tree.as_ref().unwrap_or(object);
    if let Some(event) = Event::of(object) {
        return event.deliver(to);
    }
    for layout in [security(), elastic()].into_iter().flatten() {
        if let Ok(values) = layout.values(object)
            && layout.is_told_by(&values)
        {
            return layout.deliver(&values, to);
        }
    }
    to.skip("not Sysmon's");
    Ok(())
}

/// Whether an Elastic document may be a Windows event, whose values its module has not moved.
pub(super) fn may_be_in(layout: &Layout, object: &str) -> bool {
    elastic() == Some(layout) && object.contains("\"winlog\"")
}

fn xml_in(object: &Value) -> Option<&str> {
    let mut texts = XML_FIELDS.iter().filter_map(|pointer| object.pointer(pointer)?.as_str());
    texts.find(|text| event_xml::find_start(text).is_some())
}

/// A row of Velociraptor's as the tree of an event log. What it parsed of a log has `System` and
/// `EventData`; its artifacts give `EventID` (Windows.EventLogs.EvtxHunter) or `ID`
/// (Windows.Sysinternals.SysmonLogForward) beside `EventData`.
fn tree_of_velociraptor(object: &Value) -> Option<Value> {
    let data = object.get("EventData").filter(|data| data.is_object())?;
    let system = object.get("System").unwrap_or(object);
    let first = |candidates: &[&Value]| -> Value {
        let found = candidates.iter().find(|value| value.is_string() || value.is_number());
        found.map_or(Value::Null, |value| (*value).clone())
    };
    let id = first(&[&system["EventID"]["Value"], &system["EventID"], &system["ID"]]);
    let computer = ["Computer", "Hostname", "Fqdn", "ClientId"].map(|name| &object[name]);
    let computer = first(&[&[&system["Computer"]], &computer[..]].concat());
    let time =
        first(&[&system["TimeCreated"]["SystemTime"], &object["EventTime"], &object["Timestamp"]]);
    (!id.is_null()).then(|| {
        json!({"Event": {
            "System": {
                "EventID": id, "Computer": computer, "Channel": system["Channel"],
                "EventRecordID": system["EventRecordID"],
                "TimeCreated_attributes": {"SystemTime": time},
            },
            "EventData": data,
        }})
    })
}

fn is_of_security(object: &Value) -> bool {
    let of = |layout: &Layout| layout.values(object).is_ok_and(|values| layout.is_told_by(&values));
    security().is_some_and(of)
}

/// What the log Security has of connections.
fn security() -> Option<&'static Layout> {
    built_in().iter().find(|layout| layout.source_name() == "security_5156")
}

/// What Winlogbeat's modules make of events.
fn elastic() -> Option<&'static Layout> {
    built_in().iter().find(|layout| layout.source_name() == "elastic")
}
