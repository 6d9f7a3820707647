//! What people read of the tables, made of their columns and parameters, so that no document says
//! otherwise: the tables in docs/table-reference.md, and Fleet's documentation of each table.

mod fleet;
mod markdown;

use std::path::{Path, PathBuf};

use crate::table::Table;

/// Hand-written, with places for what is generated.
const TABLE_REFERENCE: &str = "docs/table-reference.md";
const FLEET_SCHEMA: &str = "packaging/fleet/schema";

/// A document that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// There is no source of the project where it was looked for.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A hand-written document has no place for a part.
    #[error("{path} has no line '{marker}'")]
    NoPlace {
        /// The file.
        path: PathBuf,
        /// The line before the part, or the one after it.
        marker: String,
    },
}

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it lies.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// Every generated file of the project's source in the folder `root`, as it should be.
pub fn documents(root: &Path) -> Result<Vec<Document>, ReferenceError> {
    let path = root.join(TABLE_REFERENCE);
    let text = std::fs::read_to_string(&path)
        .map_err(|source| ReferenceError::Io { path: path.clone(), source })?;
    let text = markdown::fill(&text)
        .map_err(|marker| ReferenceError::NoPlace { path: path.clone(), marker })?;
    let mut documents = vec![Document { path, text }];
    documents.extend(Table::ALL.map(|table| Document {
        path: root.join(FLEET_SCHEMA).join(format!("{}.yml", table.name())),
        text: fleet::schema(table),
    }));
    Ok(documents)
}
