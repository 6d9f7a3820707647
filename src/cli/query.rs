//! `query`: SQL over the tables, in an SQLite of our own.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use beacon_candidates::host::embedded;
use clap::Args;
use rusqlite::fallible_iterator::FallibleIterator;

use super::asked::AskedArguments;
use super::output::{Answer, Mode, ModeArguments};
use super::{files, help, misuse};

#[derive(Args)]
#[command(
    override_usage = USAGE,
    after_help = help::closing(EXAMPLES, FAILURE)
)]
pub struct Query {
    /// The statement; - or nothing for standard input. Journal files may stand before it
    #[arg(value_name = "SQL")]
    arguments: Vec<OsString>,

    #[command(flatten)]
    asked: AskedArguments,

    #[command(flatten)]
    mode: ModeArguments,
}

const FAILURE: &str = "a file cannot be read, none has a connection, or a statement fails";

const USAGE: &str = "beacon_candidates query [OPTIONS] [SQL]
       beacon_candidates query [OPTIONS] <FILE>... [SQL]";

const EXAMPLES: &str = "  \
  beacon_candidates query --journal conn.*.log.gz \\
      \"SELECT host, tuple, period, jitter FROM beacon_candidates\"
  beacon_candidates query --cache hunt.sqlite --now latest --json \\
      \"SELECT * FROM beacon_candidates WHERE group_by = 'process_port'\"
  beacon_candidates query --cache hunt.sqlite --now latest --csv < hunt.sql";

const NO_STATEMENT: &str = "there is no statement: give one as an argument or on standard input";

impl Query {
    pub fn run(mut self, verbose: bool) -> Result<ExitCode> {
        let statement = take_statement(&mut self.arguments)?;
        if let Some(extra) = self.arguments.iter().find(|file| !is_journal(file)) {
            return misuse(format!(
                "'{}' stands before the statement and is no file: put the statement in quotes",
                extra.display()
            ));
        }
        self.asked.journal.extend(self.arguments.drain(..).map(PathBuf::from));
        let sql = match statement {
            Some(sql) => sql,
            None => self.statement_on_standard_input()?,
        };
        if sql.trim().is_empty() {
            return misuse(NO_STATEMENT);
        }
        let asked = self.asked.open(verbose)?;
        let connection = embedded::open(&asked.tables, asked.now_ms)?;
        run_statements(&connection, &sql, self.mode.mode())?;
        asked.conclude()
    }

    fn statement_on_standard_input(&self) -> Result<String> {
        if self.asked.journal.iter().any(|file| file.as_os_str() == "-") {
            return misuse(
                "the journal comes on standard input: give the statement as an argument",
            );
        }
        if std::io::stdin().is_terminal() {
            return misuse("there is no statement: give one as an argument, or - to type it");
        }
        let mut sql = String::new();
        std::io::stdin().read_to_string(&mut sql).context("cannot read the statement")?;
        Ok(sql)
    }
}

/// Takes the statement off the end of the arguments; `None` if it comes on standard input.
fn take_statement(arguments: &mut Vec<OsString>) -> Result<Option<String>> {
    match arguments.last() {
        None => return Ok(None),
        Some(last) if last != "-" && is_journal(last) => return Ok(None),
        Some(_) => {}
    }
    let last = arguments.pop().unwrap_or_default();
    match last.into_string() {
        Ok(dash) if dash == "-" => Ok(None),
        Ok(path) if is_like_a_path(&path) => misuse(format!("{path}: there is no such file")),
        Ok(sql) => Ok(Some(sql)),
        Err(other) => misuse(format!("{}: there is no such file", other.display())),
    }
}

/// Whether an argument names journals: no statement is called like a file that is there, and none is
/// a path with a pattern.
fn is_journal(argument: &OsStr) -> bool {
    let path = Path::new(argument);
    let has_space = argument.as_encoded_bytes().iter().any(u8::is_ascii_whitespace);
    argument == "-" || path.exists() || files::is_pattern(path) && !has_space
}

/// Whether a text without a file behind it was hardly meant as a statement.
fn is_like_a_path(text: &str) -> bool {
    text.contains(['/', '.', '\\'])
        && !text.contains(|c: char| c.is_whitespace() || "()*;'\"".contains(c))
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
