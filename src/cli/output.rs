//! Rows on the terminal and for programs, in the modes that osqueryi has.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use beacon_candidates::journal::printable;
use beacon_candidates::table::real_as_text;
use clap::Args;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

use super::say::{self, unless_read_enough};
use super::text_table;

#[derive(Args)]
#[group(multiple = false)]
#[command(next_help_heading = "How to show rows")]
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
#[derive(Clone, Copy, PartialEq, Eq)]
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

/// What a statement answers, as text, NULL as '', as in osqueryi.
pub struct Answer {
    pub names: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// Of each column, whether it holds anything else than numbers.
    pub holds_text: Vec<bool>,
}

impl Answer {
    /// An answer without rows yet.
    pub fn new(names: Vec<String>) -> Answer {
        Answer { rows: Vec::new(), holds_text: vec![false; names.len()], names }
    }

    pub fn push(&mut self, row: &rusqlite::Row<'_>) -> rusqlite::Result<()> {
        let mut texts = Vec::with_capacity(self.names.len());
        for (index, holds_text) in self.holds_text.iter_mut().enumerate() {
            let value = row.get_ref(index)?;
            *holds_text |= matches!(value, ValueRef::Text(_) | ValueRef::Blob(_));
            texts.push(text(value));
        }
        self.rows.push(texts);
        Ok(())
    }

    /// Replaces whatever could steer a terminal, or break a line: an expression without a name is
    /// named as it was written.
    fn make_printable(&mut self) {
        for text in self.names.iter_mut().chain(self.rows.iter_mut().flatten()) {
            *text = printable(text);
        }
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => real_as_text(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

impl Mode {
    /// Writes an answer to standard output.
    pub fn print(self, mut answer: Answer) -> Result<()> {
        if answer.names.is_empty() {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        if out.is_terminal() || !matches!(self, Mode::Json | Mode::Csv) {
            answer.make_printable();
        }
        let written = match self {
            Mode::Table => return print_table(&answer),
            Mode::Json => write_json(&mut out, &answer),
            Mode::Csv => write_csv(&mut out, &answer),
            Mode::Line => write_lines(&mut out, &answer),
            Mode::List => write_list(&mut out, &answer),
        };
        unless_read_enough(written.and_then(|()| out.flush()))
    }
}

/// As wide as it wants to be, where standard output is no terminal.
fn print_table(answer: &Answer) -> Result<()> {
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    let width = terminal.map_or(usize::MAX, |(width, _)| width.0.into());
    let mut out = say::stdout();
    unless_read_enough(match text_table::draw(answer, width) {
        Some(table) => out.write_all(table.as_bytes()).and_then(|()| out.flush()),
        None => write_lines(&mut out, answer).and_then(|()| out.flush()),
    })
}

fn write_json(out: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    writeln!(out, "[")?;
    for (index, row) in answer.rows.iter().enumerate() {
        let members = answer.names.iter().cloned().zip(row.iter().cloned().map(Value::String));
        let object = Value::Object(members.collect::<Map<_, _>>());
        let comma = if index + 1 < answer.rows.len() { "," } else { "" };
        writeln!(out, "  {object}{comma}")?;
    }
    writeln!(out, "]")
}

fn write_csv(out: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    for row in std::iter::once(&answer.names).chain(&answer.rows) {
        writer.write_record(row).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => std::io::Error::other(format!("{other:?}")),
        })?;
    }
    writer.flush()
}

fn write_lines(out: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    let width = answer.names.iter().map(|name| name.width()).max().unwrap_or(0);
    for (index, row) in answer.rows.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        for (name, value) in answer.names.iter().zip(row) {
            let indent = width - name.width();
            writeln!(out, "{:indent$}{name} = {value}", "")?;
        }
    }
    Ok(())
}

fn write_list(out: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    for row in std::iter::once(&answer.names).chain(&answer.rows) {
        writeln!(out, "{}", row.join("|"))?;
    }
    Ok(())
}
