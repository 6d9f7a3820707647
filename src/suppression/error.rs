//! Why rules cannot be used, each as a sentence that names the file and the rule.

use std::path::PathBuf;

/// Rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The file cannot be read.
    #[error("cannot read the suppression rules {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or a key or a value of it is wrong.
    #[error("{origin}, line {line}: {problem}")]
    Syntax {
        /// The file, or 'default'.
        origin: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A rule would trust what it should not, or makes no sense.
    #[error("{origin}: the rule '{name}' {problem}")]
    Refused {
        /// The file, or 'default'.
        origin: String,
        /// The rule.
        name: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}
