//! What an API answers: one JSON object with the records somewhere in it, as objects or as rows of a
//! table. Defender's and Graph's advanced hunting, Log Analytics and Elasticsearch answer like that.
//!
//! The answer is read as a stream; only one record is held.

use std::cell::Cell;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::LONGEST_LINE;
use super::{Source, Stop, records};
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::Field;
use crate::journal::records::{Layout, Values};

/// Names of what has the records in it, whatever their case.
const CONTAINERS: [&str; 6] = ["results", "records", "tables", "rows", "hits", "value"];

/// The product of the first record in an answer that starts with `head`, if there is one.
pub(super) fn layout_in(head: &[u8]) -> Option<&'static Layout> {
    let mut first = None;
    // The head may end anywhere; what was found before counts.
    let _ = each_record(head, |record| {
        first = match record {
            Record::Object(text) => {
                serde_json::from_str(text).ok().as_ref().and_then(records::layout_of)
            }
            Record::Row(columns, _) => {
                records::layout_of_header(columns.iter().map(String::as_str))
            }
        };
        Err("found")
    });
    first
}

/// Whether an answer that starts with `head` has a record with the fields of this layout.
pub(super) fn has_fields_of(layout: &Layout, head: &[u8]) -> bool {
    let mut has_fields = false;
    let _ = each_record(head, |record| {
        has_fields = match record {
            Record::Object(text) => layout
                .values(&mut serde_json::Deserializer::from_str(text))
                .is_ok_and(|values| layout.lacks(|field| values.has(field)).is_none()),
            Record::Row(columns, _) => {
                let slots: Vec<_> = columns.iter().map(|column| layout.slot(column)).collect();
                layout.lacks(|field| slots.contains(&Some(field))).is_none()
            }
        };
        Err("found")
    });
    has_fields
}

/// Reads all records of an answer; each counts as a line.
pub(super) fn read<S: JournalSink>(
    layout: &'static Layout,
    source: Source,
    to: &mut Delivery<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let mut sink_error = None;
    let mut number = 0;
    let outcome = each_record(source, |record| {
        number += 1;
        to.at_line(number);
        let outcome = match record {
            Record::Object(text) => records::read_object(layout, text, to),
            Record::Row(columns, row) if columns.len() == row.len() => {
                let mut values = Values::default();
                for (column, value) in columns.iter().zip(row) {
                    if let Some(slot) = layout.slot(column) {
                        values.add(slot, value);
                    }
                }
                layout.deliver(&values, to)
            }
            Record::Row(columns, row) => {
                let (values, columns) = (row.len(), columns.len());
                to.reject(format_args!(
                    "has {values} values where the table has {columns} columns"
                ));
                Ok(())
            }
        };
        outcome.map_err(|error| {
            sink_error = Some(error);
            "stopped"
        })
    });
    match (sink_error, outcome) {
        (Some(error), _) => Err(Stop::Sink(error)),
        (None, Err(error)) => Err(Stop::Io(error.into())),
        (None, Ok(())) => Ok(()),
    }
}

enum Record<'r> {
    /// As JSON.
    Object(&'r str),
    /// Names of the columns, and their values.
    Row(&'r [String], Vec<Field<'r>>),
}

/// Hands over one record after the other until `take` says why not to go on.
fn each_record(
    reader: impl Read,
    mut take: impl FnMut(Record<'_>) -> Result<(), &'static str>,
) -> serde_json::Result<()> {
    let held = Rc::new(Cell::new(0));
    let metered = Metered { reader, held: Rc::clone(&held) };
    let mut deserializer = serde_json::Deserializer::from_reader(metered);
    let mut columns = Vec::new();
    Within { columns: &mut columns, take: &mut take, held: &held }.deserialize(&mut deserializer)
}

/// A reader of which no more than a record may be held at once.
struct Metered<R> {
    reader: R,
    /// Bytes since the last record.
    held: Rc<Cell<usize>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.held.set(self.held.get() + read);
        if self.held.get() > LONGEST_LINE {
            let problem = format!("there is no record in {} MiB", LONGEST_LINE >> 20);
            return Err(std::io::Error::new(ErrorKind::InvalidData, problem));
        }
        Ok(read)
    }
}

/// Something that has records in it, or that is one.
struct Within<'w, T> {
    /// Of the table that the rows to come are of.
    columns: &'w mut Vec<String>,
    take: &'w mut T,
    held: &'w Cell<usize>,
}

impl<T> Within<'_, T> {
    fn again(&mut self) -> Within<'_, T> {
        Within { columns: self.columns, take: self.take, held: self.held }
    }
}

impl<'de, T: FnMut(Record<'_>) -> Result<(), &'static str>> DeserializeSeed<'de> for Within<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: FnMut(Record<'_>) -> Result<(), &'static str>> Visitor<'de> for Within<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let is = |known: &str| known.eq_ignore_ascii_case(&name);
            if is("columns") {
                *self.columns =
                    map.next_value::<Vec<Column>>()?.into_iter().map(|each| each.name).collect();
            } else if is("tables") {
                map.next_value_seed(Tables(self.again()))?;
            } else if CONTAINERS.iter().any(|known| is(known)) {
                map.next_value_seed(self.again())?;
            } else {
                map.next_value::<IgnoredAny>()?;
                self.held.set(0);
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<Box<RawValue>>()? {
            self.held.set(0);
            let text = raw.get();
            let record = if text.starts_with('[') {
                let mut row = serde_json::Deserializer::from_str(text);
                let row = RowValues(self.columns.len()).deserialize(&mut row);
                Record::Row(self.columns, row.map_err(A::Error::custom)?)
            } else {
                Record::Object(text)
            };
            (self.take)(record).map_err(A::Error::custom)?;
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
}

/// Tables one after the other, each with its columns before its rows.
struct Tables<'w, T>(Within<'w, T>);

impl<'de, T: FnMut(Record<'_>) -> Result<(), &'static str>> DeserializeSeed<'de> for Tables<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: FnMut(Record<'_>) -> Result<(), &'static str>> Visitor<'de> for Tables<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tables")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.0.again())?.is_some() {}
        Ok(())
    }
}

/// The values of a row of so many columns; of a longer one, one more.
struct RowValues(usize);

impl<'de> DeserializeSeed<'de> for RowValues {
    type Value = Vec<Field<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowValues {
    type Value = Vec<Field<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while values.len() <= self.0 {
            match seq.next_element()? {
                Some(value) => values.push(value),
                None => return Ok(values),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(values)
    }
}

/// A column of a table, as Log Analytics and as Kusto call it.
#[derive(Deserialize)]
struct Column {
    #[serde(alias = "ColumnName", alias = "Name")]
    name: String,
}
