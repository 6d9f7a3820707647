//! Rows on the terminal and for programs, in the modes that osqueryi has.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use beacon_candidates::host::embedded::real_as_text;
use beacon_candidates::journal::printable;
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use rusqlite::types::ValueRef;
use serde_json::{Map, Value};

#[derive(Args)]
#[group(multiple = false)]
pub struct ModeArguments {
    /// A table (default); on a terminal that is too narrow for it, as --line
    #[arg(long)]
    table: bool,
    /// A JSON array of objects, all values as text
    #[arg(long)]
    json: bool,
    /// CSV with a header
    #[arg(long)]
    csv: bool,
    /// A line for each value
    #[arg(long)]
    line: bool,
    /// A line for each row, values separated by |
    #[arg(long)]
    list: bool,
}

/// How rows are written.
#[derive(Clone, Copy)]
pub enum Mode {
    Table,
    Json,
    Csv,
    Line,
    List,
}

impl ModeArguments {
    pub fn mode(&self) -> Mode {
        match self {
            ModeArguments { json: true, .. } => Mode::Json,
            ModeArguments { csv: true, .. } => Mode::Csv,
            ModeArguments { line: true, .. } => Mode::Line,
            ModeArguments { list: true, .. } => Mode::List,
            _ => Mode::Table,
        }
    }
}

impl Mode {
    /// Writes rows to standard output.
    pub fn print(self, names: &[String], rows: &[TextRow]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        let written = match self {
            Mode::Table => write_table(&mut out, names, rows),
            Mode::Json => write_json(&mut out, names, rows),
            Mode::Csv => write_csv(&mut out, names, rows),
            Mode::Line => write_lines(&mut out, names, rows),
            Mode::List => write_list(&mut out, names, rows),
        };
        unless_read_enough(written.and_then(|()| out.flush()))
    }
}

/// Writes a line to standard output.
pub fn say(line: impl Display) -> Result<()> {
    unless_read_enough(writeln!(std::io::stdout(), "{line}"))
}

/// Writes a line to standard error; if that is closed, nobody wants to know.
pub fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A reader that has seen enough (head, less) is no error.
pub fn unless_read_enough(written: std::io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the output"),
    }
}

/// A row as text, NULL as '', as in osqueryi.
pub type TextRow = Vec<String>;

/// A value of a [`TextRow`].
pub fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => real_as_text(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

fn write_table(out: &mut impl Write, names: &[String], rows: &[TextRow]) -> std::io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Disabled);
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let width = table.width().map_or(usize::MAX, usize::from);
        if names.len() * LEAST_COLUMN_WIDTH > width {
            return write_lines(out, names, rows);
        }
    }
    table.set_header(names);
    table.add_rows(rows.iter().map(|row| row.iter().map(|value| printable(value))));
    writeln!(out, "{table}")
}

/// A table with narrower columns than this, borders included, cannot be read.
const LEAST_COLUMN_WIDTH: usize = 9;

fn write_json(out: &mut impl Write, names: &[String], rows: &[TextRow]) -> std::io::Result<()> {
    writeln!(out, "[")?;
    for (index, row) in rows.iter().enumerate() {
        let members = names.iter().cloned().zip(row.iter().cloned().map(Value::String));
        let object = Value::Object(members.collect::<Map<_, _>>());
        let comma = if index + 1 < rows.len() { "," } else { "" };
        writeln!(out, "  {object}{comma}")?;
    }
    writeln!(out, "]")
}

fn write_csv(out: &mut impl Write, names: &[String], rows: &[TextRow]) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    for row in std::iter::once(&names.to_vec()).chain(rows) {
        writer.write_record(row).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => std::io::Error::other(format!("{other:?}")),
        })?;
    }
    writer.flush()
}

fn write_lines(out: &mut impl Write, names: &[String], rows: &[TextRow]) -> std::io::Result<()> {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        for (name, value) in names.iter().zip(row) {
            writeln!(out, "{name:>width$} = {}", printable(value))?;
        }
    }
    Ok(())
}

fn write_list(out: &mut impl Write, names: &[String], rows: &[TextRow]) -> std::io::Result<()> {
    writeln!(out, "{}", names.join("|"))?;
    for row in rows {
        let row: Vec<_> = row.iter().map(|value| printable(value)).collect();
        writeln!(out, "{}", row.join("|"))?;
    }
    Ok(())
}
