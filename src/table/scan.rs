//! The cache's groups with connections in a window, and what their summaries say.

use std::sync::atomic::{AtomicU64, Ordering};

use super::TableError;
use super::selection::{Member, Open};
use crate::cache::{Group, Outline, Reader, Summary, Window};
use crate::journal::Scope;

/// So many groups, by id, are scanned in one go where two threads take turns: those that a journal
/// names first are often its busiest.
const STEP: u32 = 64;

/// What is to be scanned, and how.
pub(super) struct Scanning<O> {
    pub(super) window: Window,
    /// Whether groups to loopback addresses are members, too.
    pub(super) include_loopback: bool,
    /// Judges a group by its summary; where nobody asks, outlines are enough.
    pub(super) open: Option<O>,
    /// Whether groups that no detector may name are only counted.
    pub(super) only_named: bool,
}

/// Groups by id.
#[derive(Default)]
pub(super) struct Scan {
    first_group: u32,
    pub(super) members: Vec<Member>,
    /// The ids of the blocks of all members.
    pub(super) blocks: Vec<i64>,
    /// How many groups were only counted.
    pub(super) passed_over: u64,
    /// From the first to the last connection, those to loopback addresses too; `None` without any.
    pub(super) span_ms: Option<(i64, i64)>,
}

/// Whose turn it is: groups by id, a step at a time.
pub(super) struct Turns {
    next: AtomicU64,
    step: u32,
    last: u32,
}

impl Turns {
    /// Of threads that share the groups that `reader` sees, if there are several.
    pub(super) fn of(reader: &Reader, are_several: bool) -> Result<Turns, TableError> {
        let (step, last) = if are_several { (STEP, reader.last_group()?) } else { (u32::MAX, 0) };
        Ok(Turns { next: AtomicU64::new(0), step, last })
    }

    /// From the first to the last id of groups that nobody else will take.
    fn take(&self) -> Option<(u32, u32)> {
        let first = u32::try_from(self.next.fetch_add(self.step.into(), Ordering::Relaxed)).ok()?;
        (first <= self.last).then(|| (first, first.saturating_add(self.step - 1)))
    }
}

impl<O: Fn(&Group, &Summary) -> Open> Scanning<O> {
    /// The groups whose turn it is, step by step.
    pub(super) fn some(&self, reader: &Reader, turns: &Turns) -> Result<Vec<Scan>, TableError> {
        let mut parts = Vec::new();
        while let Some(groups) = turns.take() {
            let mut part = Scan { first_group: groups.0, ..Scan::default() };
            self.add(reader, groups, &mut part)?;
            parts.push(part);
        }
        Ok(parts)
    }

    /// Adds the groups from one id to another.
    fn add(&self, reader: &Reader, groups: (u32, u32), scan: &mut Scan) -> Result<(), TableError> {
        match &self.open {
            Some(open) => reader.summaries(self.window, groups, |group, summary, blocks| {
                scan.push(group, &summary.outline, blocks, open(&group, summary), self);
                Ok(())
            }),
            None => reader.outlines(self.window, groups, |group, outline, blocks| {
                scan.push(group, outline, blocks, Open::default(), self);
                Ok(())
            }),
        }
    }
}

impl Scan {
    /// Puts together what several threads have scanned.
    pub(super) fn of(parts: Vec<Vec<Scan>>) -> Scan {
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|part| part.first_group);
        let mut all = Scan::default();
        all.members.reserve_exact(parts.iter().map(|part| part.members.len()).sum());
        all.blocks.reserve_exact(parts.iter().map(|part| part.blocks.len()).sum());
        parts.into_iter().for_each(|part| all.append(part));
        all
    }

    fn push<O>(
        &mut self,
        group: Group,
        outline: &Outline,
        blocks: &[i64],
        open: Open,
        scanning: &Scanning<O>,
    ) {
        self.span_ms = span_of(self.span_ms, Some(outline.span_ms));
        if group.scope == Scope::Loopback && !scanning.include_loopback {
            return;
        }
        if scanning.only_named && !open.can_be_named() {
            self.passed_over += 1;
        } else {
            let of_member = (self.blocks.len(), blocks.len());
            self.blocks.extend(blocks);
            self.members.push(Member { group, outline: *outline, open, blocks: of_member });
        }
    }

    /// Adds groups that come later.
    fn append(&mut self, part: Scan) {
        let before = self.blocks.len();
        let moved = part.members.into_iter().map(|member| {
            let (from, count) = member.blocks;
            Member { blocks: (before + from, count), ..member }
        });
        self.members.extend(moved);
        self.blocks.extend(part.blocks);
        self.passed_over += part.passed_over;
        self.span_ms = span_of(self.span_ms, part.span_ms);
    }
}

/// What holds both spans.
fn span_of(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}
