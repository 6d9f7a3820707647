//! Answers to concurrent queries: the same one is computed once, few are computed at a time, and
//! one is kept for a moment.
//!
//! A LEFT JOIN or an IN makes a call for each row or value, and osquery's pings wait while all
//! threads of the extension are busy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most that are computed at once.
const AT_ONCE: usize = 2;
/// The most answers that are kept.
const KEPT: usize = 4;

/// An answer, or why there is none.
pub(super) type Answer<T> = Result<Arc<T>, String>;

/// The answers being computed and those kept, by key.
pub(super) struct Answers<K, T> {
    state: Mutex<State<K, T>>,
    changed: Condvar,
    kept_for: Duration,
    /// Another waits so long for its turn.
    patience: Duration,
    /// So much of those that are kept, by `size`, in all.
    most: usize,
    size: fn(&T) -> usize,
}

struct State<K, T> {
    entries: Vec<Entry<K, T>>,
    running: usize,
}

struct Entry<K, T> {
    key: K,
    slot: Arc<Slot<T>>,
    /// When the computation began; an answer is as old as what it saw.
    begun: Instant,
}

/// Where those who wait for one computation find its answer.
struct Slot<T>(Mutex<Option<Answer<T>>>);

impl<K: PartialEq + Clone, T> Answers<K, T> {
    /// Keeps an answer for `kept_for` after its computation began; who has to wait for its turn does
    /// so for `patience`.
    pub(super) fn new(kept_for: Duration, patience: Duration) -> Self {
        Answers {
            state: Mutex::new(State { entries: Vec::new(), running: 0 }),
            changed: Condvar::new(),
            kept_for,
            patience,
            most: usize::MAX,
            size: |_| 0,
        }
    }

    /// The same, keeping no more than `most` by `size` in all.
    pub(super) fn of_at_most(self, most: usize, size: fn(&T) -> usize) -> Self {
        Answers { most, size, ..self }
    }

    /// Forgets answers that are too old to be given again.
    pub(super) fn forget_old(&self) {
        self.retain_young(&mut locked(&self.state));
    }

    fn retain_young(&self, state: &mut State<K, T>) {
        state.entries.retain(|entry| {
            entry.begun.elapsed() < self.kept_for || locked(&entry.slot.0).is_none()
        });
    }

    /// The answer to `key`: kept, being computed by another call, or by `compute`. A panic of
    /// `compute` is an error; errors are shared with those who wait, and not kept.
    pub(super) fn get(&self, key: &K, compute: impl FnOnce() -> Result<T, String>) -> Answer<T> {
        let deadline = Instant::now() + self.patience;
        let mut state = locked(&self.state);
        let slot = loop {
            self.retain_young(&mut state);
            if let Some(entry) = state.entries.iter().find(|entry| entry.key == *key) {
                let slot = Arc::clone(&entry.slot);
                return self.wait_for(&slot, state);
            }
            if state.running < AT_ONCE {
                let slot = Arc::new(Slot(Mutex::new(None)));
                let entry =
                    Entry { key: key.clone(), slot: Arc::clone(&slot), begun: Instant::now() };
                state.entries.push(entry);
                state.running += 1;
                break slot;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("busy: two other queries are still running, try again".to_owned());
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        };
        drop(state);
        let answer = match catch_unwind(AssertUnwindSafe(compute)) {
            Ok(answer) => answer.map(Arc::new),
            Err(_) => {
                Err("the query failed inside beacon_candidates; its log says more".to_owned())
            }
        };
        let mut state = locked(&self.state);
        *locked(&slot.0) = Some(answer.clone());
        state.running -= 1;
        if answer.is_err() {
            state.entries.retain(|entry| !Arc::ptr_eq(&entry.slot, &slot));
        }
        while (state.entries.len() > KEPT || self.kept(&state) > self.most)
            && let Some(oldest) =
                state.entries.iter().position(|entry| locked(&entry.slot.0).is_some())
        {
            state.entries.remove(oldest);
        }
        self.changed.notify_all();
        answer
    }

    /// How much is kept.
    fn kept(&self, state: &State<K, T>) -> usize {
        let size = |entry: &Entry<K, T>| match &*locked(&entry.slot.0) {
            Some(Ok(answer)) => (self.size)(answer),
            _ => 0,
        };
        state.entries.iter().map(size).sum()
    }

    fn wait_for(&self, slot: &Slot<T>, mut state: MutexGuard<'_, State<K, T>>) -> Answer<T> {
        loop {
            if let Some(answer) = locked(&slot.0).as_ref() {
                return answer.clone();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A panic while a lock is held leaves nothing half-done here: what computes holds none.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn the_same_query_is_computed_once_and_kept() {
        let answers = Answers::new(Duration::from_secs(60), PATIENCE);
        let computed = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let answer = answers.get(&"key", || {
                        computed.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(30));
                        Ok(7)
                    });
                    assert_eq!(answer.as_deref(), Ok(&7));
                });
            }
        });
        assert_eq!(answers.get(&"key", || Ok(8)).as_deref(), Ok(&7));
        assert_eq!(computed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn of_large_answers_the_latest_are_kept_and_of_old_ones_none() {
        let answers = Answers::new(Duration::from_secs(60), PATIENCE).of_at_most(10, |size| *size);
        for (key, size) in [(1, 4), (2, 4), (3, 4), (4, 11), (5, 3)] {
            assert_eq!(answers.get(&key, || Ok(size)).as_deref(), Ok(&size));
        }
        // Of the first three two are kept, the fourth alone is too large and pushes them out.
        assert_eq!(answers.get(&5, || Err("again".to_owned())).as_deref(), Ok(&3));
        for key in 1..5 {
            assert!(answers.get(&key, || Err("again".to_owned())).is_err(), "{key}");
        }
        let answers = Answers::new(Duration::ZERO, PATIENCE);
        let kept = answers.get(&1, || Ok(())).unwrap();
        answers.forget_old();
        assert_eq!(Arc::strong_count(&kept), 1);
    }

    #[test]
    fn an_answer_that_is_too_old_is_computed_anew() {
        let answers = Answers::new(Duration::ZERO, PATIENCE);
        assert_eq!(answers.get(&1, || Ok(1)).as_deref(), Ok(&1));
        assert_eq!(answers.get(&1, || Ok(2)).as_deref(), Ok(&2));
    }

    #[test]
    fn a_third_query_waits_and_then_is_told_that_we_are_busy() {
        let answers = Answers::new(Duration::from_secs(60), Duration::from_millis(50));
        let (begun, end) = (Barrier::new(3), Barrier::new(3));
        thread::scope(|scope| {
            for key in [1, 2] {
                let (answers, begun, end) = (&answers, &begun, &end);
                scope.spawn(move || {
                    answers.get(&key, || {
                        begun.wait();
                        end.wait();
                        Ok(key)
                    })
                });
            }
            begun.wait();
            assert!(answers.get(&3, || Ok(3)).is_err_and(|error| error.starts_with("busy")));
            end.wait();
        });
        assert_eq!(answers.get(&3, || Ok(3)).as_deref(), Ok(&3));
    }

    #[test]
    fn a_panic_is_an_error_and_errors_are_not_kept() {
        let answers: Answers<i32, i32> = Answers::new(Duration::from_secs(60), PATIENCE);
        assert!(answers.get(&1, || panic!("as it may")).is_err());
        assert_eq!(answers.get(&1, || Err("no".to_owned())), Err("no".to_owned()));
        assert_eq!(answers.get(&1, || Ok(1)).as_deref(), Ok(&1));
        for key in 2..20 {
            assert_eq!(answers.get(&key, || Ok(key)).as_deref(), Ok(&key));
        }
        assert!(locked(&answers.state).entries.len() <= KEPT);
    }
}
