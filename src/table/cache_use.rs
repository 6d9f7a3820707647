//! What the process that serves the tables does with the cache, for `beacon_status`: it fills it,
//! or only reads it, and why.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether this process fills the cache. It does not, unless told otherwise.
#[derive(Debug, Default)]
pub struct CacheUse(Mutex<State>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    writes: bool,
    reason: String,
}

impl CacheUse {
    /// From now on this process fills the cache.
    pub fn writes(&self) {
        *self.state() = State { writes: true, reason: String::new() };
    }

    /// From now on it only reads, for this reason.
    pub fn reads(&self, reason: &str) {
        *self.state() = State { writes: false, reason: reason.to_owned() };
    }

    /// The word for it, and why it is not more; '' if there is no reason.
    pub(super) fn describe(&self) -> (&'static str, String) {
        let state = self.state();
        (if state.writes { "writing" } else { "reading" }, state.reason.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
