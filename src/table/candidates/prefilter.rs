//! The first look at the cache's groups: which of them have connections in the window, and what their
//! sketches rule out.

use super::plan::QueryPlan;
use crate::beacon::detectors::{Known, Prefilter};
use crate::beacon::sketch::{Outline, Sketch};
use crate::cache::{Group, Reader};
use crate::journal::Scope;
use crate::table::TableError;

/// A group of the cache, and what is known of its connections in the window without reading them.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) group: Group,
    pub(super) outline: Outline,
    /// What the detectors say of the group if it is a row by itself.
    pub(super) prefilter: Prefilter,
    /// Where its blocks are among those of the scan, and how many.
    pub(super) blocks: (usize, usize),
}

/// What a scan has found.
#[derive(Default)]
pub(super) struct Scan {
    /// Groups by id.
    pub(super) members: Vec<Member>,
    /// The ids of the blocks of all members.
    pub(super) blocks: Vec<i64>,
    /// How many groups were only counted, because no detector may name them.
    pub(super) passed_over: u64,
    /// From the first to the last connection, those to loopback addresses too; `None` without any.
    pub(super) span_ms: Option<(i64, i64)>,
}

impl Scan {
    /// Of all groups with connections in the window of `plan`.
    pub(super) fn run(reader: &Reader, plan: &QueryPlan<'_>) -> Result<Scan, TableError> {
        let mut scan = Scan::default();
        let window = plan.parameters.window;
        if plan.asks_detectors() {
            reader.sketches(window, |group, sketch, blocks| {
                let prefilter = || prefilter(&group, sketch, &plan.parameters.thresholds);
                scan.add(group, &sketch.outline, blocks, prefilter, plan);
                Ok::<(), TableError>(())
            })?;
        } else {
            reader.outlines(window, |group, outline, blocks| {
                scan.add(group, outline, blocks, Prefilter::default, plan);
                Ok::<(), TableError>(())
            })?;
        }
        Ok(scan)
    }

    fn add(
        &mut self,
        group: Group,
        outline: &Outline,
        blocks: &[i64],
        prefilter: impl FnOnce() -> Prefilter,
        plan: &QueryPlan<'_>,
    ) {
        let (first_ms, last_ms) = outline.span_ms;
        self.span_ms = Some(match self.span_ms {
            None => (first_ms, last_ms),
            Some((earliest_ms, latest_ms)) => (earliest_ms.min(first_ms), latest_ms.max(last_ms)),
        });
        if group.scope == Scope::Loopback && !plan.parameters.include_loopback {
            return;
        }
        let prefilter = prefilter();
        if plan.passes_over_unnamed() && !prefilter.may_be_named() {
            self.passed_over += 1;
            return;
        }
        let of_member = (self.blocks.len(), blocks.len());
        self.blocks.extend(blocks);
        self.members.push(Member { group, outline: *outline, prefilter, blocks: of_member });
    }
}

/// What the detectors say of a group of the cache by itself.
fn prefilter(group: &Group, sketch: &Sketch, thresholds: &[f64]) -> Prefilter {
    let known = Known {
        connections: sketch.outline.connections,
        may_be_public: is_public(group),
        sketch: Some(sketch),
    };
    Prefilter::of_group(&known, thresholds)
}

/// Whether a group's connections are to a public address and a port other than 0.
pub(super) fn is_public(group: &Group) -> bool {
    group.port != 0 && group.scope == Scope::Public
}
