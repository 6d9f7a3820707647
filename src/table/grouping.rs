//! From the cache's groups to the groups that rows describe, one at a time.
//!
//! Only one result group is in memory at once, as times; what is computed of it is decided by
//! the caller.

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::narrowing::Narrowing;
use super::parameters::{GroupBy, Parameters};
use super::{QueryContext, TableError};
use crate::beacon::{Timeline, rita};
use crate::cache::{Connection, Group, Reader, Summary, Window};
use crate::journal::{Protocol, Scope};

/// The columns of both tables whose constraints reach us and are evaluated here; the others are
/// parameters, and `time`, which shrinks the window.
pub(super) const NARROWING: [&str; 6] =
    ["host", "pathname", "sophosPID", "destination", "destinationport", "tuple"];

/// So many names, and scopes, are remembered while the groups are walked.
const KEPT: usize = 20_000;

/// The connections that one row describes.
pub(super) struct ResultGroup {
    /// All of them, sorted.
    pub(super) timeline: Timeline,
    /// The times of those to public addresses and ports other than 0, where these are some but
    /// not all (which only several destinations allow).
    pub(super) public_times_ms: Option<Vec<i64>>,
    /// Whether any of them is to a public address and a port other than 0.
    pub(super) has_public: bool,
    pub(super) latest: Latest,
    /// Unknown if mixed.
    pub(super) protocol: Protocol,
    pub(super) process_count: usize,
    pub(super) destination_count: usize,
    /// What suppression rules look at: groups of the cache, each with the domain ids of its
    /// connections.
    pub(super) members: Vec<(Group, u32)>,
}

/// The latest connection, and the cache's group that it is of.
#[derive(Clone, Copy)]
pub(super) struct Latest {
    pub(super) connection: Connection,
    pub(super) group: Group,
}

/// Whether a result group's connections are to public addresses and ports other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publicity {
    Public,
    NotPublic,
    /// Some may be.
    Unknown,
}

/// The cache's groups that a query is about.
pub(super) struct Selection<'r> {
    reader: &'r Reader,
    window: Window,
    /// The last day of the window, from the first to the last connection of all groups there, which
    /// RITA's scores look at.
    last_day: Window,
    groups: Vec<Group>,
    /// Whether a connection in the window was seen, of any group.
    saw_connection: bool,
    /// Whether groups were passed over that may have connections in the window.
    passes_some_over: bool,
    names: FxHashMap<u32, Rc<str>>,
    scopes: FxHashMap<u32, Scope>,
}

impl<'r> Selection<'r> {
    /// Those with connections in `window`, and loopback only if asked for.
    pub(super) fn new(
        reader: &'r Reader,
        window: Window,
        include_loopback: bool,
    ) -> Result<Selection<'r>, TableError> {
        let (names, scopes) = (FxHashMap::default(), FxHashMap::default());
        let groups = reader.groups(window)?;
        let found = groups.len();
        let last_ms = groups.iter().map(|group| group.last_ms).max().unwrap_or(window.until_ms);
        let first_ms = groups.iter().map(|group| group.first_ms).min().unwrap_or(window.since_ms);
        let until_ms = last_ms.min(window.until_ms);
        let since_ms = first_ms.max(window.since_ms).max(rita::span_begin_ms(until_ms));
        let mut selection = Selection {
            reader,
            window,
            last_day: Window { since_ms, until_ms },
            groups,
            saw_connection: false,
            passes_some_over: false,
            names,
            scopes,
        };
        if !include_loopback {
            selection.retain(|selection, group| {
                Ok(selection.scope(group.destination)? != Scope::Loopback)
            })?;
        }
        selection.passes_some_over = selection.groups.len() < found;
        Ok(selection)
    }

    /// Keeps only groups whose rows can pass `narrowing`, where each row shows one host,
    /// destination and port of `columns`, and a pathname of the group if that is among them.
    pub(super) fn narrow(
        &mut self,
        narrowing: &Narrowing,
        columns: &[&str],
    ) -> Result<(), TableError> {
        let narrows = |column| columns.contains(&column) && narrowing.narrows(column);
        let mut pathnames: FxHashMap<(u32, u32), bool> = FxHashMap::default();
        self.passes_some_over = true;
        self.retain(|selection, group| {
            let host = selection.name(group.host)?;
            let destination = selection.name(group.destination)?;
            let tuple = || tuple(&destination, group.port);
            let pathname_passes = match pathnames.get(&(group.host, group.pathname)) {
                _ if !narrows("pathname") => true,
                Some(passes) => *passes,
                None => {
                    let mut passes = false;
                    for pathname in selection.reader.spellings(group.host, group.pathname)? {
                        passes |= narrowing.accepts("pathname", &pathname)?;
                    }
                    pathnames.insert((group.host, group.pathname), passes);
                    passes
                }
            };
            Ok(pathname_passes
                && (!narrows("host") || narrowing.accepts("host", &host)?)
                && (!narrows("destination") || narrowing.accepts("destination", &destination)?)
                && (!narrows("destinationport")
                    || narrowing.accepts_number("destinationport", group.port.into())?)
                && (!narrows("tuple") || narrowing.accepts("tuple", &tuple())?))
        })
    }

    fn retain(
        &mut self,
        mut keep: impl FnMut(&mut Self, &Group) -> Result<bool, TableError>,
    ) -> Result<(), TableError> {
        let mut groups = std::mem::take(&mut self.groups);
        let mut failed = None;
        groups.retain(|group| {
            keep(self, group).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                false
            })
        });
        self.groups = groups;
        failed.map_or(Ok(()), Err)
    }

    /// Whether there is no connection in the window at all, as far as the walk has shown.
    pub(super) fn window_is_empty(&self) -> bool {
        !self.saw_connection && !self.passes_some_over
    }

    /// The last day of the window.
    pub(super) fn last_day(&self) -> Window {
        self.last_day
    }

    /// Notes that there is a connection in the window.
    pub(super) fn note_connection(&mut self) {
        self.saw_connection = true;
    }

    /// The groups themselves.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The text of a name id, looked up once.
    pub(super) fn name(&mut self, id: u32) -> Result<Rc<str>, TableError> {
        if let Some(name) = self.names.get(&id) {
            return Ok(Rc::clone(name));
        }
        let name: Rc<str> = self.reader.name(id)?.into();
        if self.names.len() >= KEPT {
            self.names.clear();
        }
        self.names.insert(id, Rc::clone(&name));
        Ok(name)
    }

    /// The scope of a destination's name id.
    pub(super) fn scope(&mut self, destination: u32) -> Result<Scope, TableError> {
        if let Some(scope) = self.scopes.get(&destination) {
            return Ok(*scope);
        }
        let scope = Scope::of(&self.reader.name(destination)?);
        if self.scopes.len() >= KEPT {
            self.scopes.clear();
        }
        self.scopes.insert(destination, scope);
        Ok(scope)
    }

    /// Whether a group's connections are what the repetitive interval looks at.
    fn is_public(&mut self, group: &Group) -> Result<bool, TableError> {
        Ok(group.port != 0 && self.scope(group.destination)? == Scope::Public)
    }

    /// Puts the groups together as `group_by` says and hands them on, one after another. Those of
    /// which `is_wanted` says no are passed over undecoded.
    ///
    /// It is asked with the summary of a result group that is one group of the cache as a whole,
    /// and with the mere number of connections of any other: put together or taken apart,
    /// connections have other intervals.
    pub(super) fn for_each_result(
        &mut self,
        group_by: GroupBy,
        is_wanted: impl Fn(&Summary, Publicity) -> bool,
        mut take: impl FnMut(&mut Self, ResultGroup) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let mut groups = std::mem::take(&mut self.groups);
        let key = |group: &Group| match group_by {
            GroupBy::Process | GroupBy::ProcessInstance => (group.id, 0, 0, Protocol::Unknown),
            GroupBy::Tuple => (group.host, group.destination, group.port, Protocol::Unknown),
            GroupBy::ProcessPort => (group.host, group.pathname, group.port, group.protocol),
        };
        groups.sort_unstable_by_key(|group| (key(group), group.id));
        for members in groups.chunk_by(|a, b| key(a) == key(b)) {
            let mut summary = Summary {
                connections: members.iter().map(|group| group.connections).sum(),
                min_interval_ms: None,
                max_interval_ms: None,
            };
            let mut publicity = Publicity::Unknown;
            if let [group] = members {
                let is_public = self.is_public(group)?;
                publicity = if is_public { Publicity::Public } else { Publicity::NotPublic };
                if group_by != GroupBy::ProcessInstance && is_wanted(&summary, publicity) {
                    summary = self.reader.summary(group, self.window)?;
                }
            }
            if !is_wanted(&summary, publicity) {
                let window = self.window;
                let is_in_window = |group: &Group| {
                    window.contains(group.first_ms) || window.contains(group.last_ms)
                };
                // One that spans the window may have connections in it, or a gap there.
                self.saw_connection |= members.iter().any(is_in_window);
                self.passes_some_over = true;
                continue;
            }
            // One gathering a row: many only where instances are kept apart.
            let mut gatherings: BTreeMap<u32, Gathering> = BTreeMap::new();
            for group in members {
                let is_public = self.is_public(group)?;
                let mut scan = self.reader.scan(group, self.window)?;
                while let Some(connection) = scan.peek()? {
                    scan.advance();
                    let apart = match group_by {
                        GroupBy::ProcessInstance => connection.instance,
                        _ => 0,
                    };
                    let is_of_last_day = self.last_day.contains(connection.time_ms);
                    let gathering = gatherings.entry(apart).or_default();
                    gathering.add(&connection, group, is_public, is_of_last_day);
                }
            }
            self.saw_connection |= !gatherings.is_empty();
            for gathering in gatherings.into_values() {
                if let Some(result) = gathering.finish() {
                    take(self, result)?;
                }
            }
        }
        self.groups = groups;
        Ok(())
    }
}

/// `destination::port`.
pub(super) fn tuple(destination: &str, port: u16) -> String {
    format!("{destination}::{port}")
}

/// A result group in the making.
#[derive(Default)]
struct Gathering {
    timeline: Timeline,
    /// As in [`ResultGroup`]; filled from the first connection on that is to another address.
    public_times_ms: Vec<i64>,
    has_public: bool,
    has_other: bool,
    latest: Option<Latest>,
    protocols: FxHashSet<Protocol>,
    instances: FxHashSet<u32>,
    destinations: FxHashSet<u32>,
    members: FxHashMap<(u32, u32), Group>,
}

impl Gathering {
    fn add(
        &mut self,
        connection: &Connection,
        group: &Group,
        is_public: bool,
        is_of_last_day: bool,
    ) {
        let (sent, received) = (connection.bytes_sent, connection.bytes_received);
        self.timeline.push(connection.time_ms, sent, received, is_of_last_day);
        // Kept apart only once they differ from all.
        if is_public && self.has_other {
            self.public_times_ms.push(connection.time_ms);
        } else if !is_public && !self.has_other {
            self.has_other = true;
            self.public_times_ms =
                if self.has_public { self.timeline.times_ms().to_vec() } else { Vec::new() };
            self.public_times_ms.pop();
        }
        self.has_public |= is_public;
        if self.latest.is_none_or(|latest| latest.connection.time_ms <= connection.time_ms) {
            self.latest = Some(Latest { connection: *connection, group: *group });
        }
        self.protocols.insert(group.protocol);
        self.instances.insert(connection.instance);
        self.destinations.insert(group.destination);
        self.members.entry((group.id, connection.domain)).or_insert(*group);
    }

    fn finish(mut self) -> Option<ResultGroup> {
        self.timeline.sort();
        let is_mixed = self.has_public && self.has_other;
        self.public_times_ms.sort();
        let mut protocols = self.protocols.iter();
        let protocol = match (protocols.next(), protocols.next()) {
            (Some(protocol), None) => *protocol,
            _ => Protocol::Unknown,
        };
        Some(ResultGroup {
            timeline: self.timeline,
            public_times_ms: is_mixed.then_some(self.public_times_ms),
            has_public: self.has_public,
            latest: self.latest?,
            protocol,
            process_count: self.instances.len(),
            destination_count: self.destinations.len(),
            members: self.members.into_iter().map(|((_, domain), group)| (group, domain)).collect(),
        })
    }
}

/// What the rows of `beacon_candidates` show of every one of a group's connections alike, so that
/// a group can be passed over by its key.
pub(super) fn columns_in_key(group_by: GroupBy) -> &'static [&'static str] {
    match group_by {
        GroupBy::Process | GroupBy::ProcessInstance => {
            &["host", "pathname", "destination", "destinationport", "tuple"]
        }
        GroupBy::Tuple => &["host", "destination", "destinationport", "tuple"],
        GroupBy::ProcessPort => &["host", "pathname", "destinationport"],
    }
}

/// A query's parameters and narrowing, and the groups that it is about.
pub(super) fn select<'r>(
    reader: &'r Reader,
    parameters: &Parameters,
    context: &QueryContext,
    key_columns: &[&str],
) -> Result<(Selection<'r>, Narrowing), TableError> {
    let narrowing = Narrowing::of(context, &NARROWING)?;
    let mut selection = Selection::new(reader, parameters.window, parameters.include_loopback)?;
    if !narrowing.is_empty() {
        selection.narrow(&narrowing, key_columns)?;
    }
    Ok((selection, narrowing))
}
