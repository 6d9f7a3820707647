//! The cache's groups with connections in a window, and what their summaries say.

use std::sync::atomic::{AtomicU64, Ordering};

use super::TableError;
use super::selection::{Member, Open};
use crate::beacon::Window;
use crate::beacon::sketch::{Outline, Sketch};
use crate::cache::{Group, Reader};
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

/// What one step has found: groups by id.
#[derive(Default)]
pub(super) struct Step {
    first_group: u32,
    members: Vec<Member>,
    blocks: Vec<i64>,
    passed_over: u64,
    span_ms: Option<(i64, i64)>,
}

/// What all steps have found.
#[derive(Default)]
pub(super) struct Scan {
    /// Groups by id, as the steps found them: to have them all in one place would take moving them.
    pub(super) members: Vec<Vec<Member>>,
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

impl<O: Fn(&Group, &Sketch) -> Open> Scanning<O> {
    /// The groups whose turn it is, step by step.
    pub(super) fn some(&self, reader: &Reader, turns: &Turns) -> Result<Vec<Step>, TableError> {
        let mut steps = Vec::new();
        while let Some(groups) = turns.take() {
            steps.push(self.step(reader, groups)?);
        }
        Ok(steps)
    }

    /// The groups from one id to another.
    fn step(&self, reader: &Reader, groups: (u32, u32)) -> Result<Step, TableError> {
        let mut step = Step { first_group: groups.0, ..Step::default() };
        // Where they are not ruled out, nearly all become members.
        if !self.only_named {
            step.members.reserve(STEP as usize);
        }
        match &self.open {
            Some(open) => reader.summaries(self.window, groups, |group, sketch, blocks| {
                step.push(group, &sketch.outline, blocks, open(&group, sketch), self);
                Ok::<(), TableError>(())
            }),
            None => reader.outlines(self.window, groups, |group, outline, blocks| {
                step.push(group, outline, blocks, Open::default(), self);
                Ok(())
            }),
        }?;
        Ok(step)
    }
}

impl Step {
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
}

impl Scan {
    /// Puts together what several threads have scanned.
    pub(super) fn of(found: Vec<Vec<Step>>) -> Scan {
        let mut steps: Vec<_> = found.into_iter().flatten().collect();
        steps.sort_unstable_by_key(|step| step.first_group);
        let mut scan = Scan::default();
        for mut step in steps {
            step.members.iter_mut().for_each(|member| member.blocks.0 += scan.blocks.len());
            scan.members.push(step.members);
            scan.blocks.extend(step.blocks);
            scan.passed_over += step.passed_over;
            scan.span_ms = span_of(scan.span_ms, step.span_ms);
        }
        scan
    }
}

/// What holds both spans.
fn span_of(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}
