//! The extension in a real osquery: the environment variable OSQUERYD names its binary. Without,
//! these tests pass with a line that says so.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use beacon_candidates::host::osquery::{Manager, Row};
use serde_json::Value;

use crate::live_collection::{now_s, wait_until};
use crate::peer::configured;
use crate::support::TestCache;

const SECOND: Duration = Duration::from_secs(1);

/// Says why a test is not run; where an osquery is named that is no way to pass it.
fn skip(reason: &str) {
    assert!(std::env::var_os("OSQUERYD").is_none_or(|path| path.is_empty()), "not run: {reason}");
    let _ = writeln!(std::io::stderr(), "skipped, no real osquery: {reason}");
}

fn osqueryd() -> Option<PathBuf> {
    static TOLD: Once = Once::new();
    let path = std::env::var_os("OSQUERYD").filter(|path| !path.is_empty());
    if path.is_none() {
        TOLD.call_once(|| skip("OSQUERYD does not name one"));
    }
    path.map(PathBuf::from)
}

/// The extension as osquery takes it: a file named *.ext, here one that names the test's cache.
fn extension(cache: &TestCache) -> PathBuf {
    let config = configured(
        cache,
        "result_cache_seconds = 0\n[collector]\nsource = \"socket_events\"\npoll_seconds = 5\n",
    );
    let path = cache.folder().join("beacon_candidates.ext");
    let script = format!(
        "#!/bin/sh\nexec '{}' --cache '{}' --config '{}' \"$@\"\n",
        env!("CARGO_BIN_EXE_beacon_candidates"),
        cache.path().display(),
        config.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A clock with this process's pid, and a visitor.
fn filled_cache() -> TestCache {
    let cache = TestCache::new();
    let mut journal = "time,pid,pathname,destination,destinationport\n".to_owned();
    for minute in 1..30 {
        let time = now_s() - minute * 60;
        journal += &format!("{time},{},/bin/clock,198.51.100.1,443\n", std::process::id());
    }
    for second in [100, 900, 5000] {
        journal += &format!("{},1,/bin/visitor,203.0.113.7,443\n", now_s() - second);
    }
    cache.import(journal);
    cache
}

/// A query in osqueryi, with the extension loaded as --extension.
fn osqueryi(osqueryd: &Path, cache: &TestCache, sql: &str) -> Output {
    let argument =
        |name: &str, file: &str| format!("--{name}={}", cache.folder().join(file).display());
    Command::new(osqueryd)
        .args(["-S", "--json", "--allow_unsafe", "--disable_database"])
        .args(["--extensions_timeout=10", "--extensions_require=beacon_candidates"])
        .arg(argument("extensions_socket", "osqueryi.em"))
        // None of them exists: what this machine has installed is not asked.
        .arg(argument("extensions_autoload", "none.load"))
        .arg(argument("config_path", "none.conf"))
        .arg("--extension")
        .arg(extension(cache))
        .arg(sql)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn osqueryi_answers_queries_with_parameters_and_joins() {
    let Some(osqueryd) = osqueryd() else { return };
    let cache = filled_cache();
    let ask = |sql: &str| -> Vec<Value> {
        let output = osqueryi(&osqueryd, &cache, sql);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match serde_json::from_str(&said) {
            Ok(rows) => rows,
            Err(_) => panic!("{sql}: {said}{}", String::from_utf8_lossy(&output.stderr)),
        }
    };
    let listed = ask("SELECT name FROM osquery_extensions WHERE name = 'beacon_candidates'");
    assert_eq!(listed.len(), 1);
    for (sql, rows) in [
        ("SELECT * FROM beacon_candidates", 1),
        ("SELECT * FROM beacon_candidates WHERE hours = 48", 1),
        ("SELECT * FROM beacon_candidates WHERE hours = 48.5", 1),
        ("SELECT * FROM beacon_candidates WHERE hours = '48'", 1),
        ("SELECT * FROM beacon_candidates(72)", 1),
        ("SELECT * FROM beacon_candidates WHERE hours IN (24, 48)", 2),
        ("SELECT * FROM beacon_candidates WHERE include_all = 1", 2),
        ("SELECT * FROM beacon_candidates WHERE include_all = 1 LIMIT 1", 1),
        ("SELECT * FROM beacon_candidates WHERE include_all = 1 AND tuple LIKE '203%'", 1),
        ("SELECT * FROM beacon_candidates WHERE include_all = 1 ORDER BY last_seen DESC", 2),
        ("SELECT * FROM beacon_connections WHERE tuple = '203.0.113.7::443'", 3),
        ("SELECT b.pathname FROM beacon_candidates b JOIN processes p ON p.pid = b.pid", 1),
        (
            "SELECT p.pid FROM processes p LEFT JOIN beacon_candidates b ON b.pid = p.pid \
             WHERE b.pathname = '/bin/clock'",
            1,
        ),
    ] {
        assert_eq!(ask(sql).len(), rows, "{sql}");
    }
    let refused =
        osqueryi(&osqueryd, &cache, "SELECT * FROM beacon_candidates WHERE hours = 'soon'");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned()
        + &String::from_utf8_lossy(&refused.stdout);
    assert!(said.contains("hours = 'soon' is not possible"), "{said}");
}

/// A real osqueryd with the extension autoloaded.
struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Daemon {
    fn start(osqueryd: &Path, cache: &TestCache, flags: &[&str]) -> Daemon {
        let folder = cache.folder();
        std::fs::write(folder.join("load"), format!("{}\n", extension(cache).display())).unwrap();
        std::fs::write(folder.join("osquery.conf"), "{}").unwrap();
        std::fs::create_dir_all(folder.join("logs")).unwrap();
        let argument = |name: &str, file: &str| format!("--{name}={}", folder.join(file).display());
        let log = folder.join("osqueryd.log");
        let output = std::fs::File::create(&log).unwrap();
        let child = Command::new(osqueryd)
            .args(["--ephemeral", "--allow_unsafe", "--logger_min_status=1"])
            .args(["--extensions_timeout=10", "--extensions_interval=3"])
            .args(["--enable_extensions_watchdog", "--watchdog_level=1"])
            .arg(argument("extensions_socket", "osqueryd.em"))
            .arg(argument("extensions_autoload", "load"))
            .arg(argument("config_path", "osquery.conf"))
            .arg(argument("database_path", "osquery.db"))
            .arg(argument("logger_path", "logs"))
            .arg(argument("pidfile", "osqueryd.pid"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Daemon { child, socket: folder.join("osqueryd.em"), log }
    }

    fn query(&self, sql: &str) -> Result<Vec<Row>, String> {
        let stream = UnixStream::connect(&self.socket).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(30 * SECOND)).unwrap();
        let mut rows = Vec::new();
        let outcome = Manager::new(stream).query(sql, |row| rows.push(row.clone()));
        outcome.map(|()| rows).map_err(|error| error.to_string())
    }

    /// Waits for a query to have rows; what osqueryd wrote is shown if it never has.
    fn wait_for(&self, sql: &str, within: Duration) -> Vec<Row> {
        let started = Instant::now();
        loop {
            let answer = self.query(sql);
            match &answer {
                Ok(rows) if !rows.is_empty() => return rows.clone(),
                _ if started.elapsed() < within => std::thread::sleep(SECOND / 2),
                _ => panic!(
                    "{sql}: {answer:?} after {within:?}\n{}",
                    std::fs::read_to_string(&self.log).unwrap_or_default()
                ),
            }
        }
    }

    /// The process id of this daemon's extension: the one that is called with its socket.
    fn extension_pid(&self) -> String {
        let sql = format!(
            "SELECT pid FROM processes WHERE cmdline LIKE '%beacon_candidates %--socket%{}%' \
             AND name NOT IN ('sh', 'dash', 'bash')",
            self.socket.display()
        );
        self.wait_for(&sql, 20 * SECOND)[0]["pid"].clone()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + 10 * SECOND;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(SECOND / 10);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn osqueryd_loads_watches_and_restarts_it() {
    let Some(osqueryd) = osqueryd() else { return };
    let cache = filled_cache();
    let daemon = Daemon::start(&osqueryd, &cache, &[]);
    let listed = "SELECT uuid FROM osquery_extensions WHERE name = 'beacon_candidates'";
    daemon.wait_for(listed, 30 * SECOND);
    let clock = "SELECT pathname FROM beacon_candidates WHERE pathname = '/bin/clock'";
    daemon.wait_for(clock, 10 * SECOND);
    let pid = daemon.extension_pid();
    // The watchdog at its strictest leaves it alone. It looks only after a minute.
    std::thread::sleep(90 * SECOND);
    assert_eq!(daemon.extension_pid(), pid);
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    wait_until("another process", 60 * SECOND, || {
        let answers = daemon.query(clock).is_ok_and(|rows| rows.len() == 1);
        answers && daemon.extension_pid() != pid
    });
}

#[test]
fn connections_arrive_through_audit_as_a_beacon() {
    let Some(osqueryd) = osqueryd() else { return };
    let id = Command::new("id").arg("-u").output().unwrap();
    if String::from_utf8_lossy(&id.stdout).trim() != "0" {
        return skip("audit needs root");
    }
    let cache = TestCache::new();
    let flags = [
        "--disable_events=false",
        "--disable_audit=false",
        "--audit_allow_config=true",
        "--audit_allow_sockets=true",
        "--audit_allow_process_events=true",
        "--audit_persist=true",
    ];
    let daemon = Daemon::start(&osqueryd, &cache, &flags);
    daemon.wait_for("SELECT 1 AS one", 30 * SECOND);
    std::thread::sleep(5 * SECOND);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    for _ in 0..8 {
        drop(TcpStream::connect(address));
        std::thread::sleep(2 * SECOND);
    }
    // The publisher counts as active even where it may not use audit, or another program does.
    let heard = "SELECT 1 AS one FROM osquery_events WHERE name = 'auditeventpublisher' \
                 AND type = 'publisher' AND active = 1 AND events > 0";
    if daemon.query(heard).is_ok_and(|rows| rows.is_empty()) {
        return skip("its audit publisher hears nothing here");
    }
    let sql = format!(
        "SELECT pathname, sophosPID, number_of_connections, max_interval FROM beacon_candidates \
         WHERE include_loopback = 1 AND destinationport = {}",
        address.port()
    );
    let rows = daemon.wait_for(&sql, 90 * SECOND);
    let program = std::env::current_exe().unwrap();
    assert_eq!(rows[0]["pathname"], program.display().to_string());
    let own_pid = format!("{}:", std::process::id());
    assert!(rows[0]["sophosPID"].starts_with(&own_pid), "{:?}", rows[0]);
    assert!(!rows[0]["sophosPID"].ends_with(":0"), "{:?}", rows[0]);
    let status = daemon
        .wait_for("SELECT state FROM beacon_status WHERE source = 'socket_events'", 10 * SECOND);
    assert_eq!(status[0]["state"], "collecting");
}
