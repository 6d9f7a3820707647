//! Two threads at one question, each with a reader of its own.
//!
//! Which part of the work is whose is up to the caller; each takes what the other has not.

use std::panic::resume_unwind;
use std::sync::{OnceLock, mpsc};
use std::thread;

use super::TableError;
use crate::cache::Reader;

/// Does `first` with `reader` and, if there is one, with its `twin` at the same time, then `between`
/// with what these came to, and then `second` with both again. Gives what they came to in the end.
///
/// One thread stays for both parts: to begin one takes as long as a small part does.
pub(super) fn both<A: Send, B: Send + Sync, C: Send>(
    reader: &Reader,
    twin: &mut Option<Reader>,
    first: impl Fn(&Reader) -> Result<A, TableError> + Sync,
    between: impl FnOnce(Vec<A>) -> Result<B, TableError>,
    second: impl Fn(&Reader, &B) -> Result<C, TableError> + Sync,
) -> Result<Vec<C>, TableError> {
    let Some(twin) = twin else {
        let middle = between(vec![first(reader)?])?;
        return Ok(vec![second(reader, &middle)?]);
    };
    let place = OnceLock::new();
    thread::scope(|scope| {
        // Either end is gone where its thread has failed, and the other does not wait for it.
        let (give, take) = mpsc::channel();
        let (hand_on, receive) = mpsc::channel();
        let (of_first, of_second) = (&first, &second);
        let other = thread::Builder::new().spawn_scoped(scope, move || {
            let _ = give.send(of_first(twin));
            receive.recv().ok().map(|middle| of_second(twin, middle))
        });
        let mut parts = vec![first(reader)?];
        // Where no thread is to be had, the first has done it all.
        if let Ok(part) = take.recv() {
            parts.push(part?);
        }
        let middle = between(parts)?;
        let middle = place.get_or_init(|| middle);
        let _ = hand_on.send(middle);
        let mut found = vec![second(reader, middle)?];
        if let Ok(other) = other {
            let of_other = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            found.extend(of_other.transpose()?);
        }
        Ok(found)
    })
}
