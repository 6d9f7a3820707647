//! Scanning the cache: group after group, with their sketches and where their connections are.
//!
//! The connections are read by `payloads`.

use rusqlite::params;

use crate::beacon::Window;
use crate::beacon::sketch::{BlockSketch, Outline, Sketch};
use crate::cache::format::block_row::BlockRow;
use crate::cache::format::group;
use crate::cache::{CacheError, Cost, Group, Payloads, Reader};
use crate::varint::DecodeError;

/// What is known of all blocks, in the order of groups and times.
const ROWS: &str = "SELECT summary, id FROM block ORDER BY group_id, first_ms, last_ms, id";
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

    /// Hands on every group that has connections in `window`, by id, with their sketch, and the ids of
    /// the blocks that reach into it. Only blocks that reach beyond the window, or have a sketch of
    /// another version, are decoded.
    pub fn sketches<E: From<CacheError>>(
        &self,
        window: Window,
        take: impl FnMut(Group, &Sketch, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan(window, Sketch::add, take)
    }

    /// The same without sums, which takes less time.
    pub fn outlines<E: From<CacheError>>(
        &self,
        window: Window,
        mut take: impl FnMut(Group, &Outline, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        let add = |total: &mut Sketch, block: &BlockSketch| {
            total.outline.add(block);
            Ok(())
        };
        self.scan(window, add, |group, sketch, blocks| take(group, &sketch.outline, blocks))
    }

    fn scan<E: From<CacheError>>(
        &self,
        window: Window,
        add: impl Fn(&mut Sketch, &BlockSketch<'_>) -> Result<(), DecodeError>,
        mut take: impl FnMut(Group, &Sketch, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_deadline()?;
        let sqlite = CacheError::from;
        let mut select = self.database.prepare_cached(ROWS).map_err(sqlite)?;
        let mut rows = select.query([]).map_err(sqlite)?;
        let are_checked = self.are_checked();
        let (mut current, mut total) = (None::<Group>, Sketch::default());
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
            self.count(Cost { blocks: 0, bytes: bytes.len() as u64 });
            if first_ms > window.until_ms || last_ms < window.since_ms {
                continue;
            }
            if let Some(group) = current.take_if(|current| current.id != group.id) {
                self.check_deadline()?;
                take(group, &total, &ids)?;
                total = Sketch::default();
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
            add(&mut total, &block).map_err(|error| self.damaged_block(id, error))?;
            current = Some(group);
        }
        current.map_or(Ok(()), |group| take(group, &total, &ids))
    }

    /// The ids of the blocks of group `id` that reach into `window`, in time order.
    pub fn blocks(&self, id: u32, window: Window) -> Result<Vec<i64>, CacheError> {
        let mut select = self.database.prepare_cached(BLOCKS)?;
        let ids =
            select.query_map(params![window.since_ms, window.until_ms, id], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
}
