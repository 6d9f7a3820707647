//! From the cache's groups to the group that a row describes.
//!
//! Only one such group is in memory at once, and of it no more than the query's columns need; what is
//! computed of it is decided by the caller.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::grouping;
use super::prefilter::{Member, Scan, is_public};
use crate::beacon::sketch::Outline;
use crate::beacon::{Window, rita};
use crate::cache::{Group, Parts, Payloads, Reader, Run};
use crate::journal::Protocol;
use crate::table::TableError;

/// Space is reserved for this number of connections at most.
const MOST_RESERVED: u64 = 1 << 20;

/// How much of a group's connections is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReadLevel {
    /// Nothing, where the row describes one group of the cache: what its sketch tells is enough.
    Sketch,
    /// Their times and these parts.
    Connections(Parts),
}

/// The connections that one row describes.
pub(super) struct ResultGroup {
    pub(super) outline: Outline,
    /// The times of all of them, sorted, unix milliseconds; empty if only the sketch was read.
    pub(super) times_ms: Vec<i64>,
    /// Bytes sent by each connection of the last day that tells them, in no order.
    pub(super) sizes: Vec<u64>,
    /// Bytes from and to the host over the connections that tell them; `None` if none does.
    pub(super) bytes_sent: Option<u128>,
    pub(super) bytes_received: Option<u128>,
    /// The times of those to public addresses and ports other than 0, where these are some but
    /// not all (which only several destinations allow).
    pub(super) public_times_ms: Option<Vec<i64>>,
    /// Whether any of them is to a public address and a port other than 0.
    pub(super) has_public: bool,
    pub(super) latest: Latest,
    /// Unknown if mixed.
    pub(super) protocol: Protocol,
    /// Not known if instances were not read.
    pub(super) process_count: usize,
    /// The name ids of the destinations, those with the most connections first.
    pub(super) destinations: Vec<u32>,
    /// What suppression rules look at: groups of the cache, each with the domain ids of its
    /// connections; these are 0 if they were not read.
    pub(super) members: Vec<(Group, u32)>,
}

/// What a row shows of the latest connection: its group in the cache, process instance and domain; the
/// latter two are 0 if they were not read.
#[derive(Clone, Copy)]
pub(super) struct Latest {
    time_ms: i64,
    pub(super) group: Group,
    pub(super) instance: u32,
    pub(super) domain: u32,
}

/// What a process instance of one connection takes in memory, in bytes: measured.
const GATHERING_BYTES: u64 = 1400;

/// Reads the connections of groups.
pub(super) struct Gatherer<'r> {
    reader: &'r Reader,
    payloads: Payloads<'r>,
    /// The ids of the blocks of all members.
    blocks: Vec<i64>,
    window: Window,
    /// The last day of the window, from the first to the last connection of all groups there, which
    /// RITA's scores look at.
    pub(super) last_day: Window,
}

impl<'r> Gatherer<'r> {
    /// Of groups in `window` that were scanned.
    pub(super) fn new(reader: &'r Reader, window: Window, scan: &mut Scan) -> Gatherer<'r> {
        let (first_ms, until_ms) = scan.span_ms.unwrap_or(window.span_ms());
        let since_ms = first_ms.max(rita::span_begin_ms(until_ms));
        Gatherer {
            reader,
            payloads: Payloads::new(reader),
            blocks: std::mem::take(&mut scan.blocks),
            window,
            last_day: Window { since_ms, until_ms },
        }
    }

    /// The group of `members` that a row describes.
    pub(super) fn whole(
        &mut self,
        members: &[Member],
        level: ReadLevel,
    ) -> Result<Option<ResultGroup>, TableError> {
        let parts = match (level, members) {
            (ReadLevel::Sketch, [member]) => return Ok(Some(ResultGroup::from_sketch(member))),
            (ReadLevel::Sketch, _) => Parts::default(),
            (ReadLevel::Connections(parts), _) => parts,
        };
        let connections = grouping::connections(members).min(MOST_RESERVED) as usize;
        let times_ms = Vec::with_capacity(connections);
        let mut gathering = Gathering { times_ms, ..Gathering::default() };
        let last_day = self.last_day;
        for member in members {
            self.runs(member, parts, |run| {
                gathering.add(&run, member, last_day);
                Ok(())
            })?;
        }
        Ok(match members {
            [member] => gathering.finish_with(member.outline),
            _ => gathering.finish(),
        })
    }

    /// A group for each process instance in `members`, by its id.
    pub(super) fn by_instance(
        &mut self,
        members: &[Member],
        level: ReadLevel,
    ) -> Result<Vec<ResultGroup>, TableError> {
        let parts = match level {
            ReadLevel::Sketch => Parts::default(),
            ReadLevel::Connections(parts) => parts,
        };
        let parts = Parts { instances: true, ..parts };
        let mut gatherings: BTreeMap<u32, Gathering> = BTreeMap::new();
        let last_day = self.last_day;
        let reader = self.reader;
        for member in members {
            self.runs(member, parts, |run| {
                reader.check_memory(gatherings.len() as u64 * GATHERING_BYTES)?;
                gatherings.entry(run.instance).or_default().add(&run, member, last_day);
                Ok(())
            })?;
        }
        Ok(gatherings.into_values().filter_map(Gathering::finish).collect())
    }

    /// Hands on these parts of a member's connections, in time order.
    fn runs(
        &mut self,
        member: &Member,
        parts: Parts,
        take: impl FnMut(Run<'_>) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let (from, count) = member.blocks;
        let blocks = self.blocks.get(from..from + count).unwrap_or_default();
        self.payloads.runs(blocks, self.window, parts, take)
    }
}

impl ResultGroup {
    /// Of one group of the cache by itself.
    fn from_sketch(member: &Member) -> ResultGroup {
        let group = member.group;
        ResultGroup {
            outline: member.outline,
            times_ms: Vec::new(),
            sizes: Vec::new(),
            bytes_sent: None,
            bytes_received: None,
            public_times_ms: None,
            has_public: is_public(&group),
            latest: Latest { time_ms: member.outline.span_ms.1, group, instance: 0, domain: 0 },
            protocol: group.protocol,
            process_count: 0,
            destinations: vec![group.destination],
            members: vec![(group, 0)],
        }
    }
}

/// A group in the making.
#[derive(Default)]
struct Gathering {
    times_ms: Vec<i64>,
    sizes: Vec<u64>,
    bytes_sent: Option<u128>,
    bytes_received: Option<u128>,
    /// As in [`ResultGroup`]; filled from the first connection on that is to another address.
    public_times_ms: Vec<i64>,
    has_public: bool,
    has_other: bool,
    latest: Option<Latest>,
    protocols: FxHashSet<Protocol>,
    instances: FxHashSet<u32>,
    /// How many connections each has.
    destinations: FxHashMap<u32, usize>,
    members: FxHashMap<(u32, u32), Group>,
}

impl Gathering {
    /// Adds connections of a member, of which those of the last day show their sizes.
    fn add(&mut self, run: &Run<'_>, member: &Member, last_day: Window) {
        let Run { instance, domain, times_ms, bytes_sent, bytes_received } = *run;
        let group = member.group;
        self.keep_public_apart(times_ms, is_public(&group));
        self.times_ms.extend_from_slice(times_ms);
        let sizes = bytes_sent.get(last_day.range_of(times_ms)).unwrap_or_default();
        self.sizes.extend(sizes.iter().flatten());
        add(&mut self.bytes_sent, bytes_sent);
        add(&mut self.bytes_received, bytes_received);
        let is_latest = |time_ms| self.latest.is_none_or(|latest| latest.time_ms <= time_ms);
        if let Some(time_ms) = times_ms.last().copied().filter(|time_ms| is_latest(*time_ms)) {
            self.latest = Some(Latest { time_ms, group, instance, domain });
        }
        self.protocols.insert(group.protocol);
        *self.destinations.entry(group.destination).or_default() += times_ms.len();
        self.instances.insert(instance);
        self.members.entry((group.id, domain)).or_insert(group);
    }

    /// Keeps the times of public connections apart, once they differ from all.
    fn keep_public_apart(&mut self, times_ms: &[i64], is_public: bool) {
        if !is_public && !self.has_other {
            self.has_other = true;
            self.public_times_ms = if self.has_public { self.times_ms.clone() } else { Vec::new() };
        }
        if is_public && self.has_other {
            self.public_times_ms.extend_from_slice(times_ms);
        }
        self.has_public |= is_public;
    }

    fn finish(mut self) -> Option<ResultGroup> {
        // The stable sort finds the runs that the groups put together here already are.
        self.times_ms.sort();
        let outline = Outline::from_times(&self.times_ms)?;
        self.finish_with(outline)
    }

    /// The same where the connections are sorted and have this outline.
    fn finish_with(mut self, outline: Outline) -> Option<ResultGroup> {
        let is_mixed = self.has_public && self.has_other;
        self.public_times_ms.sort();
        let mut protocols = self.protocols.iter();
        let protocol = match (protocols.next(), protocols.next()) {
            (Some(protocol), None) => *protocol,
            _ => Protocol::Unknown,
        };
        let mut destinations: Vec<(u32, usize)> = self.destinations.into_iter().collect();
        destinations.sort_unstable_by_key(|(name, connections)| (Reverse(*connections), *name));
        Some(ResultGroup {
            outline,
            times_ms: self.times_ms,
            sizes: self.sizes,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            public_times_ms: is_mixed.then_some(self.public_times_ms),
            has_public: self.has_public,
            latest: self.latest?,
            protocol,
            process_count: self.instances.len(),
            destinations: destinations.into_iter().map(|(name, _)| name).collect(),
            members: self.members.into_iter().map(|((_, domain), group)| (group, domain)).collect(),
        })
    }
}

fn add(sum: &mut Option<u128>, bytes: &[Option<u64>]) {
    for bytes in bytes.iter().flatten() {
        *sum = Some(sum.unwrap_or(0) + u128::from(*bytes));
    }
}
