//! Windows events as XML, one after the other, whatever stands between them: what wevtutil and the
//! event viewer write, Splunk's raw events, and the lines that Sysmon for Linux writes to syslog.
//!
//! Each becomes the tree that an EVTX file gives; what it means is in `windows_event`.

use std::borrow::Cow;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event as Xml};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value, json};

use super::lines::Lines;
use super::{Source, Stop, windows_event};
use crate::journal::delivery::{Delivery, JournalSink};

const START: &str = "<Event";
const END: &str = "</Event>";
/// A longer one is none: Windows' own limit is 64 KiB.
const LONGEST_EVENT: usize = 1 << 20;

/// Where the first event of a text starts, if there is one.
pub(super) fn find_start(text: &str) -> Option<usize> {
    let mut starts = text.match_indices(START);
    let is_whole_name = |at: usize| {
        let next = text[at + START.len()..].chars().next();
        next.is_none_or(|next| next == '>' || next == '/' || next.is_whitespace())
    };
    starts.find(|(at, _)| is_whole_name(*at)).map(|(at, _)| at)
}

/// Reads all events of a file.
pub(super) fn read<S: JournalSink>(
    source: Source,
    to: &mut Delivery<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let mut lines = Lines::new(source);
    let mut event = Unfinished::default();
    while let Some(line) = lines.next().map_err(Stop::Io)? {
        let number = line.number;
        to.at_line(number);
        match line.text {
            Some(text) => event.add_line(&text, number, to).map_err(Stop::Sink)?,
            None => to.reject(format_args!("longer than {} MiB", super::lines::LONGEST_LINE >> 20)),
        }
    }
    event.give_up("an event without an end", to);
    Ok(())
}

/// The lines of an event whose end is yet to come; '' between events.
#[derive(Default)]
struct Unfinished {
    text: String,
    first_line: u64,
}

impl Unfinished {
    fn add_line<S: JournalSink>(
        &mut self,
        mut line: &str,
        number: u64,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        loop {
            let is_first_line = self.text.is_empty();
            if is_first_line {
                let Some(start) = find_start(line) else { return Ok(()) };
                self.first_line = number;
                line = &line[start..];
            }
            let searched_from = if is_first_line { START.len() } else { 0 };
            let next = find_start(&line[searched_from..]).map(|at| searched_from + at);
            let end = line.find(END).map(|at| at + END.len());
            match (next, end) {
                // No event is within another: the one before was cut.
                (Some(next), end) if end.is_none_or(|end| next < end) => {
                    self.text.push_str(&line[..next]);
                    self.give_up("an event without an end", to);
                    to.at_line(number);
                    line = &line[next..];
                }
                (_, Some(end)) => {
                    self.text.push_str(&line[..end]);
                    line = &line[end..];
                    to.at_line(self.first_line);
                    deliver(&std::mem::take(&mut self.text), to)?;
                    to.at_line(number);
                }
                (_, None) => {
                    self.text.push_str(line);
                    self.text.push('\n');
                    if self.text.len() > LONGEST_EVENT {
                        self.give_up("an event longer than 1 MiB", to);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Rejects what there is of the event.
    fn give_up<S: JournalSink>(&mut self, why: &str, to: &mut Delivery<'_, S>) {
        if !self.text.is_empty() {
            to.at_line(self.first_line);
            to.reject(why);
            self.text.clear();
        }
    }
}

/// Hands over the event in a text.
pub(super) fn deliver<S: JournalSink>(
    text: &str,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    let text = find_start(text).map_or(text, |start| &text[start..]);
    match tree(text) {
        Ok(event) => windows_event::deliver(&event, to),
        Err(problem) => {
            to.reject(format_args!("not an event in XML: {problem}"));
            Ok(())
        }
    }
}

/// Why a text is no event.
#[derive(Debug, thiserror::Error)]
enum NoEvent {
    #[error("{0}")]
    Xml(#[from] quick_xml::Error),
    #[error("it ends early")]
    EndsEarly,
}

/// The event as EVTX files give it.
fn tree(text: &str) -> Result<Value, NoEvent> {
    let mut reader = Reader::from_str(text);
    let mut event = Tree::default();
    loop {
        match reader.read_event()? {
            Xml::Start(start) => event.open(&start)?,
            Xml::Empty(start) => {
                event.open(&start)?;
                event.close();
            }
            Xml::End(_) if event.close() => return Ok(event.into_value()),
            Xml::End(_) => {}
            Xml::Text(text) => event.text.push_str(&text.xml10_content()),
            Xml::CData(text) => event.text.push_str(&text.xml10_content()),
            Xml::GeneralRef(entity) => match entity.resolve_char_ref()? {
                Some(character) => event.text.push(character),
                None => {
                    let name = entity.xml10_content();
                    match resolve_xml_entity(&name) {
                        Some(text) => event.text.push_str(text),
                        None => event.text.push_str(&format!("&{name};")),
                    }
                }
            },
            Xml::Eof if event.open.is_empty() => return Ok(event.into_value()),
            Xml::Eof => return Err(NoEvent::EndsEarly),
            Xml::Comment(_) | Xml::Decl(_) | Xml::PI(_) | Xml::DocType(_) => {}
        }
    }
}

/// What is read of an event so far.
#[derive(Default)]
struct Tree {
    /// The names of the elements that are open.
    open: Vec<String>,
    /// Of the innermost one.
    text: String,
    /// Name of the value that is open.
    data_name: String,
    system: Map<String, Value>,
    data: Map<String, Value>,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), quick_xml::Error> {
        let name = start.local_name().as_ref().to_owned();
        self.text.clear();
        let parent = self.open.get(1).map(String::as_str);
        if self.open.len() == 2 && parent == Some("System") {
            let mut attributes = Map::new();
            for attribute in ["Name", "SystemTime"] {
                if let Some(value) = attribute_of(start, attribute)? {
                    attributes.insert(attribute.to_owned(), Value::String(value.into_owned()));
                }
            }
            if !attributes.is_empty() {
                self.system.insert(format!("{name}_attributes"), Value::Object(attributes));
            }
        }
        self.data_name = attribute_of(start, "Name")?.unwrap_or_default().into_owned();
        self.open.push(name);
        Ok(())
    }

    /// Whether the event itself ends with this.
    fn close(&mut self) -> bool {
        let text = std::mem::take(&mut self.text);
        let name = self.open.pop().unwrap_or_default();
        let parent = self.open.get(1).map(String::as_str);
        match (self.open.len(), parent) {
            (2, Some("System")) if !text.trim().is_empty() => {
                self.system.insert(name, Value::String(text.trim().to_owned()));
            }
            (2, Some("EventData")) if !self.data_name.is_empty() => {
                let name = std::mem::take(&mut self.data_name);
                self.data.insert(name, Value::String(text));
            }
            _ => {}
        }
        self.open.is_empty()
    }

    fn into_value(self) -> Value {
        json!({"Event": {"System": self.system, "EventData": self.data}})
    }
}

fn attribute_of<'a>(
    start: &'a BytesStart<'_>,
    name: &str,
) -> Result<Option<Cow<'a, str>>, quick_xml::Error> {
    let attribute = start.try_get_attribute(name)?;
    attribute.map(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0)).transpose()
}
