//! Whether osquery has us registered, for all threads to know: who fills the cache waits for it.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::answers::locked;

/// The state of our registration.
#[derive(Debug, Default)]
pub(super) struct Registration {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Not yet, or osquery has refused us: another of our name is registered.
    #[default]
    Refused,
    /// Under this uuid.
    Registered(i64),
    /// osquery has dropped us; we register again.
    Dropped,
    /// The process is about to end. Nothing comes after it.
    Ended,
}

impl Registration {
    /// From now on osquery lists us under `uuid`.
    pub(super) fn is_registered(&self, uuid: i64) {
        self.set(State::Registered(uuid));
    }

    /// From now on it does not, but nobody else has taken our place.
    pub(super) fn is_dropped(&self) {
        self.set(State::Dropped);
    }

    /// Another has.
    pub(super) fn is_refused(&self) {
        self.set(State::Refused);
    }

    /// The process is about to end: whoever waits or sleeps here goes on at once.
    pub(super) fn ends(&self) {
        self.set(State::Ended);
    }

    /// Whether the process is about to end.
    pub(super) fn has_ended(&self) -> bool {
        *locked(&self.state) == State::Ended
    }

    /// The uuid under which we are listed.
    pub(super) fn uuid(&self) -> Option<i64> {
        match *locked(&self.state) {
            State::Registered(uuid) => Some(uuid),
            _ => None,
        }
    }

    /// Waits until osquery has registered us, or the process is about to end.
    pub(super) fn wait(&self) {
        let state = locked(&self.state);
        drop(self.changed.wait_while(state, |state| *state == State::Refused));
    }

    /// Sleeps for `time`, or until we are refused or the process is about to end; gives whether it was
    /// the time.
    pub(super) fn holds_for(&self, time: Duration) -> bool {
        let ends = Instant::now() + time;
        let mut state = locked(&self.state);
        while !matches!(*state, State::Refused | State::Ended) {
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
        false
    }

    fn set(&self, state: State) {
        let mut now = locked(&self.state);
        if *now != State::Ended {
            *now = state;
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_refusal_ends_the_wait_at_once_and_a_drop_does_not() {
        let registration = Registration::default();
        assert!(!registration.holds_for(Duration::from_secs(60)));
        registration.is_registered(7);
        registration.wait();
        registration.is_dropped();
        assert_eq!(registration.uuid(), None);
        assert!(registration.holds_for(Duration::ZERO));
        thread::scope(|scope| {
            let waits = scope.spawn(|| registration.holds_for(Duration::from_secs(60)));
            registration.is_refused();
            assert!(!waits.join().unwrap());
        });
        registration.ends();
        registration.is_registered(8);
        registration.wait();
        assert!(registration.has_ended() && !registration.holds_for(Duration::from_secs(60)));
    }
}
