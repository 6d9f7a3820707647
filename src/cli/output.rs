//! Rows on the terminal and for programs, in the modes that osqueryi has.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use beacon_candidates::host::embedded::real_as_text;
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
        match written.and_then(|()| out.flush()) {
            // The reader has seen enough (head, less).
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
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

/// What comes from a journal must not steer the terminal.
fn printable(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

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
    writer.write_record(names)?;
    for row in rows {
        writer.write_record(row)?;
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
