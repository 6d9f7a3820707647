//! `reference`: the documents that are generated from the columns, for developers.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use beacon_candidates::reference;
use clap::Args;

#[derive(Args)]
pub struct Reference {
    /// The folder of the project's source
    #[arg(value_name = "DIR", default_value = ".")]
    source: PathBuf,
}

impl Reference {
    pub fn run(self) -> Result<ExitCode> {
        for document in reference::documents(&self.source)? {
            let path = document.path;
            fs::write(&path, document.text)
                .with_context(|| format!("cannot write to {}", path.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
