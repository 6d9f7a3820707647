//! Every SQL statement in the documents, and in what is handed to osquery, Fleet and Live Discover,
//! runs over the sample journal, beside stand-ins for osquery's own tables, and finds something.
//!
//! ClickHouse's statements are run by tests/clickhouse/prevalence.py.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;

use beacon_candidates::host::embedded;
use beacon_candidates::suppression::Rules;
use beacon_candidates::table::Tables;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use serde_json::Value;

use crate::cli::{self, command, quiet};
use crate::documents::{Markdown, SourceFile, source_files};
use crate::support::TestCache;

/// Statements that find nothing in the sample, and why that is right.
const FIND_NOTHING: [(&str, &str); 2] = [
    ("SELECT 1 WHERE NOT EXISTS (", "a policy that fails: the sample has a beacon over 0.9"),
    ("SELECT 1 FROM beacon_status\nWHERE state = 'collecting'", "a policy: nothing is collected"),
];

/// Of ClickHouse: its own dialect, and its own test.
const CLICKHOUSE: &str = "packaging/clickhouse/";

/// Statements as they stand in a file.
struct Script {
    sql: String,
    /// The message, if they fail on purpose.
    fails_with: Option<String>,
}

impl Script {
    fn that_runs(sql: &str) -> Script {
        Script { sql: sql.trim().to_owned(), fails_with: None }
    }
}

#[test]
fn every_statement_runs_over_the_sample() {
    let (_cache, connection) = over_the_sample();
    let mut ran = BTreeSet::new();
    let mut found_nothing: BTreeSet<&(&str, &str)> = BTreeSet::new();
    for file in files() {
        for script in scripts(&file) {
            let Script { sql, fails_with } = &script;
            if !ran.insert(sql.clone()) {
                continue;
            }
            match (run(&connection, &runnable(sql)), fails_with) {
                (Ok(counts), None) if !counts.is_empty() => {
                    let finds_nothing = |(begin, _): &&(&str, &str)| sql.starts_with(begin);
                    let known = FIND_NOTHING.iter().find(finds_nothing);
                    assert_eq!(counts.contains(&0), known.is_some(), "{}: {sql}", file.path);
                    found_nothing.extend(known);
                }
                (Err(error), Some(expected)) => {
                    assert!(error.starts_with(expected), "{}: {sql}: {error}", file.path);
                }
                (outcome, _) => panic!("{}: {sql}: {outcome:?}", file.path),
            }
        }
    }
    assert!(ran.len() > 50, "{ran:?}");
    assert_eq!(
        found_nothing.len(),
        FIND_NOTHING.len(),
        "of these, some are no more: {FIND_NOTHING:?}"
    );
}

/// As the document beside them says, with the hunt on standard input.
#[test]
fn every_hunt_runs_through_the_command() {
    let (_cache, connection) = over_the_sample();
    let hunts = source_files("packaging/live-discover", &[".sql"]);
    assert_eq!(hunts.len(), 3);
    for hunt in hunts {
        let sql = runnable(&hunt.text);
        let mut query = command(&["query", "--journal", cli::SAMPLE, "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        query.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let output = query.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", hunt.path);
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(run(&connection, &sql).unwrap(), [rows.len()], "{}", hunt.path);
        assert!(!rows.is_empty(), "{}", hunt.path);
    }
}

#[test]
fn no_statement_is_overlooked() {
    for file in files().filter(|file| !file.path.starts_with(CLICKHOUSE)) {
        let selects = |text: &str| text.matches("SELECT").count();
        let found: usize = scripts(&file).iter().map(|script| selects(&script.sql)).sum();
        assert_eq!(found, selects(&file.text), "{}", file.path);
    }
}

/// The tables over the sample journal, with osquery's beside them.
pub fn over_the_sample() -> (TestCache, Connection) {
    let cache = TestCache::new();
    cache.import(include_bytes!("../docs/sample-journal.ndjson.gz"));
    let now_ms = cache.reader().totals().unwrap().last_ms.unwrap();
    let tables = Tables::new(cache.path()).with_rules(Rules::built_in().unwrap());
    let connection = embedded::open(&Arc::new(tables), now_ms).unwrap();
    // Or "a column that there is none of" would be a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).unwrap();
    connection.execute_batch(include_str!("peer/osquery.sql")).unwrap();
    connection.execute_batch(include_str!("statements/osquery.sql")).unwrap();
    (cache, connection)
}

/// How many rows each statement finds.
fn run(connection: &Connection, sql: &str) -> Result<Vec<usize>, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let mut batch = rusqlite::Batch::new(connection, sql);
    let mut counts = Vec::new();
    while let Some(mut statement) = batch.next().map_err(said)? {
        let mut rows = statement.query([]).map_err(said)?;
        let mut count = 0;
        while rows.next().map_err(said)?.is_some() {
            count += 1;
        }
        counts.push(count);
    }
    Ok(counts)
}

/// What a collector or Live Discover makes of the statement before it runs.
fn runnable(sql: &str) -> String {
    let mut runnable = sql.replace("$since", "0").replace("$until", "4102444800");
    // The head of a hunt: "Hours to check | String | 24".
    for line in sql.lines() {
        let parts: Vec<_> = line.split('|').map(str::trim).collect();
        if let [name, "String", default] = parts[..] {
            let name = name.trim_start_matches("Variables").trim();
            runnable = runnable.replace(&format!("$${name}$$"), default);
        }
    }
    runnable
}

/// The files with statements in them, for people and for programs, and what the command says of
/// itself.
fn files() -> impl Iterator<Item = SourceFile> {
    let documents = source_files(".", &[".md"]);
    let of_packaging = source_files("packaging", &[".yml", ".conf", ".sql", ".example"]);
    let help = [&["--help"][..], &["query", "--help"]].map(|arguments| SourceFile {
        path: format!("{}.help", arguments.join(" ")),
        text: quiet(arguments),
    });
    documents.into_iter().chain(of_packaging).chain(help)
}

fn scripts(file: &SourceFile) -> Vec<Script> {
    let SourceFile { path, text } = file;
    let is_clickhouse = path.starts_with(CLICKHOUSE);
    match path.rsplit('.').next().unwrap() {
        "md" => in_markdown(text, is_clickhouse),
        "sql" if is_clickhouse => Vec::new(),
        "sql" => vec![Script::that_runs(text)],
        "yml" => {
            let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
            documents.iter().flat_map(in_value).collect()
        }
        "conf" => in_value(&serde_json::from_str(text).unwrap()),
        "help" => in_console(examples(text)),
        "example" => in_value(&toml::from_str(&with_all_settings(text)).unwrap()),
        other => panic!("what is in a .{other}?"),
    }
}

/// A configuration with the settings in force that it has as comments, which begin without a space.
pub fn with_all_settings(toml: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    toml.lines().map(line).collect()
}

fn is_statement(text: &str) -> bool {
    ["SELECT ", "WITH "].iter().any(|word| text.trim_start().starts_with(word))
}

fn in_markdown(text: &str, is_clickhouse: bool) -> Vec<Script> {
    let markdown = Markdown::of(text);
    let mut scripts = Vec::new();
    for block in &markdown.code_blocks {
        let words: Vec<_> = block.info.split(' ').collect();
        match words[..] {
            ["sql" | "console", ..] if is_clickhouse => {}
            ["sql"] => scripts.push(Script::that_runs(&block.text)),
            ["sql", "error"] => scripts
                .push(Script { sql: block.text.clone(), fails_with: Some(block.heading.clone()) }),
            ["console"] => scripts.extend(in_console(&block.text)),
            ["json"] => scripts.extend(in_value(&serde_json::from_str(&block.text).unwrap())),
            ["toml"] => scripts.extend(in_value(&toml::from_str(&block.text).unwrap())),
            ["yaml"] => scripts.extend(in_value(&serde_saphyr::from_str(&block.text).unwrap())),
            _ if is_statement(&block.text) => scripts.push(Script::that_runs(&block.text)),
            _ => {}
        }
    }
    if !is_clickhouse {
        let inline = markdown.inline_code.iter().filter(|code| is_statement(code));
        scripts.extend(inline.map(|code| Script::that_runs(code)));
    }
    scripts
}

/// What stands below that heading.
fn examples(help: &str) -> &str {
    let below = help.split("Examples:\n").nth(1).unwrap();
    below.split("\n\n").next().unwrap()
}

/// Among the words of commands.
fn in_console(commands: &str) -> Vec<Script> {
    let words = shlex::split(commands).unwrap();
    words.iter().filter(|word| is_statement(word)).map(|word| Script::that_runs(word)).collect()
}

/// In all texts of a value: statements, and Markdown with statements in it.
fn in_value(value: &Value) -> Vec<Script> {
    match value {
        Value::String(text) if is_statement(text) => vec![Script::that_runs(text)],
        Value::String(text) => in_markdown(text, false),
        Value::Array(values) => values.iter().flat_map(in_value).collect(),
        Value::Object(values) => values.values().flat_map(in_value).collect(),
        _ => Vec::new(),
    }
}
