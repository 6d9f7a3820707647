//! `query`: SQL over the tables, in an SQLite of our own.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use beacon_candidates::host::embedded;
use clap::Args;
use rusqlite::fallible_iterator::FallibleIterator;

use super::asked::AskedArguments;
use super::output::{self, Mode, ModeArguments, TextRow};

#[derive(Args)]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
pub struct Query {
    #[command(flatten)]
    asked: AskedArguments,

    #[command(flatten)]
    mode: ModeArguments,

    /// The statement, after any further journal files; - or nothing for standard input
    #[arg(value_name = "SQL")]
    arguments: Vec<String>,
}

const USAGE: &str = "beacon_candidates query [OPTIONS] [--journal <FILE>...] <SQL>";

const EXAMPLES: &str = "\
Examples:
  beacon_candidates query \"SELECT * FROM beacon_candidates WHERE hours = 72\" --line
  beacon_candidates query --journal conn.*.log.gz \\
      \"SELECT host, tuple, average_interval FROM beacon_candidates WHERE group_by = 'tuple'\"
  beacon_candidates query --cache hunt.sqlite --now latest --csv < hunt.sql";

impl Query {
    pub fn run(mut self, verbose: bool) -> Result<ExitCode> {
        let sql = match self.arguments.pop() {
            Some(sql) if sql != "-" => sql,
            _ if self.asked.journal.iter().any(|file| file.as_os_str() == "-") => {
                bail!("the journal comes on standard input: give the statement as an argument");
            }
            _ => {
                let mut sql = String::new();
                std::io::stdin().read_to_string(&mut sql).context("cannot read the statement")?;
                sql
            }
        };
        if sql.trim().is_empty() {
            bail!("there is no statement: give one as an argument or on standard input");
        }
        if !self.arguments.is_empty() && self.asked.journal.is_empty() {
            let extra = self.arguments.join(" ");
            bail!(
                "'{extra}' stands before the statement: put the statement in quotes, and journal files after --journal"
            );
        }
        self.asked.journal.extend(self.arguments.drain(..).map(PathBuf::from));

        let asked = self.asked.open(verbose)?;
        let connection = embedded::open(&asked.tables, asked.now_ms)?;
        run_statements(&connection, &sql, self.mode.mode())?;
        asked.explain_empty_window()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn run_statements(connection: &rusqlite::Connection, sql: &str, mode: Mode) -> Result<()> {
    let mut batch = rusqlite::Batch::new(connection, sql);
    while let Some(mut statement) = batch.next().map_err(plainly)? {
        let (names, rows) = run(&mut statement).map_err(plainly)?;
        mode.print(&names, &rows)?;
    }
    Ok(())
}

/// The names of a statement's columns, and all of its rows: an error leaves no half of an answer.
fn run(statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<(Vec<String>, Vec<TextRow>)> {
    let names: Vec<_> = statement.column_names().map(str::to_owned).collect();
    let mut rows = Vec::new();
    let mut cursor = statement.query([])?;
    while let Some(row) = cursor.next()? {
        let values = (0..names.len()).map(|index| row.get_ref(index).map(output::text));
        rows.push(values.collect::<rusqlite::Result<_>>()?);
    }
    Ok((names, rows))
}

/// The sentence in an SQLite error, without its codes and the statement.
fn plainly(error: rusqlite::Error) -> anyhow::Error {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(sentence)) => anyhow!(sentence),
        rusqlite::Error::SqlInputError { msg, sql, offset, .. } => {
            let rest = usize::try_from(offset).ok().and_then(|offset| sql.get(offset..));
            match rest.filter(|rest| !rest.is_empty()) {
                Some(rest) => anyhow!("{msg}, at: {}", rest.lines().next().unwrap_or_default()),
                None => anyhow!(msg),
            }
        }
        error => error.into(),
    }
}
