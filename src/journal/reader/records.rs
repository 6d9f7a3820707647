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

/// What a header names, as a record with nothing in it.
fn columns<'n>(layout: &Layout, names: impl Iterator<Item = &'n str>) -> Values<'static> {
    let mut values = Values::default();
    for slot in names.filter_map(|name| layout.slot(name)) {
        values.add(slot, Field::Absent);
    }
    values
}

/// One object as JSON.
pub(super) fn read_object<S: JournalSink>(
    layout: &'static Layout,
    object: &str,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    match layout.values(&mut serde_json::Deserializer::from_str(object)) {
        Ok(values) => layout.deliver(&values, to),
        Err(problem) => {
            to.reject_json("a JSON object", &problem);
            Ok(())
        }
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
