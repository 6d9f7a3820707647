//! Has the system bring a cache's file into memory while a question goes through it.
//!
//! For speed alone, and only where the file is not in memory: the rows of blocks lie all over it, so that
//! each of its pages would be waited for by itself; on a disk, reading all of it in turn takes less time. On Linux only; elsewhere nothing happens.

#[cfg(target_os = "linux")]
use std::{fs::File, path::Path, sync::Mutex};

/// Of one cache's file.
#[derive(Default)]
pub struct ReadAhead {
    /// Never closed: with any handle on a file the whole process loses its locks on it, SQLite's
    /// among them (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
    #[cfg(target_os = "linux")]
    file: Mutex<Option<&'static File>>,
}

#[cfg(target_os = "linux")]
impl ReadAhead {
    /// A smaller file is read sooner than it is read ahead, in bytes.
    const SMALLEST: u64 = 1 << 20;
    /// A file is in memory if it is so at this many places.
    const PLACES: u64 = 8;
    /// As much as Linux reads ahead at a time, unless it is told otherwise, in bytes.
    const STEP: u64 = 128 << 10;

    /// Begins with the cache at `path`, which is open already, unless it is in memory.
    pub fn begin(&self, path: &Path) {
        let Some((file, length)) = self.file(path) else {
            return;
        };
        if length < Self::SMALLEST || Self::is_in_memory(file, length) {
            return;
        }
        // What cannot be read ahead is read when it is needed.
        let _ = std::thread::Builder::new().spawn(move || Self::read(file, length));
    }

    fn file(&self, path: &Path) -> Option<(&'static File, u64)> {
        let mut known = self.file.lock().ok()?;
        if known.is_none() {
            *known = Some(Box::leak(Box::new(File::open(path).ok()?)));
        }
        let file = (*known)?;
        Some((file, file.metadata().ok()?.len()))
    }

    fn is_in_memory(file: &File, length: u64) -> bool {
        use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2};
        let waits_at = |offset| {
            let mut byte = [0];
            let read =
                preadv2(file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT);
            read == Err(Errno::AGAIN)
        };
        !(0..Self::PLACES).any(|place| waits_at(length / Self::PLACES * place))
    }

    fn read(file: &File, length: u64) {
        use rustix::fs::{Advice, fadvise};
        let step = std::num::NonZeroU64::new(Self::STEP);
        let mut offset = 0;
        while offset < length && fadvise(file, offset, step, Advice::WillNeed).is_ok() {
            offset += Self::STEP;
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl ReadAhead {
    /// Nothing.
    pub fn begin(&self, _: &std::path::Path) {}
}
