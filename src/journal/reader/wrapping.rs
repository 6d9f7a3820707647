//! Records inside other objects: what Elasticsearch, Splunk, log shippers and buses put around them.
//!
//! What the records are is `format`'s.

use std::borrow::Cow;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The names of fields that hold a whole record: as an object, or as the text of one.
const NAMES: [&str; 9] = [
    "_source",    // Elasticsearch
    "result",     // Splunk's export
    "_raw",       // Splunk, Cribl
    "message",    // Logstash, Filebeat
    "columns",    // osquery, without what its log says beside them
    "event",      // HTTP Event Collector
    "log",        // Fluent Bit, containers
    "value",      // Kafka
    "properties", // Azure diagnostic settings
];

/// Nobody wraps more often.
const DEEPEST: usize = 4;

/// The names that lead from an object to the record in it; none if it is the record itself.
pub(super) type Wrapping = Vec<&'static str>;

/// What is told by an object, or by a record inside it, with the names that lead there.
pub(super) fn find<T>(object: &str, tell: &impl Fn(&str) -> Option<T>) -> Option<(T, Wrapping)> {
    find_within(object, tell, DEEPEST)
}

fn find_within<T>(
    object: &str,
    tell: &impl Fn(&str) -> Option<T>,
    deepest: usize,
) -> Option<(T, Wrapping)> {
    if let Some(told) = tell(object) {
        return Some((told, Vec::new()));
    }
    if deepest == 0 {
        return None;
    }
    NAMES.into_iter().find_map(|name| {
        let inside = field(object, name)?;
        let (told, mut wrapping) = find_within(&inside, tell, deepest - 1)?;
        wrapping.insert(0, name);
        Some((told, wrapping))
    })
}

/// The record in an object. Where a name is not there, what has been reached is taken for it.
pub(super) fn undo<'a>(wrapping: &[&str], object: &'a str) -> Cow<'a, str> {
    let mut record = Cow::Borrowed(object);
    for name in wrapping {
        let inside = match &record {
            Cow::Borrowed(text) => field(text, name),
            Cow::Owned(text) => field(text, name).map(|inside| Cow::Owned(inside.into_owned())),
        };
        match inside {
            Some(inside) => record = inside,
            None => break,
        }
    }
    record
}

/// The object in a field, whether it stands there as an object or as text.
fn field<'a>(object: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let raw =
        serde_json::Deserializer::from_str(object).deserialize_map(FieldVisitor(name)).ok()??;
    let inside = match raw.get().starts_with('"') {
        true => Cow::Owned(serde_json::from_str::<String>(raw.get()).ok()?),
        false => Cow::Borrowed(raw.get()),
    };
    inside.trim_start().starts_with('{').then_some(inside)
}

/// Takes one field of an object.
struct FieldVisitor<'n>(&'n str);

impl<'de> Visitor<'de> for FieldVisitor<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_wherever_it_is_wrapped() {
        let is_record = |text: &str| {
            text.contains("\"r\":").then_some(()).filter(|()| text.starts_with("{\"r\""))
        };
        let record = r#"{"r": "a\nb"}"#;
        let text = serde_json::Value::from(record).to_string();
        for (object, wrapping) in [
            (record.to_owned(), vec![]),
            (format!(r#"{{"_index": "x", "_source": {record}}}"#), vec!["_source"]),
            (format!(r#"{{"_source": {{"message": {text}}}}}"#), vec!["_source", "message"]),
            (
                format!(r#"{{"preview": false, "result": {{"_raw": {text}}}}}"#),
                vec!["result", "_raw"],
            ),
        ] {
            let (_, found) = find(&object, &is_record).unwrap();
            assert_eq!(found, wrapping, "{object}");
            assert_eq!(undo(&found, &object), record);
        }
        assert_eq!(find(r#"{"message": "not JSON", "log": 1}"#, &is_record), None);
        assert_eq!(undo(&["_source"], record), record);
    }
}
