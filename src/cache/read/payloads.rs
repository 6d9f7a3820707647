//! The connections of blocks that somebody wants to see, a block at a time.
//!
//! What is in a block is decoded by `block`; which blocks a group has is told by `walk`.

use rusqlite::blob::Blob;

use crate::beacon::Window;
use crate::cache::format::decoded::{DecodedBlock, Parts, Run};
use crate::cache::format::{block, checksum};
use crate::cache::{CacheError, Cost, Reader};

/// Reads payloads through one handle that goes from row to row, which takes less than half of what it
/// takes to run a statement for each.
pub struct Payloads<'r> {
    reader: &'r Reader,
    handle: Option<Blob<'r>>,
    are_checked: bool,
    /// Space for the next.
    bytes: Vec<u8>,
    scratch: Vec<u64>,
    decoded: DecodedBlock,
}

impl<'r> Payloads<'r> {
    /// Of the blocks that `reader` tells of.
    pub fn new(reader: &'r Reader) -> Payloads<'r> {
        let (bytes, scratch, decoded) = Default::default();
        Payloads {
            reader,
            handle: None,
            are_checked: reader.are_checked(),
            bytes,
            scratch,
            decoded,
        }
    }

    /// Appends the times of the connections of `blocks` in `window` to `out`: sorted, if the blocks
    /// are a group's and in time order.
    pub fn times(
        &mut self,
        blocks: &[i64],
        window: Window,
        out: &mut Vec<i64>,
    ) -> Result<(), CacheError> {
        for id in blocks {
            self.read(*id)?;
            let before = out.len();
            checksum::unseal_payload(*id, &self.bytes, self.are_checked)
                .and_then(|block| block::decode_times(block, &mut self.scratch, out))
                .map_err(|error| self.reader.damaged_block(*id, error))?;
            let inside = window.range_of(out.get(before..).unwrap_or_default());
            out.truncate(before + inside.end);
            out.drain(before..before + inside.start);
        }
        Ok(())
    }

    /// Hands on the connections of `blocks` in `window`, block by block, with these parts of them.
    pub fn runs<E: From<CacheError>>(
        &mut self,
        blocks: &[i64],
        window: Window,
        parts: Parts,
        mut take: impl FnMut(Run<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for id in blocks {
            self.read(*id)?;
            checksum::unseal_payload(*id, &self.bytes, self.are_checked)
                .and_then(|block| block::decode(block, parts, &mut self.decoded))
                .map_err(|error| self.reader.damaged_block(*id, error))?;
            self.decoded.runs_in(window).try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// The bytes of a block.
    fn read(&mut self, id: i64) -> Result<(), CacheError> {
        self.reader.check_deadline()?;
        let handle = match &mut self.handle {
            Some(handle) => handle.reopen(id).map(|()| handle),
            none => {
                let database = &self.reader.database;
                let opened = database.blob_open(c"main", c"payload", c"bytes", id, true);
                opened.map(|handle| none.insert(handle))
            }
        };
        let handle = handle.map_err(|error| match error.sqlite_error_code() {
            // What else a handle is refused for is said by other codes.
            Some(rusqlite::ErrorCode::Unknown) => self.reader.damaged("a block is missing"),
            _ => error.into(),
        })?;
        self.bytes.resize(handle.len(), 0);
        handle.read_at_exact(&mut self.bytes, 0)?;
        self.reader.count(Cost { blocks: 1, bytes: self.bytes.len() as u64 });
        Ok(())
    }
}
