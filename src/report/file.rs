//! A finished page into its file, so that there is the old one or the new one, and never a half.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A page could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What the system said.
    #[error("cannot write the report to {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder, a device or a pipe, in whose place a file would be put.
    #[error("cannot write the report to {0}: it is no regular file (- is standard output)")]
    NotAFile(PathBuf),
    /// Its folder is not there.
    #[error("cannot write the report to {0}: there is no such folder")]
    NoFolder(PathBuf),
}

/// Writes `page` to `path` in one step, readable by its owner only: it holds what the cache holds.
pub fn write(path: &Path, page: &str) -> Result<(), WriteError> {
    // A link stays one: what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if target.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(WriteError::NotAFile(path.to_owned()));
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(WriteError::NoFolder(path.to_owned()));
    }
    replace(&target, folder, page)
        .map_err(|source| WriteError::Io { path: path.to_owned(), source })
}

fn replace(target: &Path, folder: &Path, page: &str) -> std::io::Result<()> {
    // Made with mode 0600, and removed unless it is kept.
    let file = tempfile::Builder::new().prefix(".report-").tempfile_in(folder);
    // Its error names the file that was to be put in the place of the page.
    let mut file = file.map_err(|error| error.kind())?;
    file.write_all(page.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}
