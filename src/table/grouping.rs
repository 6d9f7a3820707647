//! From the cache's groups to the groups that rows describe, one at a time.
//!
//! Only one result group is in memory at once, and of it no more than the query's columns need;
//! what is computed of it is decided by the caller.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::TableError;
use super::parameters::GroupBy;
use super::selection::{Member, Selection};
use super::tally::{Tallied, Tally};
use crate::beacon::sketch::Outline;
use crate::beacon::{Timeline, Window};
use crate::cache::{Group, Parts, Run};
use crate::journal::Protocol;

/// So many connections space is reserved for at once.
const MOST_RESERVED: u64 = 1 << 20;
/// What a process instance of one connection takes in memory, in bytes: measured.
const GATHERING_BYTES: u64 = 1400;

/// What is to be known of a result group's connections.
#[derive(Debug)]
pub(super) enum Detail {
    /// What summaries tell, which takes no decoding where a result group is one of the cache's.
    Summary,
    /// Their times and these parts.
    Connections(Parts),
    /// What a tally makes of the times of a group of the cache, and these parts.
    Tally(Box<Tally>, Parts),
}

/// The connections that one row describes.
pub(super) struct ResultGroup {
    pub(super) outline: Outline,
    /// All of them, sorted; without times if only a summary or a tally was asked for.
    pub(super) timeline: Timeline,
    pub(super) tallied: Option<Tallied>,
    /// The times of those to public addresses and ports other than 0, where these are some but
    /// not all (which only several destinations allow).
    pub(super) public_times_ms: Option<Vec<i64>>,
    /// Whether any of them is to a public address and a port other than 0.
    pub(super) has_public: bool,
    /// The cache's group of the latest connection, that connection's process instance and domain;
    /// these are 0 if they were not asked for.
    pub(super) latest: Latest,
    /// Unknown if mixed.
    pub(super) protocol: Protocol,
    /// Not known if instances were not asked for.
    pub(super) process_count: usize,
    pub(super) destination_count: usize,
    /// What suppression rules look at: groups of the cache, each with the domain ids of its
    /// connections; these are 0 if they were not asked for.
    pub(super) members: Vec<(Group, u32)>,
}

/// What a row shows of the latest connection.
#[derive(Clone, Copy)]
pub(super) struct Latest {
    pub(super) time_ms: i64,
    pub(super) group: Group,
    pub(super) instance: u32,
    pub(super) domain: u32,
}

/// The members of a selection so that those that share a row stand together: groups of the cache do
/// as they are.
pub(super) fn arrange(members: Vec<Vec<Member>>, group_by: GroupBy) -> Vec<Vec<Member>> {
    if matches!(group_by, GroupBy::Process | GroupBy::ProcessInstance) {
        return members;
    }
    let mut members = members.concat();
    members.sort_unstable_by_key(|member| (key(&member.group, group_by), member.group.id));
    vec![members]
}

/// Runs of `members` (arranged) that share a row, or where instances are kept apart several.
pub(super) fn runs(members: &[Member], group_by: GroupBy) -> impl Iterator<Item = &[Member]> {
    members.chunk_by(move |a, b| key(&a.group, group_by) == key(&b.group, group_by))
}

fn key(group: &Group, group_by: GroupBy) -> (u32, u32, u16, Protocol) {
    match group_by {
        GroupBy::Process | GroupBy::ProcessInstance => (group.id, 0, 0, Protocol::Unknown),
        GroupBy::Tuple => (group.host, group.destination, group.port, Protocol::Unknown),
        GroupBy::ProcessPort => (group.host, group.pathname, group.port, group.protocol),
    }
}

/// The result groups of `members`, a run: one, or where instances are kept apart one for each.
pub(super) fn gather(
    selection: &mut Selection<'_>,
    members: &[Member],
    group_by: GroupBy,
    detail: Detail,
) -> Result<Vec<ResultGroup>, TableError> {
    let keeps_apart = group_by == GroupBy::ProcessInstance;
    let mut parts = match (detail, members) {
        (Detail::Summary, [member]) if !keeps_apart => {
            return Ok(vec![ResultGroup::of_summary(member)]);
        }
        (Detail::Tally(tally, parts), [member]) if !keeps_apart => {
            let tallied = gather_tally(selection, member, parts, tally)?;
            return Ok(tallied.into_iter().collect());
        }
        (Detail::Summary, _) => Parts::default(),
        (Detail::Connections(parts) | Detail::Tally(_, parts), _) => parts,
    };
    parts.instances |= keeps_apart;
    match parts.are_times_only() {
        true => gather_times(selection, members).map(|group| group.into_iter().collect()),
        false => gather_connections(selection, members, keeps_apart, parts),
    }
}

/// How many connections these have; a damaged cache may hold any number.
pub(super) fn connections(members: &[Member]) -> u64 {
    let connections = members.iter().map(|member| member.outline.connections);
    connections.fold(0, u64::saturating_add)
}

/// For how many of them to reserve space.
fn capacity(members: &[Member]) -> usize {
    connections(members).min(MOST_RESERVED) as usize
}

/// The result group of which only times are wanted.
fn gather_times(
    selection: &mut Selection<'_>,
    members: &[Member],
) -> Result<Option<ResultGroup>, TableError> {
    let mut times_ms = selection.space(capacity(members));
    if let [member] = members {
        selection.times(member, &mut times_ms)?;
        let timeline = Timeline::of_times(times_ms);
        return Ok(Some(ResultGroup { timeline, ..ResultGroup::of_summary(member) }));
    }
    let mut gathering = Gathering::default();
    for member in members {
        times_ms.clear();
        selection.times(member, &mut times_ms)?;
        if !times_ms.is_empty() {
            gathering.add(&Run::of_times(&times_ms), member, selection.last_day);
        }
    }
    selection.keep(times_ms);
    Ok(gathering.finish())
}

/// The result group of a group of the cache whose times go into a tally.
fn gather_tally(
    selection: &mut Selection<'_>,
    member: &Member,
    parts: Parts,
    tally: Box<Tally>,
) -> Result<Option<ResultGroup>, TableError> {
    let mut gathering = Gathering { tally: Some(tally), ..Gathering::default() };
    let last_day = selection.last_day;
    selection.runs(member, parts, |run| {
        gathering.add(&run, member, last_day);
        Ok(())
    })?;
    Ok(gathering.finish_as(member.outline))
}

fn gather_connections(
    selection: &mut Selection<'_>,
    members: &[Member],
    keeps_apart: bool,
    parts: Parts,
) -> Result<Vec<ResultGroup>, TableError> {
    // One gathering a row: many only where instances are kept apart.
    let mut gatherings: BTreeMap<u32, Gathering> = BTreeMap::new();
    let space = selection.space(if keeps_apart { 0 } else { capacity(members) });
    let timeline = Timeline::of_times(space);
    let mut whole = Gathering { timeline, ..Gathering::default() };
    for member in members {
        let (last_day, reader) = (selection.last_day, selection.reader);
        selection.runs(member, parts, |run| {
            reader.check_memory(gatherings.len() as u64 * GATHERING_BYTES)?;
            let gathering = match keeps_apart {
                true => gatherings.entry(run.instance).or_default(),
                false => &mut whole,
            };
            gathering.add(&run, member, last_day);
            Ok(())
        })?;
    }
    if keeps_apart {
        return Ok(gatherings.into_values().filter_map(Gathering::finish).collect());
    }
    let group = match members {
        [member] => whole.finish_as(member.outline),
        _ => whole.finish(),
    };
    Ok(group.into_iter().collect())
}

impl ResultGroup {
    /// Of one group of the cache by itself.
    fn of_summary(member: &Member) -> ResultGroup {
        let group = member.group;
        ResultGroup {
            outline: member.outline,
            timeline: Timeline::default(),
            tallied: None,
            public_times_ms: None,
            has_public: member.is_public(),
            latest: Latest { time_ms: member.outline.span_ms.1, group, instance: 0, domain: 0 },
            protocol: group.protocol,
            process_count: 0,
            destination_count: 1,
            members: vec![(group, 0)],
        }
    }
}

/// A result group in the making.
#[derive(Default)]
struct Gathering {
    timeline: Timeline,
    /// In place of the times.
    tally: Option<Box<Tally>>,
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
    /// Adds connections of a member, of which those of the last day show their sizes.
    fn add(&mut self, run: &Run<'_>, member: &Member, last_day: Window) {
        let Run { instance, domain, times_ms, bytes_sent, bytes_received } = *run;
        let group = member.group;
        self.note_publicity(times_ms, member.is_public());
        match &mut self.tally {
            Some(tally) => tally.add(times_ms),
            None => self.timeline.extend(times_ms),
        }
        self.timeline.add_bytes(times_ms, bytes_sent, bytes_received, last_day);
        let is_latest = |time_ms| self.latest.is_none_or(|latest| latest.time_ms <= time_ms);
        if let Some(time_ms) = times_ms.last().copied().filter(|time_ms| is_latest(*time_ms)) {
            self.latest = Some(Latest { time_ms, group, instance, domain });
        }
        self.protocols.insert(group.protocol);
        self.destinations.insert(group.destination);
        self.instances.insert(instance);
        self.members.entry((group.id, domain)).or_insert(group);
    }

    /// Keeps the times of public connections apart, once they differ from all.
    fn note_publicity(&mut self, times_ms: &[i64], is_public: bool) {
        if !is_public && !self.has_other {
            self.has_other = true;
            self.public_times_ms =
                if self.has_public { self.timeline.times_ms().to_vec() } else { Vec::new() };
        }
        if is_public && self.has_other {
            self.public_times_ms.extend_from_slice(times_ms);
        }
        self.has_public |= is_public;
    }

    fn finish(mut self) -> Option<ResultGroup> {
        self.timeline.sort();
        let outline = Outline::from_times(self.timeline.times_ms())?;
        self.finish_as(outline)
    }

    /// The same of connections that are sorted and have this outline.
    fn finish_as(mut self, outline: Outline) -> Option<ResultGroup> {
        let is_mixed = self.has_public && self.has_other;
        self.public_times_ms.sort();
        let mut protocols = self.protocols.iter();
        let protocol = match (protocols.next(), protocols.next()) {
            (Some(protocol), None) => *protocol,
            _ => Protocol::Unknown,
        };
        let tallied = self.tally.map(|tally| tally.finish(self.timeline.sizes()));
        let spread = tallied.as_ref().and_then(|tallied| tallied.spread).or(outline.spread);
        Some(ResultGroup {
            outline: Outline { spread, ..outline },
            timeline: self.timeline,
            tallied,
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
