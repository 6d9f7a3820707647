//! osquery, as the official Python SDK plays it, and the extension beside it.
//!
//! Needs python3 and the package registry once, for a virtual environment under target/. Where
//! these are missing the tests pass with a line that says so, unless BEACON_REQUIRE_PEER=1.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::TestCache;

/// The version of the official SDK that the host is played with.
const SDK: &str = "osquery==3.1.1";

/// The Python that has the SDK; the error says what is missing.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let python = set_up_python();
        if let Err(missing) = &python {
            // Once, and not through the tests' captured output.
            let _ = writeln!(std::io::stderr(), "skipped, no Python peer: {missing}");
        }
        python
    });
    match python {
        Ok(python) => Some(python),
        Err(missing) if std::env::var_os("BEACON_REQUIRE_PEER").is_some() => {
            panic!("the peer is required: {missing}")
        }
        Err(_) => None,
    }
}

/// Makes the virtual environment, unless it is there already.
fn set_up_python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peer");
    let python = folder.join("bin/python3");
    let has_sdk = |python: &Path| run(Command::new(python).args(["-c", "import osquery"]));
    if has_sdk(&python).is_ok() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", SDK]))?;
    has_sdk(&python).map(|()| python.clone())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// osquery, as the SDK plays it.
pub struct Host {
    pub child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Host {
    pub fn start(osquery: &Osquery) -> Option<Host> {
        let mut child = Command::new(python()?)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/host.py"))
            .args([&osquery.socket, &osquery.database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Some(Host { child, commands, answers })
    }

    pub fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    pub fn registrations(&mut self) -> u64 {
        self.ask(&json!({"do": "state"}))["registrations"].as_u64().unwrap()
    }

    /// Waits until there were so many registrations.
    pub fn wait_for_registration(&mut self, number: u64, within: Duration) {
        let started = Instant::now();
        while self.registrations() < number {
            assert!(started.elapsed() < within, "no registration {number} within {within:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        // The server listens a moment after it has registered.
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Generates a table with constraints given as (column, operator, value).
    pub fn generate(&mut self, table: &str, constraints: &[(&str, u8, &str)]) -> Value {
        self.ask(&json!({"do": "call", "item": table, "request": request(constraints)}))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request as osquery makes it: the context is JSON in text.
pub fn request(constraints: &[(&str, u8, &str)]) -> Value {
    let constraints: Vec<_> = constraints
        .iter()
        .map(|(name, operator, value)| {
            json!({"name": name, "list": [{"op": operator, "expr": value}], "affinity": "TEXT"})
        })
        .collect();
    let context = json!({"constraints": constraints, "colsUsed": [], "colsUsedBitset": 0});
    json!({"action": "generate", "context": context.to_string()})
}

/// The extension.
pub struct Extension(pub Child);

impl Extension {
    /// Starts it on the cache's own socket, with these flags besides.
    pub fn start(cache: &TestCache, flags: &[&str]) -> Extension {
        Extension::start_on(&socket(cache), cache, flags)
    }

    /// Starts it on a socket. Without a configuration among the flags it collects nothing: what it
    /// would is up to the machine.
    pub fn start_on(socket: &Path, cache: &TestCache, flags: &[&str]) -> Extension {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beacon_candidates"));
        command
            .args(["--socket", socket.to_str().unwrap()])
            .args(["--cache", cache.path().to_str().unwrap(), "--interval", "1"])
            .args(flags);
        if !flags.contains(&"--config") {
            command.arg("--config").arg(configured(cache, "[collector]\nsource = \"none\"\n"));
        }
        let log = File::options().create(true).append(true).open(log_of(cache)).unwrap();
        Extension(command.stderr(log).spawn().unwrap())
    }

    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < within, "the extension still runs after {within:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn terminate(&self) {
        signal(&self.0, "TERM");
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the extensions of a cache write what they say.
pub fn log_of(cache: &TestCache) -> PathBuf {
    cache.folder().join("extension.log")
}

/// A configuration beside the cache.
pub fn configured(cache: &TestCache, text: &str) -> PathBuf {
    let path = cache.folder().join("beacon_candidates.toml");
    std::fs::write(&path, text).unwrap();
    path
}

pub fn signal(child: &Child, name: &str) {
    run(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()])).unwrap();
}

/// osquery's extension socket, beside the cache.
pub fn socket(cache: &TestCache) -> PathBuf {
    cache.folder().join("osquery.em")
}

/// What an osquery listens on, and the database that its tables are in.
pub struct Osquery {
    pub socket: PathBuf,
    pub database: PathBuf,
}

impl Osquery {
    /// One that records connections through audit.
    pub fn recording(cache: &TestCache) -> Osquery {
        let osquery = Osquery::without_events(cache);
        osquery.execute(
            "UPDATE osquery_flags SET value = 'false' WHERE name = 'disable_events';
             UPDATE osquery_events SET active = 1 WHERE name = 'auditeventpublisher';",
        );
        osquery
    }

    /// One with --disable_events, as osqueryi is.
    pub fn without_events(cache: &TestCache) -> Osquery {
        let database = cache.folder().join("osquery.sqlite");
        let osquery = Osquery { socket: socket(cache), database };
        if !osquery.database.exists() {
            osquery.execute(include_str!("peer/osquery.sql"));
            osquery.execute(
                "PRAGMA journal_mode = WAL;
                 UPDATE osquery_flags SET value = 'true' WHERE name = 'disable_events';",
            );
        }
        osquery
    }

    pub fn open(&self) -> Connection {
        let database = Connection::open(&self.database).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database
    }

    pub fn execute(&self, sql: &str) {
        self.open().execute_batch(sql).unwrap();
    }

    /// Has `count` connects, spread evenly over the seconds from `from_s` to `to_s`.
    pub fn connect(&self, count: i64, from_s: i64, to_s: i64) {
        self.execute(&format!(
            "WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number LIMIT {count})
             INSERT INTO socket_events (action, status, protocol, time, eid, pid, path,
                                        remote_address, remote_port)
             SELECT 'connect', 'succeeded', 0, {from_s} + n * ({to_s} - {from_s}) / {count},
                    printf('%010d', n + (SELECT count(*) FROM socket_events)), 500 + n % 7, '/usr/bin/p' || (n % 7),
                    '198.51.100.' || (n % 50), 443
             FROM number"
        ));
    }

    pub fn connects(&self) -> u64 {
        let count = "SELECT count(*) FROM socket_events";
        self.open().query_row(count, [], |row| row.get(0)).unwrap()
    }
}
