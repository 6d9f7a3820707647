//! Collection by query-back, from the official Python SDK as osquery: every event once, whatever
//! happens to either side.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use beacon_candidates::beacon::sketch::VERSION;
use beacon_candidates::cache::Reader;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::peer::{Extension, Host, Osquery, configured, log_of, signal};
use crate::support::TestCache;

const SECOND: Duration = Duration::from_secs(1);

pub fn now_s() -> i64 {
    Timestamp::now().as_second()
}

/// Audit's table, whatever this machine has besides, with the shortest time between two polls.
fn config(cache: &TestCache) -> PathBuf {
    configured(cache, "[collector]\nsource = \"socket_events\"\npoll_seconds = 5\n")
}

pub fn start(cache: &TestCache) -> Extension {
    Extension::start(cache, &["--timeout", "10", "--config", config(cache).to_str().unwrap()])
}

/// Connections in the cache.
pub fn collected(cache: &TestCache) -> u64 {
    match Reader::open(&cache.path()) {
        Ok(reader) => reader.totals().unwrap().connections,
        Err(_) => 0,
    }
}

pub fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A row of beacon_status.
fn status(host: &mut Host, source: &str) -> Value {
    let answer = host.generate("beacon_status", &[]);
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().find(|row| row["source"] == source).cloned().unwrap_or_default()
}

#[test]
fn fifty_thousand_rows_arrive_and_paths_that_are_no_utf_8_too() {
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    let now = now_s();
    osquery.connect(50_000, now - 100, now - 10);
    osquery.execute(&format!(
        "UPDATE socket_events SET path = CAST(x'2f6f70742f636166e9' AS TEXT) WHERE eid = '0000000007';
         INSERT INTO processes VALUES (503, 'p3', '/usr/bin/p3', 'p3 --quiet', {now} - 5000);"
    ));
    let Some(mut host) = Host::start(&osquery) else { return };
    let _extension = start(&cache);
    wait_until("all collected", 30 * SECOND, || collected(&cache) == 50_000);
    host.wait_for_registration(1, 10 * SECOND);
    let counted = [("hours", 2, "1"), ("include_all", 2, "1")];
    let rows = host.generate("beacon_candidates", &counted)["rows"].clone();
    let rows = rows.as_array().unwrap();
    assert!(rows.iter().any(|row| row["pathname"] == "/opt/caf\u{fffd}"), "the Latin-1 path");
    let known = rows.iter().find(|row| row["pathname"] == "/usr/bin/p3").unwrap();
    assert_eq!(known["cmdline"], "p3 --quiet");
    assert!(!known["sophosPID"].as_str().unwrap().ends_with(":0"), "{}", known["sophosPID"]);
    wait_until("up to date", 15 * SECOND, || {
        status(&mut host, "socket_events")["state"] == "collecting"
    });
    assert_eq!(status(&mut host, "socket_events")["events_rejected"], "0");
    assert_eq!(status(&mut host, "cache")["state"], "writing");
    assert_eq!(collected(&cache), 50_000);
}

#[test]
fn when_osquerys_database_is_wiped_events_with_old_ids_count_as_new() {
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    osquery.connect(40, now_s() - 3, now_s());
    let Some(_host) = Host::start(&osquery) else { return };
    let _extension = start(&cache);
    wait_until("the first", 20 * SECOND, || collected(&cache) == 40);
    osquery.execute("DELETE FROM socket_events");
    osquery.connect(25, now_s(), now_s() + 1);
    wait_until("the second", 20 * SECOND, || collected(&cache) == 65);
}

#[test]
fn a_second_instance_reads_and_says_who_writes() {
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    osquery.connect(10, now_s() - 60, now_s() - 10);
    let Some(_host) = Host::start(&osquery) else { return };
    let first = start(&cache);
    wait_until("collected", 20 * SECOND, || collected(&cache) == 10);
    let second = Osquery { socket: cache.folder().join("osqueryi.em"), ..osquery };
    let Some(mut host) = Host::start(&second) else { return };
    let config = config(&cache);
    let flags = ["--timeout", "10", "--config", config.to_str().unwrap()];
    let _reader = Extension::start_on(&second.socket, &cache, &flags);
    host.wait_for_registration(1, 10 * SECOND);
    wait_until("it says so", 10 * SECOND, || {
        let error = status(&mut host, "cache")["last_error"].clone();
        error.as_str().unwrap().contains(&format!(
            "is being written by an extension of osquery (process {})",
            first.0.id()
        ))
    });
    assert_eq!(status(&mut host, "cache")["state"], "reading");
    assert_eq!(status(&mut host, "cache")["events_total"], "10");
}

#[test]
fn a_copy_that_osquery_refuses_leaves_the_cache_to_the_one_that_is_registered() {
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    osquery.connect(10, now_s() - 60, now_s() - 10);
    let Some(mut host) = Host::start(&osquery) else { return };
    let holder = || std::fs::read_to_string(cache.folder().join("cache.sqlite.lock"));
    let holds = |extension: &Extension| {
        holder().is_ok_and(|holder| holder.contains(&format!("(process {})", extension.0.id())))
    };
    let first = start(&cache);
    wait_until("collected", 20 * SECOND, || collected(&cache) == 10);
    let second = start(&cache);
    wait_until("refused", 10 * SECOND, || {
        host.ask(&json!({"do": "state"}))["refused"].as_u64() >= Some(2)
    });
    assert!(holds(&first));
    // Killed, it is listed still; the second takes its place, and the cache with it.
    drop(first);
    wait_until("the second fills it", 10 * SECOND, || holds(&second));
    assert_eq!(host.registrations(), 2);
    // One beside another osquery takes the cache over, too.
    let other = Osquery { socket: cache.folder().join("osqueryi.em"), ..osquery };
    let Some(mut host) = Host::start(&other) else { return };
    let config = config(&cache);
    let flags = ["--timeout", "10", "--config", config.to_str().unwrap()];
    let third = Extension::start_on(&other.socket, &cache, &flags);
    wait_until("it reads", 10 * SECOND, || {
        host.registrations() == 1 && status(&mut host, "cache")["state"] == "reading"
    });
    drop(second);
    wait_until("the third fills it", 10 * SECOND, || holds(&third));
    let said = std::fs::read_to_string(log_of(&cache)).unwrap();
    assert!(!said.contains("WARN"), "{said}");
}

#[test]
fn osquery_that_did_not_answer_is_said_to_answer_again() {
    let cache = TestCache::new();
    let Some(mut host) = Host::start(&Osquery::recording(&cache)) else { return };
    let _extension = start(&cache);
    host.wait_for_registration(1, 10 * SECOND);
    let count = |said: &str| {
        let log = std::fs::read_to_string(log_of(&cache)).unwrap_or_default();
        log.lines().filter(|line| line.contains(said)).count()
    };
    signal(&host.child, "STOP");
    wait_until("silent", 20 * SECOND, || count("does not answer") > 0);
    signal(&host.child, "CONT");
    wait_until("back", 20 * SECOND, || count("osquery answers again") > 0);
}

#[test]
fn a_failing_source_is_seen_in_beacon_status_and_made_up_for() {
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    osquery.connect(10, now_s() - 60, now_s() - 10);
    let Some(mut host) = Host::start(&osquery) else { return };
    let _extension = start(&cache);
    host.wait_for_registration(1, 10 * SECOND);
    wait_until("collected", 20 * SECOND, || collected(&cache) == 10);
    osquery.execute("ALTER TABLE socket_events RENAME TO away");
    wait_until("failing", 20 * SECOND, || status(&mut host, "socket_events")["state"] == "failing");
    let failing = status(&mut host, "socket_events");
    assert_eq!(failing["last_error"], "osquery says: no such table: socket_events");
    osquery.execute("ALTER TABLE away RENAME TO socket_events");
    osquery.connect(10, now_s() - 1, now_s());
    wait_until("made up for", 30 * SECOND, || collected(&cache) == 20);
}

#[test]
fn times_of_batches_are_told_in_the_state_of_their_source() {
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    let last = now_s() - 5;
    for batch in 0..5 {
        osquery.connect(60, last - 40 * batch, last - 40 * batch);
    }
    let config = cache.folder().join("tables.toml");
    std::fs::write(&config, "[collector]\nsource = 'socket_events'\npoll_seconds = 5\n").unwrap();
    let Some(mut host) = Host::start(&osquery) else { return };
    let _extension =
        Extension::start(&cache, &["--timeout", "10", "--config", config.to_str().unwrap()]);
    host.wait_for_registration(1, 10 * SECOND);
    let expected =
        "collecting; times are of batches up to 40 s apart: rhythms under 80 s cannot be seen";
    wait_until("it says so", 20 * SECOND, || {
        status(&mut host, "socket_events")["state"] == expected
    });
}

#[test]
fn a_host_that_collects_nothing_is_seen_to_be_blind() {
    let cache = TestCache::new();
    let Some(mut host) = Host::start(&Osquery::without_events(&cache)) else { return };
    let _extension = Extension::start(&cache, &["--timeout", "10"]);
    host.wait_for_registration(1, 10 * SECOND);
    wait_until("it says so", 10 * SECOND, || {
        status(&mut host, "cache")["last_error"] == "collector.source is 'none'"
    });
    assert_eq!(status(&mut host, "cache")["state"], "unreadable");
    assert!(!cache.path().exists(), "a cache was made that nothing fills");
}

#[test]
fn killed_at_any_moment_it_has_every_event_once() {
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    osquery.connect(3_000, now_s() - 3_000, now_s());
    let Some(_host) = Host::start(&osquery) else { return };
    let is_over = AtomicBool::new(false);
    let mut random = ChaCha8Rng::seed_from_u64(20);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                osquery.connect(20, now_s(), now_s());
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        for _ in 0..20 {
            let mut extension = start(&cache);
            std::thread::sleep(Duration::from_millis(random.random_range(20..700)));
            extension.0.kill().unwrap();
            extension.0.wait().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(collected(&cache) > 0, "it was never alive for long enough");
    let _extension = start(&cache);
    let connects = osquery.connects();
    wait_until("the rest", 30 * SECOND, || collected(&cache) >= connects);
    // Another poll or two change nothing.
    std::thread::sleep(7 * SECOND);
    assert_eq!(collected(&cache), connects);
}

/// A cache of the oldest format, whose upgrade is killed at any moment and begun again.
#[test]
fn an_old_cache_is_read_filled_and_upgraded_however_often_the_extension_is_killed() {
    const KILLS: usize = 8;
    let cache = TestCache::new();
    let oldest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/caches/format-8.sqlite");
    std::fs::copy(oldest, cache.path()).unwrap();
    let rows = || {
        let sql = "SELECT * FROM beacon_candidates WHERE since = 0 AND until = 1778063000";
        cache.query(now_s() * 1000, sql).unwrap()
    };
    let (before, held) = (rows(), collected(&cache));
    assert!(before.len() > 30 && held > 20_000);
    let osquery = Osquery::recording(&cache);
    osquery.connect(300, now_s() - 200, now_s() - 100);
    let Some(_host) = Host::start(&osquery) else { return };
    let mut random = ChaCha8Rng::seed_from_u64(9);
    for _ in 0..KILLS {
        let extension = start(&cache);
        std::thread::sleep(Duration::from_millis(random.random_range(20..400)));
        assert!(rows() == before);
        drop(extension);
        assert!(rows() == before);
    }
    let _extension = start(&cache);
    wait_until("all collected", 30 * SECOND, || collected(&cache) == held + 300);
    let number = |sql: &str| -> i64 {
        let database = rusqlite::Connection::open(cache.path()).unwrap();
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    wait_until("upgraded", 30 * SECOND, || {
        number("SELECT version FROM sketches") == i64::from(VERSION)
    });
    assert_eq!(number("PRAGMA user_version"), 9);
    assert!(rows() == before);
}
