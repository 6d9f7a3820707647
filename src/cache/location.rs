//! Where the cache lies by default, and who may open it.

use std::io;
use std::path::{Path, PathBuf};

use crate::cache::CacheError;

const FILE: &str = "cache.sqlite";

/// The default cache: the system's for root (and on Windows), else the user's own under
/// `$XDG_STATE_HOME`. `None` if not even a home directory is known.
pub fn default_path() -> Option<PathBuf> {
    if cfg!(windows) || is_root() {
        return system_path();
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    // The XDG Base Directory Specification has relative paths ignored.
    let folder = match state.filter(|path| path.is_absolute()) {
        Some(state) => state,
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    Some(cache_in(&folder))
}

/// The system's cache, which the extension that osqueryd runs fills.
pub fn system_path() -> Option<PathBuf> {
    let folder = if cfg!(windows) {
        PathBuf::from(std::env::var_os("ProgramData")?)
    } else if cfg!(target_os = "macos") {
        PathBuf::from("/private/var/db")
    } else {
        PathBuf::from("/var/lib")
    };
    Some(cache_in(&folder))
}

fn cache_in(folder: &Path) -> PathBuf {
    folder.join("beacon_candidates").join(FILE)
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// Who may open `path`, for an error message; '' if that cannot be told, or is not the problem.
fn who_may_open(path: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    let Some(owned) = path.ancestors().find(|part| part.exists()) else {
        return String::new();
    };
    match owner_and_mode(owned) {
        Some((0, mode)) => format!(
            "; {} belongs to root (mode {mode:04o}): run as root, or name another file with --cache",
            owned.display()
        ),
        Some((owner, mode)) => format!(
            "; {} belongs to user {owner} (mode {mode:04o}): run as that user, or name another \
             file with --cache",
            owned.display()
        ),
        None => String::new(),
    }
}

#[cfg(unix)]
fn owner_and_mode(path: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.metadata().ok()?;
    Some((metadata.uid(), metadata.mode() & 0o7777))
}

#[cfg(not(unix))]
fn owner_and_mode(_path: &Path) -> Option<(u32, u32)> {
    None
}

/// The error of a cache that cannot be opened, with who may.
pub(crate) fn refused(path: &Path, error: io::Error) -> CacheError {
    let who = who_may_open(path, &error);
    CacheError::Open { path: path.to_owned(), reason: error.to_string(), who }
}

/// The error of a cache that is not there.
pub(crate) fn missing(path: &Path) -> CacheError {
    let elsewhere = match (default_path(), system_path()) {
        (Some(own), Some(system)) if own == path => elsewhere(&own, &system),
        _ => String::new(),
    };
    CacheError::Missing { path: path.to_owned(), elsewhere }
}

/// A user's `own` default cache is seldom what is meant where an extension fills the system's.
fn elsewhere(own: &Path, system: &Path) -> String {
    let is_there = system.parent().is_some_and(Path::exists);
    if own == system || !is_there {
        return String::new();
    }
    format!("; the one that osquery's extension fills is {}, for root alone", system.display())
}

/// A file beside `path`, of its name and `suffix`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Creates the folder of `path`, for its owner only, if it is not there.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    if folder.exists() && !folder.is_dir() {
        return Err(io::Error::other(format!("{} is no folder", folder.display())));
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens `path` for writing, creating it for its owner only.
pub(crate) fn open_private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    options.open(path)
}

/// Creates the file at `path` for its owner only, if it is not there; an error where it can be neither
/// created nor written. One that is there is not opened, as by [`check_readable`].
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    for path in [path, &with_suffix(path, "-wal"), &with_suffix(path, "-shm")] {
        if path.is_symlink() {
            let link = format!("{} is a symbolic link, which is not followed", path.display());
            return Err(io::Error::other(link));
        }
    }
    if !path.exists() {
        return open_private(path).map(drop);
    }
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        access(path, Access::READ_OK | Access::WRITE_OK)?;
        if path.is_dir() {
            return Err(rustix::io::Errno::ISDIR.into());
        }
    }
    #[cfg(not(unix))]
    open_private(path)?;
    Ok(())
}

/// An error where the file at `path` cannot be read. On Unix it is not opened for that: to close it
/// again would release the locks that SQLite holds on it for others of this process.
pub(crate) fn check_readable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    rustix::fs::access(path, rustix::fs::Access::READ_OK)?;
    #[cfg(not(unix))]
    std::fs::File::open(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_cache_is_told_of_the_systems_where_there_is_one() {
        let system = tempfile::tempdir().unwrap();
        let cache = system.path().join(FILE);
        let own = Path::new("/home/hunter/.local/state/beacon_candidates/cache.sqlite");
        assert!(elsewhere(own, &cache).contains(&cache.display().to_string()));
        assert_eq!(elsewhere(&cache, &cache), "");
        assert_eq!(elsewhere(own, &system.path().join("none").join(FILE)), "");
    }
}
