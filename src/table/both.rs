//! Two threads at one question, each with a reader of its own.
//!
//! Which part of the work is whose is up to the caller.

use std::panic::resume_unwind;
use std::thread;

use super::TableError;
use crate::cache::Reader;

/// Does `work` with `reader` and, if there is one, with its `twin` at the same time; gives what each
/// came to.
pub(super) fn both<T: Send>(
    reader: &Reader,
    twin: &mut Option<Reader>,
    work: impl Fn(&Reader) -> Result<T, TableError> + Sync,
) -> Result<Vec<T>, TableError> {
    let Some(twin) = twin else {
        return Ok(vec![work(reader)?]);
    };
    let (mine, other) = thread::scope(|scope| {
        let of_twin = &work;
        let other = scope.spawn(move || of_twin(twin));
        (work(reader), other.join())
    });
    Ok(vec![mine?, other.unwrap_or_else(|panic| resume_unwind(panic))?])
}
