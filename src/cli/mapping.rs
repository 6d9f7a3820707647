//! What the user says of a log that we do not know: which of its fields are which columns.

use std::path::PathBuf;

use anyhow::Result;
use beacon_candidates::journal::reader::Family;
use beacon_candidates::journal::records::Layout;
use clap::Args;

use super::misuse;

#[derive(Args)]
#[command(next_help_heading = "Any other log, as CSV or JSON")]
pub struct MappingArguments {
    /// Which field is which column: time=_time,destination=dest_ip,destinationport=dest_port,...
    #[arg(long, value_name = "COLUMN=FIELD,...", conflicts_with = "mapping")]
    columns: Option<String>,

    /// How times are written: a unit like milliseconds, or a pattern like '%d/%m/%Y %H:%M:%S'
    #[arg(long, value_name = "FORMAT", requires = "columns")]
    time_format: Option<String>,

    /// The same and more from a file, as docs/journal-formats.md has it
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
}

impl MappingArguments {
    /// Whether there is any.
    pub fn is_given(&self) -> bool {
        self.columns.is_some() || self.mapping.is_some()
    }

    /// What to read journals as; `None` to tell by their content.
    pub fn family(&self) -> Result<Option<Family>> {
        let layout = match (&self.columns, &self.mapping) {
            (Some(columns), _) => {
                match Layout::from_columns(columns, self.time_format.as_deref()) {
                    Ok(layout) => layout,
                    Err(problem) => return misuse(format!("--columns: {problem}")),
                }
            }
            (None, Some(file)) => Layout::from_file(file)?,
            (None, None) => return Ok(None),
        };
        // It is one for as long as this process lives.
        Ok(Some(Family::Mapped(Box::leak(Box::new(layout)))))
    }
}
