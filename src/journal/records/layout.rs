//! A layout: which fields of a product's records are which of our columns, in which form times are,
//! and which records are connections.
//!
//! The built-in ones are the files in `layouts/`. A user's mapping is written the same way, or in
//! short as `column=field,column=field`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use super::condition::{Condition, OneOrMany, WrittenCondition};
use super::paths::{Paths, Slot, Values};
use super::time_format::TimeFormat;
use crate::journal::row::{Column, NEEDED, missing_column};

/// The tables of the products that are known, in the order in which they are tried.
const BUILT_IN: [&str; 7] = [
    include_str!("layouts/defender.toml"),
    include_str!("layouts/wire_data.toml"),
    include_str!("layouts/vm_connection.toml"),
    include_str!("layouts/suricata.toml"),
    include_str!("layouts/osquery_rows.toml"),
    include_str!("layouts/security_5156.toml"),
    include_str!("layouts/elastic.toml"),
];

/// What a mapping calls itself that has no name.
const MAPPED: &str = "mapped records";

/// Where a column of ours comes from: fields of which the first counts that is not empty.
type Fields = Vec<Slot>;

/// What the records of a product look like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub(super) name: String,
    pub(super) source_name: String,
    pub(super) paths: Paths,
    told_by: Vec<Fields>,
    pub(super) columns: Vec<(Column, Fields)>,
    /// Name of the program's file, for products whose path may be its folder's.
    pub(super) file_name: Fields,
    /// Whose a record without a process is, for products that sensors write with, too.
    pub(super) host_without_process: Fields,
    /// Address of who connected, for products that record both directions.
    pub(super) source: Fields,
    pub(super) time_formats: Vec<TimeFormat>,
    pub(super) connections: Vec<Condition>,
    /// No record tells of a process start where there are none.
    pub(super) processes: Vec<Condition>,
}

/// A layout as a table writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    source_name: Option<String>,
    #[serde(default)]
    told_by: Vec<OneOrMany>,
    time_format: Option<OneOrMany>,
    columns: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    connection: Vec<WrittenCondition>,
    #[serde(default)]
    process: Vec<WrittenCondition>,
}

/// Why a mapping of fields to columns cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file as the user named it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no such table.
    #[error("{origin}, line {line}: {problem}")]
    Syntax {
        /// The file as the user named it.
        origin: String,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// It can be read, and makes no sense.
    #[error("{0}")]
    Refused(String),
}

impl Layout {
    /// A mapping that is kept in a file, as TOML.
    pub fn from_file(path: &Path) -> Result<Layout, LayoutError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LayoutError::Io { path: path.to_owned(), source })?;
        Layout::from_toml(&text, &path.display().to_string())
    }

    /// A mapping in short: `column=field`, with commas between several. A column that is there
    /// several times takes the first of its fields that holds something. `time_format` is a unit or
    /// a pattern; `None` for unix seconds and RFC 3339.
    pub fn from_columns(text: &str, time_format: Option<&str>) -> Result<Layout, LayoutError> {
        let mut columns: BTreeMap<String, OneOrMany> = BTreeMap::new();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let Some((column, field)) = pair.split_once('=') else {
                return refused(format!("'{}' is not column=field", pair.trim()));
            };
            let mut names = match columns.remove(column.trim()) {
                Some(fields) => fields.names().to_vec(),
                None => Vec::new(),
            };
            names.push(field.trim().to_owned());
            columns.insert(column.trim().to_owned(), OneOrMany::Many(names));
        }
        Layout::check(Written {
            name: None,
            source_name: None,
            told_by: Vec::new(),
            time_format: time_format.map(|format| OneOrMany::One(format.to_owned())),
            columns,
            connection: Vec::new(),
            process: Vec::new(),
        })
    }

    fn from_toml(text: &str, origin: &str) -> Result<Layout, LayoutError> {
        let written = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            LayoutError::Syntax {
                origin: origin.to_owned(),
                line: before.matches('\n').count() + 1,
                problem: error.message().replace('\n', " "),
            }
        })?;
        Layout::check(written).map_err(|error| match error {
            LayoutError::Refused(problem) => LayoutError::Refused(format!("{origin}: {problem}")),
            error => error,
        })
    }

    fn check(written: Written) -> Result<Layout, LayoutError> {
        let mut paths = Paths::default();
        let mut layout = Layout {
            name: written.name.unwrap_or_else(|| MAPPED.to_owned()),
            source_name: written.source_name.unwrap_or_else(|| "mapped".to_owned()),
            paths: Paths::default(),
            told_by: Vec::new(),
            columns: Vec::new(),
            file_name: Vec::new(),
            host_without_process: Vec::new(),
            source: Vec::new(),
            time_formats: Vec::new(),
            connections: Vec::new(),
            processes: Vec::new(),
        };
        for (name, fields) in &written.columns {
            let names = fields.names();
            if names.iter().any(|field| field.trim().is_empty()) || names.is_empty() {
                return refused(format!("column '{name}' has no field"));
            }
            let slots: Fields = names.iter().map(|field| paths.slot(field)).collect();
            match (&**name, Column::named(name)) {
                ("file_name", _) => layout.file_name = slots,
                ("host_without_process", _) => layout.host_without_process = slots,
                ("source", _) => layout.source = slots,
                ("record_id", _) => layout.columns.push((Column::RecordId, slots)),
                (_, Some(column)) if layout.columns.iter().any(|(known, _)| *known == column) => {
                    return refused(format!("column '{name}' is there twice"));
                }
                (_, Some(column)) => layout.columns.push((column, slots)),
                (_, None) => {
                    return refused(format!(
                        "there is no column '{name}': the columns are time, destination, \
                         destinationport, pathname, file_name, cmdline, pid, process_start_time, \
                         sophosPID, host, source, protocol, domain, bytes_sent, bytes_received and \
                         record_id"
                    ));
                }
            }
        }
        let known: Vec<_> = layout.columns.iter().map(|(column, _)| *column).collect();
        if let Some(missing) = missing_column(&known) {
            return refused(format!("no field is given for the column '{missing}'"));
        }
        let formats = written.time_format.as_ref().map(OneOrMany::names).unwrap_or_default();
        for format in formats {
            let format = format.parse();
            layout.time_formats.push(format.or_else(|unknown| refused(format!("{unknown}")))?);
        }
        for condition in written.connection {
            layout.connections.push(condition.check(&mut paths).or_else(refused)?);
        }
        for condition in written.process {
            layout.processes.push(condition.check(&mut paths).or_else(refused)?);
        }
        layout.told_by = (written.told_by.iter())
            .map(|fields| fields.names().iter().map(|field| paths.slot(field)).collect())
            .collect();
        layout.paths = paths;
        Ok(layout)
    }

    /// The product, or what the mapping calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A short name, for `beacon_status`.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// The fields, none of which is there, of a column that no connection can do without.
    pub(in crate::journal) fn lacks(&self, is_there: impl Fn(Slot) -> bool) -> Option<String> {
        let is_missing = |(column, name): (Column, &str)| {
            let (_, fields) = self.columns.iter().find(|(of, _)| *of == column)?;
            let names: Vec<_> = fields.iter().map(|field| self.paths.name(*field)).collect();
            let is_missing = !fields.iter().any(|field| is_there(*field));
            is_missing.then(|| format!("'{}', which is the {name}", names.join("' or '")))
        };
        NEEDED.into_iter().find_map(is_missing)
    }

    /// Whether a record with these fields is of this product.
    pub(in crate::journal) fn is_told_by(&self, values: &Values<'_>) -> bool {
        let is_there = |fields: &Fields| fields.iter().any(|field| values.has(*field));
        !self.told_by.is_empty() && self.told_by.iter().all(is_there)
    }
}

fn refused<T>(problem: String) -> Result<T, LayoutError> {
    Err(LayoutError::Refused(problem))
}

/// The products that are known.
pub(in crate::journal) fn built_in() -> &'static [Layout] {
    static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| {
        // A test sees to it that all of them are good.
        BUILT_IN.iter().filter_map(|text| Layout::from_toml(text, "built-in").ok()).collect()
    });
    &LAYOUTS
}
