//! `query`: SQL over the tables, in an SQLite of our own.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use beacon_candidates::host::embedded;
use clap::Args;
use rusqlite::fallible_iterator::FallibleIterator;

use super::asked::AskedArguments;
use super::output::{Answer, Mode, ModeArguments};
use super::{help, misuse};

#[derive(Args)]
#[command(
    override_usage = USAGE,
    after_help = help::closing(EXAMPLES, "a file cannot be read, or a statement fails")
)]
pub struct Query {
    /// The statement; - or nothing for standard input. More journal files may stand before it
    #[arg(value_name = "SQL")]
    arguments: Vec<String>,

    #[command(flatten)]
    asked: AskedArguments,

    #[command(flatten)]
    mode: ModeArguments,
}

const USAGE: &str = "beacon_candidates query [OPTIONS] [SQL]
       beacon_candidates query [OPTIONS] --journal <FILE>... [SQL]";

const EXAMPLES: &str = "  \
  beacon_candidates query --journal conn.*.log.gz \\
      \"SELECT host, tuple, period, jitter FROM beacon_candidates\"
  beacon_candidates query --cache hunt.sqlite --now latest --json \\
      \"SELECT * FROM beacon_candidates WHERE group_by = 'process_port'\"
  beacon_candidates query --cache hunt.sqlite --now latest --csv < hunt.sql";

const NO_STATEMENT: &str = "there is no statement: give one as an argument or on standard input";

impl Query {
    pub fn run(mut self, verbose: bool) -> Result<ExitCode> {
        let sql = match self.arguments.pop() {
            Some(sql) if sql != "-" => sql,
            _ if self.asked.journal.iter().any(|file| file.as_os_str() == "-") => {
                return misuse(
                    "the journal comes on standard input: give the statement as an argument",
                );
            }
            None if std::io::stdin().is_terminal() => {
                return misuse("there is no statement: give one as an argument, or - to type it");
            }
            _ => {
                let mut sql = String::new();
                std::io::stdin().read_to_string(&mut sql).context("cannot read the statement")?;
                sql
            }
        };
        if sql.trim().is_empty() {
            return misuse(NO_STATEMENT);
        }
        if !self.arguments.is_empty() && self.asked.journal.is_empty() {
            let extra = self.arguments.join(" ");
            return misuse(format!(
                "'{extra}' stands before the statement: put the statement in quotes, and journal \
                 files after --journal"
            ));
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
    let mut is_empty = true;
    while let Some(mut statement) = batch.next().map_err(plainly)? {
        is_empty = false;
        mode.print(run(&mut statement).map_err(plainly)?)?;
    }
    if is_empty {
        return misuse(NO_STATEMENT);
    }
    Ok(())
}

/// All rows of a statement: an error leaves no half of an answer.
fn run(statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<Answer> {
    let mut answer = Answer::new(statement.column_names().map(str::to_owned).collect());
    let mut cursor = statement.query([])?;
    while let Some(row) = cursor.next()? {
        answer.push(row)?;
    }
    Ok(answer)
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
