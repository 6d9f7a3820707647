//! DuckDB from PyPI, in process, over its own column store.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::journals::run;

const SCRIPT: &str = include_str!("duckdb_window.py");

/// A Python with DuckDB: the one given, or one of our own.
pub fn python(given: Option<PathBuf>, folder: &Path) -> Result<PathBuf> {
    if let Some(python) = given {
        return Ok(python);
    }
    let environment = folder.join("venv");
    let python = environment.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "duckdb"]))?;
    Ok(python)
}

/// The median of the window query's runs, warm.
pub fn window(python: &Path, csv: &Path, runs: usize) -> Result<Duration> {
    let mut command = Command::new(python);
    let printed = run(command.args(["-c", SCRIPT]).arg(csv).arg(runs.to_string()))?;
    let seconds: f64 = printed.trim().parse().context("DuckDB's script prints seconds")?;
    Ok(Duration::from_secs_f64(seconds))
}
