//! Which of the cache's groups one row describes.

use super::prefilter::{Member, is_public};
use crate::beacon::detectors::{Known, Prefilter};
use crate::cache::Group;
use crate::journal::Protocol;
use crate::table::parameters::GroupBy;

/// Brings members that share a row together. Where a row is one group of the cache they are so already.
pub(super) fn arrange(members: &mut [Member], group_by: GroupBy) {
    if !matches!(group_by, GroupBy::Process | GroupBy::ProcessInstance) {
        members.sort_unstable_by_key(|member| (key(&member.group, group_by), member.group.id));
    }
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

/// What the rows show of every one of a group's connections alike, so that a group of the cache can be
/// passed over by its key.
pub(super) fn columns_in_key(group_by: GroupBy) -> &'static [&'static str] {
    match group_by {
        GroupBy::Process | GroupBy::ProcessInstance => {
            &["host", "pathname", "destination", "destinationport", "tuple"]
        }
        GroupBy::Tuple => &["host", "destination", "destinationport", "tuple"],
        GroupBy::ProcessPort => &["host", "pathname", "destinationport"],
    }
}

/// What the detectors say of a row of these members. Of those that are put together or taken apart no
/// more is known than their number.
pub(super) fn prefilter(members: &[Member], group_by: GroupBy, thresholds: &[f64]) -> Prefilter {
    if let ([member], false) = (members, group_by == GroupBy::ProcessInstance) {
        return member.prefilter;
    }
    let known = Known {
        connections: connections(members),
        may_be_public: members.iter().any(|member| is_public(&member.group)),
        sketch: None,
    };
    Prefilter::of_group(&known, thresholds)
}

/// How many connections these have; a damaged cache may hold any number.
pub(super) fn connections(members: &[Member]) -> u64 {
    let connections = members.iter().map(|member| member.outline.connections);
    connections.fold(0, u64::saturating_add)
}
