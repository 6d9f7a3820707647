//! Walking the cache: group after group, with what summarises them and where their connections are.
//!
//! Those are read by `payloads`; what is in a block's summary is decoded by `summary`.

use rusqlite::params;

use crate::beacon::Window;
use crate::beacon::sketch::{BlockSketch, Outline, Sketch};
use crate::cache::format::block_row::BlockRow;
use crate::cache::format::group;
use crate::cache::{CacheError, Cost, Group, Payloads, Reader};
use crate::varint::DecodeError;

/// From the first to the last id that a group may have.
pub const ALL_GROUPS: (u32, u32) = (0, u32::MAX);
/// The blocks of groups from an id on, undecoded. Where to end is sooner seen than asked for.
const SUMMARIES: &str = "
    SELECT summary, id FROM block WHERE group_id >= ?1 ORDER BY group_id, first_ms, last_ms, id";
/// The blocks of a group that reach into a window. They follow each other in time, so that of those
/// that begin before it only the last can.
const BLOCKS: &str = "
    SELECT id FROM block
    WHERE group_id = ?3 AND first_ms <= ?2 AND last_ms >= ?1
      AND first_ms >= coalesce(
          (SELECT max(first_ms) FROM block WHERE group_id = ?3 AND first_ms < ?1), ?1)
    ORDER BY first_ms, last_ms, id";

impl Reader {
    /// The groups that may have connections in `window`, by id.
    pub fn groups(&self, window: Window) -> Result<Vec<Group>, CacheError> {
        let mut select = self.database.prepare_cached(&format!(
            "SELECT {} FROM connection_group WHERE first_ms <= ?2 AND last_ms >= ?1 ORDER BY id",
            group::COLUMNS
        ))?;
        let groups = select.query_map([window.since_ms, window.until_ms], Group::from_row)?;
        Ok(groups.collect::<Result<_, _>>()?)
    }

    /// The highest id of a group; 0 if there is none.
    pub fn last_group(&self) -> Result<u32, CacheError> {
        let last = "SELECT coalesce(max(id), 0) FROM connection_group";
        Ok(self.database.query_row(last, [], |row| row.get(0))?)
    }

    /// Hands on every group from one id to another that has connections in `window`, by id, with what
    /// is known of those undecoded, and the ids of the blocks that reach into it. Only blocks that
    /// reach beyond the window are decoded.
    pub fn summaries<E: From<CacheError>>(
        &self,
        window: Window,
        groups: (u32, u32),
        take: impl FnMut(Group, &Sketch, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.walk(window, groups, Sketch::add, take)
    }

    /// The same without what only digests tell.
    pub fn outlines<E: From<CacheError>>(
        &self,
        window: Window,
        groups: (u32, u32),
        mut take: impl FnMut(Group, &Outline, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        let add = |summary: &mut Sketch, block: &BlockSketch| {
            summary.outline.add(block);
            Ok(())
        };
        self.walk(window, groups, add, |group, summary, blocks| {
            take(group, &summary.outline, blocks)
        })
    }

    fn walk<E: From<CacheError>>(
        &self,
        window: Window,
        groups: (u32, u32),
        add: impl Fn(&mut Sketch, &BlockSketch<'_>) -> Result<(), DecodeError>,
        mut take: impl FnMut(Group, &Sketch, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_deadline()?;
        let sqlite = CacheError::from;
        let mut select = self.database.prepare_cached(SUMMARIES).map_err(sqlite)?;
        let mut rows = select.query([groups.0]).map_err(sqlite)?;
        let are_checked = self.are_checked();
        let (mut open, mut summary) = (None::<Group>, Sketch::default());
        let (mut ids, mut payloads, mut times_ms) = (Vec::new(), Payloads::new(self), Vec::new());
        while let Some(row) = rows.next().map_err(sqlite)? {
            let bytes = row.get_ref(0).and_then(|bytes| Ok(bytes.as_blob()?)).map_err(sqlite)?;
            let row = match BlockRow::from_bytes(bytes, are_checked) {
                Ok(row) => row,
                Err(error) => {
                    let id = row.get(1).map_err(sqlite)?;
                    return Err(self.damaged_block(id, error).into());
                }
            };
            let BlockRow { id, group, span_ms: (first_ms, last_ms), mut sketch } = row;
            if group.id > groups.1 {
                break;
            }
            self.count(Cost { blocks: 0, bytes: bytes.len() as u64 });
            if first_ms > window.until_ms || last_ms < window.since_ms {
                continue;
            }
            if let Some(group) = open.take_if(|open| open.id != group.id) {
                self.check_deadline()?;
                take(group, &summary, &ids)?;
                summary = Sketch::default();
                ids.clear();
            }
            if first_ms < window.since_ms || last_ms > window.until_ms {
                sketch = None; // it is of more than the window
            }
            if sketch.is_none() {
                times_ms.clear();
                payloads.times(&[id], window, &mut times_ms)?;
                sketch = BlockSketch::from_times(&times_ms);
            }
            let Some(block) = sketch else {
                continue; // nothing of it is in the window
            };
            ids.push(id);
            add(&mut summary, &block).map_err(|error| self.damaged_block(id, error))?;
            open = Some(group);
        }
        open.map_or(Ok(()), |group| take(group, &summary, &ids))
    }

    /// The ids of the blocks of group `id` that reach into `window`, in time order.
    pub fn blocks(&self, id: u32, window: Window) -> Result<Vec<i64>, CacheError> {
        let mut select = self.database.prepare_cached(BLOCKS)?;
        let ids =
            select.query_map(params![window.since_ms, window.until_ms, id], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
}
