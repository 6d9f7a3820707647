//! `assets`: man pages and shell completions, for packages.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// The shells that packages bring completions for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

#[derive(Args)]
pub struct Assets {
    /// The folder to write them to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Assets {
    pub fn run(self) -> Result<ExitCode> {
        self.write().with_context(|| format!("cannot write to {}", self.out.display()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self) -> std::io::Result<()> {
        fs::create_dir_all(&self.out)?;
        let mut command = super::Arguments::command();
        clap_mangen::generate_to(command.clone(), &self.out)?;
        for shell in SHELLS {
            clap_complete::generate_to(shell, &mut command, super::COMMAND, &self.out)?;
        }
        Ok(())
    }
}
