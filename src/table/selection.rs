//! The cache's groups that a query is about, and their names.
//!
//! Which of them one row describes is decided by `grouping`.

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::TableError;
use super::narrowing::Narrowing;
use super::scan::Scan;
use crate::beacon::detectors::periodic::HypothesisSet;
use crate::beacon::sketch::Outline;
use crate::beacon::{Window, rita};
use crate::cache::{Group, Parts, Payloads, Reader, Run};
use crate::journal::Scope;

/// So many names are remembered while the groups are walked.
const KEPT: usize = 20_000;

/// A group of the cache, and what its summary says of its connections in the window.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) group: Group,
    pub(super) outline: Outline,
    /// What the detectors have to look at if the group is a row by itself.
    pub(super) open: Open,
    /// Where its blocks are among those of the selection, and how many.
    pub(super) blocks: (usize, usize),
}

impl Member {
    /// Whether its connections are what the repetitive interval looks at.
    pub(super) fn is_public(&self) -> bool {
        is_public(&self.group)
    }
}

/// What a summary says of the detectors, and what it leaves open.
#[derive(Clone, Copy, Default)]
pub(super) struct Open {
    /// Whether the interval is fixed; `None` where only the times can tell.
    pub(super) fixed: Option<bool>,
    /// Whether one interval may make up an hour.
    pub(super) repetitive: bool,
    /// The hypotheses that may hold a rhythm; `None` where only the times can tell.
    pub(super) hypotheses: Option<HypothesisSet>,
}

impl Open {
    /// Whether a detector may name the group.
    pub(super) fn can_be_named(&self) -> bool {
        self.fixed != Some(false) || self.repetitive || self.may_hold_rhythm()
    }

    /// Whether the score may be above 0.
    pub(super) fn may_hold_rhythm(&self) -> bool {
        self.hypotheses.is_none_or(|hypotheses| !hypotheses.is_empty())
    }
}

/// Whether a group's connections are to a public address and a port other than 0.
pub(super) fn is_public(group: &Group) -> bool {
    group.port != 0 && group.scope == Scope::Public
}

/// The cache's groups that a query is about.
pub(super) struct Selection<'r> {
    pub(super) reader: &'r Reader,
    payloads: Payloads<'r>,
    /// Space for the times of the next group: the system takes its time to give it anew.
    space: Vec<i64>,
    pub(super) window: Window,
    /// The last day of the window, from the first to the last connection of all groups there, which
    /// RITA's scores look at.
    pub(super) last_day: Window,
    /// Whether there is no connection in the window at all.
    pub(super) window_is_empty: bool,
    /// As they were scanned.
    pub(super) members: Vec<Vec<Member>>,
    /// The ids of the blocks of all members.
    blocks: Arc<[i64]>,
    names: FxHashMap<u32, Rc<str>>,
    /// For a host and a pathname as it groups, whether any spelling of it passes the narrowing.
    passing_pathnames: FxHashMap<(u32, u32), bool>,
}

/// The part of a selection that threads can share.
pub(super) struct Shared {
    window: Window,
    last_day: Window,
    blocks: Arc<[i64]>,
}

impl<'r> Selection<'r> {
    /// Of all groups that were scanned.
    pub(super) fn of(reader: &'r Reader, window: Window, scan: Scan) -> Selection<'r> {
        let (first_ms, until_ms) = scan.span_ms.unwrap_or((window.since_ms, window.until_ms));
        let since_ms = first_ms.max(rita::span_begin_ms(until_ms));
        Selection {
            last_day: Window { since_ms, until_ms },
            window_is_empty: scan.span_ms.is_none(),
            members: scan.members,
            blocks: scan.blocks.into(),
            ..Selection::without_members(reader, window)
        }
    }

    /// Of groups that the caller goes through by itself.
    pub(super) fn without_members(reader: &'r Reader, window: Window) -> Selection<'r> {
        Selection {
            reader,
            payloads: Payloads::new(reader),
            space: Vec::new(),
            window,
            last_day: window,
            window_is_empty: false,
            members: Vec::new(),
            blocks: Arc::default(),
            names: FxHashMap::default(),
            passing_pathnames: FxHashMap::default(),
        }
    }

    /// What another thread needs of it.
    pub(super) fn shared(&self) -> Shared {
        let Selection { window, last_day, .. } = *self;
        Shared { window, last_day, blocks: Arc::clone(&self.blocks) }
    }

    /// The same without the members, through a `reader` of the same state.
    pub(super) fn sharing(shared: &Shared, reader: &'r Reader) -> Selection<'r> {
        let (window, last_day, blocks) =
            (shared.window, shared.last_day, Arc::clone(&shared.blocks));
        Selection { last_day, blocks, ..Selection::without_members(reader, window) }
    }

    /// Space for so many times, none in it.
    pub(super) fn space(&mut self, times: usize) -> Vec<i64> {
        let mut space = std::mem::take(&mut self.space);
        space.clear();
        space.reserve_exact(times);
        space
    }

    /// Takes back what [`Selection::space`] gave.
    pub(super) fn keep(&mut self, space: Vec<i64>) {
        if space.capacity() > self.space.capacity() {
            self.space = space;
        }
    }

    /// Appends the times of a member's connections to `out`, sorted.
    pub(super) fn times(&mut self, member: &Member, out: &mut Vec<i64>) -> Result<(), TableError> {
        Ok(self.payloads.times(blocks_of(&self.blocks, member), self.window, out)?)
    }

    /// Hands on these parts of a member's connections, in time order.
    pub(super) fn runs(
        &mut self,
        member: &Member,
        parts: Parts,
        take: impl FnMut(Run<'_>) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let blocks = blocks_of(&self.blocks, member);
        self.payloads.runs(blocks, self.window, parts, take)
    }

    /// Keeps only groups whose rows can pass `narrowing`, where each row shows one host,
    /// destination and port of `columns`, and a pathname of the group if that is among them.
    pub(super) fn narrow(
        &mut self,
        narrowing: &Narrowing,
        columns: &[&str],
    ) -> Result<(), TableError> {
        for members in std::mem::take(&mut self.members) {
            let mut kept = Vec::new();
            for member in members {
                if self.passes(&member.group, narrowing, columns)? {
                    kept.push(member);
                }
            }
            self.members.push(kept);
        }
        Ok(())
    }

    /// The same of one group; `narrowing` is always the same.
    pub(super) fn passes(
        &mut self,
        group: &Group,
        narrowing: &Narrowing,
        columns: &[&str],
    ) -> Result<bool, TableError> {
        let narrows = |column| columns.contains(&column) && narrowing.narrows(column);
        if narrows("destinationport")
            && !narrowing.accepts_number("destinationport", group.port.into())?
        {
            return Ok(false);
        }
        // From here on texts are looked up, and what rules out most of the groups comes first.
        if narrows("tuple") || narrows("destination") {
            let destination = self.name(group.destination)?;
            let passes = (!narrows("destination")
                || narrowing.accepts("destination", &destination)?)
                && (!narrows("tuple")
                    || narrowing.accepts("tuple", &tuple(&destination, group.port))?);
            if !passes {
                return Ok(false);
            }
        }
        if narrows("host") && !narrowing.accepts("host", &self.name(group.host)?)? {
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
            passes |= narrowing.accepts("pathname", &pathname)?;
        }
        self.passing_pathnames.insert((group.host, group.pathname), passes);
        Ok(passes)
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
}

/// The ids of a member's blocks, among those of all.
fn blocks_of<'b>(blocks: &'b [i64], member: &Member) -> &'b [i64] {
    let (from, count) = member.blocks;
    blocks.get(from..from + count).unwrap_or_default()
}

/// `destination::port`.
pub(super) fn tuple(destination: &str, port: u16) -> String {
    format!("{destination}::{port}")
}
