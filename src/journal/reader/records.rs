//! Records of other products, as JSON or CSV; what their fields mean is in `records`.

use serde_json::Value;

use super::csv_journal::Record;
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::field::Field;
use crate::journal::records::{Layout, Slot, Values, built_in};

/// The product whose record an object is.
pub(super) fn layout_of(object: &Value) -> Option<&'static Layout> {
    let is_of =
        |layout: &Layout| layout.values(object).is_ok_and(|values| layout.is_told_by(&values));
    built_in().iter().find(|layout| is_of(layout))
}

/// The product whose columns a header names.
pub(super) fn layout_of_header<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
) -> Option<&'static Layout> {
    built_in().iter().find(|layout| layout.is_told_by(&columns(layout, names.clone())))
}

/// Whether the columns that a header names are those of this product, or all that this mapping needs.
pub(super) fn are_columns_of(layout: &Layout, names: &[&str]) -> bool {
    let slots: Vec<_> = names.iter().filter_map(|name| layout.slot(name)).collect();
    layout.is_told_by(&columns(layout, names.iter().copied()))
        || layout.lacks(|field| slots.contains(&field)).is_none()
}

/// Whether an object has all that this mapping needs.
pub(super) fn is_record_of(layout: &Layout, object: &str) -> bool {
    let values = layout.values(&mut serde_json::Deserializer::from_str(object));
    values.is_ok_and(|values| layout.lacks(|field| values.has(field)).is_none())
}

/// What a header names, as a record with nothing in it.
fn columns<'n>(layout: &Layout, names: impl Iterator<Item = &'n str>) -> Values<'static> {
    let mut values = Values::default();
    for slot in names.filter_map(|name| layout.slot(name)) {
        values.add(slot, Field::Absent);
    }
    values
}

/// One object, or why it is none.
pub(super) fn read_object<S: JournalSink>(
    layout: &'static Layout,
    object: &str,
    to: &mut Delivery<'_, S>,
) -> Result<serde_json::Result<()>, S::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let values = layout.values(&mut deserializer);
    match values.and_then(|values| deserializer.end().map(|()| values)) {
        Ok(values) => layout.deliver(&values, to).map(Ok),
        Err(problem) => Ok(Err(problem)),
    }
}

/// The columns of a CSV journal.
pub(super) struct CsvFields {
    layout: &'static Layout,
    /// By position; `None` for those that nobody asks for.
    slots: Vec<Option<Slot>>,
}

impl CsvFields {
    /// Those that a header names, or what it lacks.
    pub(super) fn named(layout: &'static Layout, names: &[String]) -> Result<CsvFields, String> {
        let slots: Vec<_> = names.iter().map(|name| layout.slot(name)).collect();
        match layout.lacks(|field| slots.contains(&Some(field))) {
            Some(missing) => Err(missing),
            None => Ok(CsvFields { layout, slots }),
        }
    }

    /// One record.
    pub(super) fn read<S: JournalSink>(
        &self,
        record: &Record,
        to: &mut Delivery<'_, S>,
    ) -> Result<(), S::Error> {
        let mut values = Values::default();
        for (slot, value) in self.slots.iter().zip(record.fields()) {
            if let Some(slot) = slot {
                values.add(*slot, Field::Text(value));
            }
        }
        self.layout.deliver(&values, to)
    }
}
