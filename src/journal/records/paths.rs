//! Values of a record by the paths of their fields, picked out of an object in one pass.
//!
//! A path is names with dots between them. An object may hold a path as objects within each other,
//! as one name with dots in it, or as a mixture. Case does not matter.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::journal::field::Field;

/// Objects that exports put a record in, whose fields are looked for as if they stood outside.
const WRAPPERS: [&str; 6] = ["_source", "result", "properties", "body", "fields", "record"];

/// Of a field with more values, the others are not held.
const MOST_VALUES: usize = 16;

/// Which path a value belongs to.
pub(in crate::journal) type Slot = usize;

/// The paths of a layout, as a tree of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Paths {
    root: Node,
    /// By slot.
    names: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Node {
    children: Vec<(String, Node)>,
    slot: Option<Slot>,
}

impl Paths {
    /// The slot of this path, which is added if it is new.
    pub(super) fn slot(&mut self, path: &str) -> Slot {
        let mut node = &mut self.root;
        for name in path.split('.') {
            let known =
                node.children.iter().position(|(child, _)| child.eq_ignore_ascii_case(name));
            let index = known.unwrap_or_else(|| {
                node.children.push((name.to_owned(), Node::default()));
                node.children.len() - 1
            });
            node = &mut node.children[index].1;
        }
        let slot = *node.slot.get_or_insert(self.names.len());
        if slot == self.names.len() {
            self.names.push(path.to_owned());
        }
        slot
    }

    /// The path of a slot.
    pub(super) fn name(&self, slot: Slot) -> &str {
        self.names.get(slot).map_or("", String::as_str)
    }

    /// The slot of a column of a CSV journal with this name.
    pub(super) fn find(&self, name: &str) -> Option<Slot> {
        self.root.descend(name.trim())?.slot
    }
}

impl Node {
    /// The node that a name leads to, which may have dots in it.
    fn descend(&self, name: &str) -> Option<&Node> {
        name.split('.').try_fold(self, |node, name| {
            let child = node.children.iter().find(|(child, _)| child.eq_ignore_ascii_case(name));
            child.map(|(_, node)| node)
        })
    }
}

/// The values of one record's fields.
#[derive(Debug, Default)]
pub(in crate::journal) struct Values<'a>(Vec<(Slot, Field<'a>)>);

impl<'a> Values<'a> {
    /// Adds a value. A field may have several.
    pub(in crate::journal) fn add(&mut self, slot: Slot, value: Field<'a>) {
        if self.0.iter().filter(|(of, _)| *of == slot).count() < MOST_VALUES {
            self.0.push((slot, value));
        }
    }

    /// Those of a slot which are not empty.
    pub(super) fn of(&self, slot: Slot) -> impl Iterator<Item = &Field<'a>> {
        self.0
            .iter()
            .filter(move |(of, value)| *of == slot && !value.is_empty())
            .map(|(_, value)| value)
    }

    /// Whether the record has the field, if only with nothing in it.
    pub(in crate::journal) fn has(&self, slot: Slot) -> bool {
        self.0.iter().any(|(of, _)| *of == slot)
    }
}

/// Reads the values of an object, and of what is within it.
pub(super) struct Pick<'p, 'v, 'a> {
    node: &'p Node,
    values: &'v mut Values<'a>,
}

impl<'p, 'v, 'a> Pick<'p, 'v, 'a> {
    pub(super) fn new(paths: &'p Paths, values: &'v mut Values<'a>) -> Self {
        Pick { node: &paths.root, values }
    }

    fn value<E>(self, value: Field<'a>) -> Result<(), E> {
        if let Some(slot) = self.node.slot {
            self.values.add(slot, value);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Pick<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.value(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.value(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.value(Field::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.value(match i64::try_from(number) {
            Ok(number) => Field::Integer(number),
            Err(_) => Field::Text(Cow::Owned(number.to_string())),
        })
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.value(Field::Number(number))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.value(Field::Text(Cow::Borrowed(if truth { "true" } else { "false" })))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.value(Field::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            let within = match self.node.descend(&name) {
                Some(node) => Some(node),
                None if WRAPPERS.contains(&&*name) => Some(self.node),
                None => None,
            };
            match within {
                Some(node) => map.next_value_seed(Pick { node, values: &mut *self.values })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Pick { node: self.node, values: &mut *self.values })?.is_some()
        {
        }
        Ok(())
    }
}
