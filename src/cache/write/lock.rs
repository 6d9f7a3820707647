//! One writer at a time: a lock on a file beside the cache, which the system drops with the
//! process that holds it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::cache::{CacheError, location};

/// Held for as long as it lives.
pub(crate) struct WriterLock {
    file: File,
    path: PathBuf,
    was_there: bool,
}

/// The lock of the cache at `path`.
pub(crate) fn path_of(path: &Path) -> PathBuf {
    location::with_suffix(path, ".lock")
}

/// Whether a writer has the cache at `path` open just now.
pub fn is_being_written(path: &Path) -> bool {
    // A shared lock, so that two who look are not in each other's way.
    File::open(path_of(path))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

impl WriterLock {
    /// Takes the lock of the cache at `path` for `role`, which others are told.
    pub(crate) fn take(path: &Path, role: &str) -> Result<WriterLock, CacheError> {
        let lock_path = path_of(path);
        let was_there = lock_path.exists();
        let io_error = |source| CacheError::Io { path: lock_path.clone(), source };
        let mut file =
            location::open_private(&lock_path).map_err(|error| location::refused(path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CacheError::Locked {
                    path: path.to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(error)),
        }
        file.set_len(0).map_err(io_error)?;
        writeln!(file, "{role} (process {})", std::process::id()).map_err(io_error)?;
        Ok(WriterLock { file, path: lock_path, was_there })
    }

    /// Whether there has been a writer before, which tells a damaged cache from a file that never
    /// was one.
    pub(crate) fn was_there(&self) -> bool {
        self.was_there
    }

    /// Leaves no trace beside a file that is no cache.
    pub(crate) fn withdraw(self) {
        if !self.was_there {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for WriterLock {
    /// Closing would not do: a process that is just being started has a copy of the handle until
    /// it runs its own program.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn holder(file: &mut File) -> String {
    let mut holder = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut holder));
    match holder.trim() {
        "" => "another process".to_owned(),
        _ if read.is_err() => "another process".to_owned(),
        holder => holder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_it_in_another_process_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.sqlite");
        let lock = WriterLock::take(&path, "a test").unwrap();
        let copy = lock.file.try_clone().unwrap();
        assert!(matches!(WriterLock::take(&path, "another"), Err(CacheError::Locked { .. })));
        drop(lock);
        WriterLock::take(&path, "another").unwrap();
        drop(copy);
    }
}
