//! The files behind arguments that name files, folders and patterns.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use globset::GlobBuilder;
use walkdir::WalkDir;

/// A file to be read.
#[derive(Debug, PartialEq, Eq)]
pub struct JournalFile {
    pub path: PathBuf,
    /// Whether it was named, alone or by a pattern. What is merely in a folder need be no journal.
    pub is_named: bool,
}

/// The files that the arguments stand for, each once: those in folders and below them by name, which
/// for rotated logs is in time order.
pub fn journal_files(arguments: &[PathBuf]) -> Result<Vec<JournalFile>> {
    let mut files: Vec<JournalFile> = Vec::new();
    for argument in arguments {
        let found = match argument {
            path if path.as_os_str() == "-" => vec![named(path.clone())],
            path if path.is_dir() => in_folder(path)?,
            // A file that is not there is told once it is opened.
            path if path.exists() || !is_pattern(path) => vec![named(path.clone())],
            pattern => matching(pattern)?,
        };
        for file in found {
            if file.path.as_os_str() == "-" || files.iter().all(|other| other.path != file.path) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// Whether a path could stand for others, if there is no file of this name.
pub fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[{".contains(byte))
}

fn named(path: PathBuf) -> JournalFile {
    JournalFile { path, is_named: true }
}

fn in_folder(folder: &Path) -> Result<Vec<JournalFile>> {
    let files = walk(folder, usize::MAX)?;
    Ok(files.into_iter().map(|path| JournalFile { path, is_named: false }).collect())
}

fn matching(pattern: &Path) -> Result<Vec<JournalFile>> {
    let is_plain = |part: &Component<'_>| !is_pattern(Path::new(part.as_os_str()));
    let base: PathBuf = pattern.components().take_while(is_plain).collect();
    let below = pattern.components().skip_while(is_plain).count();
    let text = pattern.to_str().with_context(|| format!("{} is no UTF-8", pattern.display()))?;
    let depth = if text.contains("**") { usize::MAX } else { below };
    let glob = GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher();
    let start = if base.as_os_str().is_empty() { Path::new(".") } else { &base };
    let mut files = Vec::new();
    for path in if start.is_dir() { walk(start, depth)? } else { Vec::new() } {
        // What begins in this folder is named without it.
        let path = match base.as_os_str().is_empty() {
            true => path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path),
            false => path,
        };
        if glob.is_match(&path) {
            files.push(named(path));
        }
    }
    if files.is_empty() {
        bail!("no file is named like {text}");
    }
    Ok(files)
}

/// The files in a folder, down to a depth, by name; links are followed, but not round in circles.
fn walk(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let entries = WalkDir::new(folder).max_depth(depth).follow_links(true).sort_by_file_name();
    let mut files = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => return Err(error).context("cannot read a folder"),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_stand_for_the_files_in_them_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let within = |name: &str| folder.path().join(name);
        for name in ["b/conn.2.log", "b/conn.1.log", "a.log", "[odd].log", "b/c/deep.log"] {
            std::fs::create_dir_all(within(name).parent().unwrap()).unwrap();
            std::fs::write(within(name), "").unwrap();
        }
        let names = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|name| within(name)).collect();
            let files = journal_files(&arguments).unwrap();
            let relative = |file: JournalFile| {
                let path = file.path.strip_prefix(folder.path()).unwrap();
                path.to_str().unwrap().replace('\\', "/")
            };
            files.into_iter().map(relative).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&["b", "a.log", "b/conn.1.log"]),
            ["b/c/deep.log", "b/conn.1.log", "b/conn.2.log", "a.log"]
        );
        assert_eq!(names(&["b/conn.*.log"]), ["b/conn.1.log", "b/conn.2.log"]);
        assert_eq!(names(&["**/*.log"]).len(), 5);
        assert_eq!(names(&["*.log"]), ["[odd].log", "a.log"]);
        // A file of this name is no pattern.
        assert_eq!(names(&["[odd].log"]), ["[odd].log"]);
        assert_eq!(names(&["missing.log"]), ["missing.log"]);
        assert!(journal_files(&[within("*.evtx")]).is_err());
    }
}
