//! Caches that a writer cannot go on with: they are moved aside, and nothing of them is lost.

use std::path::{Path, PathBuf};

use crate::cache::{CacheError, location};

/// Why a cache is moved aside.
pub(crate) enum MovedAside {
    /// It cannot be read; what is wrong.
    Damaged(String),
    /// A newer program has written it in a format that is not known here.
    Newer { format: i64 },
}

impl MovedAside {
    /// What its new name tells of it.
    pub(crate) fn suffix(&self) -> &'static str {
        match self {
            MovedAside::Damaged(_) => "damaged",
            MovedAside::Newer { .. } => "newer",
        }
    }

    /// What is said of it once, in the log and in `beacon_status`.
    pub(crate) fn message(&self, moved: &Path) -> String {
        let moved = moved.display();
        match self {
            MovedAside::Damaged(reason) => {
                format!("a damaged cache was moved to {moved}: {reason}")
            }
            MovedAside::Newer { format } => format!(
                "a cache of a newer version (format {format}) was moved to {moved}, where that \
                 version can still read it"
            ),
        }
    }
}

/// Renames the file and its log out of the way, with a suffix that tells why; gives the new name.
pub(crate) fn move_aside(path: &Path, suffix: &str, now_s: i64) -> Result<PathBuf, CacheError> {
    let with_suffix = location::with_suffix;
    let aside = (0..)
        .map(|attempt| with_suffix(path, &format!(".{suffix}-{}", now_s + attempt)))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| with_suffix(path, &format!(".{suffix}")));
    std::fs::rename(path, &aside)
        .map_err(|source| CacheError::Io { path: path.to_owned(), source })?;
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix));
    }
    Ok(aside)
}
