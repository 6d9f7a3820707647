//! Two threads at one question, each with a reader of its own.
//!
//! Which part of the work is whose is up to the caller; each takes what the other has not.

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
    thread::scope(|scope| {
        let of_twin = &work;
        let other = thread::Builder::new().spawn_scoped(scope, move || of_twin(twin));
        let mut found = vec![work(reader)?];
        // Where no thread is to be had, the first has done it all.
        if let Ok(other) = other {
            found.push(other.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(found)
    })
}
