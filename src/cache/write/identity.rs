//! Which file is written to, to notice that it has been removed, moved or replaced: a process goes on
//! writing to a file that has no name any more.

use std::path::Path;

use crate::cache::location;

/// The device and the number of a file; `None` where there is none, or the system has no such numbers.
type Number = Option<(u64, u64)>;

/// The cache's file and its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    file: Number,
    log: Number,
}

impl Identity {
    /// Of what lies at `path` now.
    pub(crate) fn of(path: &Path) -> Identity {
        Identity { file: number(path), log: number(&location::with_suffix(path, "-wal")) }
    }

    /// Whether what lies there now is another. A log may be begun late.
    pub(crate) fn differs_from(&self, before: &Identity) -> bool {
        self.file != before.file || before.log.is_some() && self.log != before.log
    }
}

#[cfg(unix)]
fn number(path: &Path) -> Number {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.symlink_metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open can neither be removed nor replaced.
#[cfg(not(unix))]
fn number(_path: &Path) -> Number {
    None
}
