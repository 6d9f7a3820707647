//! The names of the cache's groups as text, and constraints on them.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::TableError;
use super::constraints::Constraints;
use crate::cache::{Group, Reader};

/// The number of names that are remembered while groups are gone through.
const KEPT: usize = 20_000;

/// Looks names up, each once.
pub(super) struct Names<'r> {
    reader: &'r Reader,
    texts: FxHashMap<u32, Rc<str>>,
    /// For a host and a pathname as it groups, whether any spelling of it passes the constraints.
    passing_pathnames: FxHashMap<(u32, u32), bool>,
}

impl<'r> Names<'r> {
    /// Of groups that `reader` reads, for one query.
    pub(super) fn new(reader: &'r Reader) -> Names<'r> {
        Names { reader, texts: FxHashMap::default(), passing_pathnames: FxHashMap::default() }
    }

    /// The text of a name id.
    pub(super) fn text(&mut self, id: u32) -> Result<Rc<str>, TableError> {
        if let Some(text) = self.texts.get(&id) {
            return Ok(Rc::clone(text));
        }
        let text: Rc<str> = self.reader.name(id)?.into();
        if self.texts.len() >= KEPT {
            self.texts.clear();
        }
        self.texts.insert(id, Rc::clone(&text));
        Ok(text)
    }

    /// Whether rows of `group` can pass `constraints`, which are the same in every call, where each row
    /// shows one host, destination and port of `columns`, and a pathname of the group if that is among
    /// them.
    pub(super) fn pass(
        &mut self,
        group: &Group,
        constraints: &Constraints,
        columns: &[&str],
    ) -> Result<bool, TableError> {
        let narrows = |column| columns.contains(&column) && constraints.are_on(column);
        if narrows("destinationport")
            && !constraints.accept_number("destinationport", group.port.into())?
        {
            return Ok(false);
        }
        // From here on texts are looked up, and what rules out most of the groups comes first.
        if narrows("tuple") || narrows("destination") {
            let destination = self.text(group.destination)?;
            let passes = (!narrows("destination")
                || constraints.accept("destination", &destination)?)
                && (!narrows("tuple")
                    || constraints.accept("tuple", &tuple(&destination, group.port))?);
            if !passes {
                return Ok(false);
            }
        }
        if narrows("host") && !constraints.accept("host", &self.text(group.host)?)? {
            return Ok(false);
        }
        if !narrows("pathname") {
            return Ok(true);
        }
        if let Some(passes) = self.passing_pathnames.get(&(group.host, group.pathname)) {
            return Ok(*passes);
        }
        let mut passes = false;
        for pathname in self.reader.spellings(group.host, group.pathname)? {
            passes |= constraints.accept("pathname", &pathname)?;
        }
        self.passing_pathnames.insert((group.host, group.pathname), passes);
        Ok(passes)
    }
}

/// `destination::port`.
pub(super) fn tuple(destination: &str, port: u16) -> String {
    format!("{destination}::{port}")
}
