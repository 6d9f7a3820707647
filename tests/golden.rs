//! Golden rows and caches of earlier versions: what a release answered, every later one answers.
//!
//! `BEACON_WRITE_GOLDEN=1 cargo test --test main golden::` writes `tests/rows/` anew, and the cache
//! of the present format if there is none yet. A cache of an earlier format is never written again:
//! only the program that had that format could.

mod journals;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use beacon_candidates::cache::{PassOutcome, Reader, Retention, Writer};
use beacon_candidates::host::embedded;
use beacon_candidates::journal::{Process, ProcessEvent};
use beacon_candidates::suppression::Rules;
use beacon_candidates::table::Tables;

use self::journals::START_MS;
use crate::support::{TestCache, hand_over, import_into, text};

/// The columns that are compared; others may be added without changing what these show.
const COLUMNS: &str = "pathname, sophosPID, pid, cmdline, process_count, destination_count, \
     destination, destinationport, protocol, domain, destination_scope, tuple, \
     number_of_connections, first_seen, last_seen, min_interval, max_interval, average_interval, \
     sum_interval, median_interval, stddev_interval, most_frequent_interval, \
     most_frequent_interval_count, beacon_percent, beacon_hours, checkins, period, jitter, \
     missed_checkins, merge_gap, bytes_sent, bytes_received, timestamp_score, datasize_score, \
     duration_score, histogram_score, rita_score, beacon_score, detected_by, suppressed_by, \
     sparkline, host";
const CONNECTIONS: &str = "host, time, pathname, sophosPID, pid, destination, destinationport, \
     protocol, domain, tuple, interval, bytes_sent, bytes_received";
const RULES: &str = "[[rule]]
name = \"golden\"
class = \"backup\"
reason = \"hides one of the groups of each journal\"
destination = [\"198.51.100.22\", \"203.0.113.12\", \"203.0.113.7\", \"192.0.2.32\"]
";

/// Six questions of each journal. What is asked of whole groups goes with few columns, so that those
/// are computed by themselves, too.
fn questions() -> [String; 6] {
    let cut = START_MS / 1000 + 3_000;
    [
        format!("SELECT {COLUMNS} FROM beacon_candidates"),
        format!(
            "SELECT {COLUMNS} FROM beacon_candidates
             WHERE include_all = 1 AND include_suppressed = 1 AND include_loopback = 1
               AND since = 0 AND row_limit = 40"
        ),
        "SELECT tuple, host, pathname, sophosPID, number_of_connections, median_interval,
                beacon_score, detected_by
         FROM beacon_candidates
         WHERE group_by = 'process_instance' AND include_all = 1 AND since = 0
           AND row_limit = 60"
            .to_owned(),
        format!(
            "SELECT tuple, host, process_count, average_interval, stddev_interval, checkins, period,
                    jitter, rita_score, sparkline
             FROM beacon_candidates
             WHERE group_by = 'tuple' AND include_all = 1 AND since = {cut} AND row_limit = 60"
        ),
        format!(
            "SELECT tuple, host, pathname, destination_count, number_of_connections, detected_by,
                    most_frequent_interval, beacon_percent, beacon_hours, bytes_sent
             FROM beacon_candidates
             WHERE group_by = 'process_port' AND include_all = 1 AND since = {cut}
               AND until = {cut} + 40000 AND time_delta_threshold = 4.5
               AND total_events_threshold = 5 AND percent_beacon_threshold = 30
               AND min_connections = 10 AND max_interval_spread = 60 AND min_average_interval = 0 AND row_limit = 60"
        ),
        format!(
            "SELECT {CONNECTIONS} FROM beacon_connections
             WHERE tuple LIKE '%.2%::443' AND since = {cut} AND row_limit = 80"
        ),
    ]
}

/// The rows of `sql` over a cache whose last connection is now: a line each.
fn rows(cache: &Path, sql: &str) -> String {
    let now_ms = Reader::open(cache).unwrap().last_ms().unwrap().unwrap();
    let rules = Rules::none().with(RULES, "golden").unwrap();
    let tables = Arc::new(Tables::new(cache.to_owned()).with_rules(rules));
    let connection = embedded::open(&tables, now_ms).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut lines = String::new();
    while let Some(row) = rows.next().unwrap() {
        let values: Vec<_> =
            (0..columns).map(|column| text(row.get_ref(column).unwrap())).collect();
        lines.push_str(&values.join("|"));
        lines.push('\n');
    }
    lines
}

/// A question and its rows, as the golden files have them.
fn section(cache: &Path, sql: &str) -> String {
    let words: Vec<_> = sql.split_whitespace().collect();
    format!("-- {}\n{}\n", words.join(" "), rows(cache, sql))
}

fn is_writing() -> bool {
    std::env::var_os("BEACON_WRITE_GOLDEN").is_some()
}

/// Compares with the text in a file, line by line, or writes it.
fn compare(path: &Path, found: &str) {
    if is_writing() {
        fs::write(path, found).unwrap();
        return;
    }
    let golden = fs::read_to_string(path).unwrap();
    for (number, (found, golden)) in found.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, golden, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(found.lines().count(), golden.lines().count(), "{}", path.display());
}

fn in_tests(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// An import in passes: all at once, and in small ones that leave blocks of few connections.
fn import(cache: &TestCache, journal: &str) {
    let mut writer = cache.writer();
    let lines: Vec<_> = journal.split_inclusive('\n').collect();
    let (first, rest) = lines.split_at(lines.len() / 3);
    import_into(&mut writer, first.concat().into());
    for part in rest.chunks(rest.len().div_ceil(7).max(1)) {
        import_into(&mut writer, part.concat().into());
    }
}

#[test]
fn rows_are_those_of_the_golden_files() {
    for (name, journal) in journals::all() {
        let cache = TestCache::new();
        import(&cache, &journal);
        let found: String = questions().iter().map(|sql| section(&cache.path(), sql)).collect();
        compare(&in_tests("rows").join(format!("{name}.txt")), &found);
    }
}

/// What is asked of a cache of an earlier version: every grouping, whole and cut, the connections,
/// and the sources.
fn questions_of_caches() -> Vec<String> {
    let cut = START_MS / 1000 + 3_000;
    let groupings = ["process", "process_instance", "tuple", "process_port"];
    let of_grouping = |grouping| {
        format!(
            "SELECT {COLUMNS} FROM beacon_candidates
             WHERE group_by = '{grouping}' AND include_all = 1 AND include_loopback = 1
               AND include_suppressed = 1 AND since = 0 AND row_limit = 12"
        )
    };
    let mut questions: Vec<_> = groupings.into_iter().map(of_grouping).collect();
    questions.extend([
        "SELECT tuple, host, pathname, detected_by, beacon_score FROM beacon_candidates
         WHERE since = 0"
            .to_owned(),
        format!(
            "SELECT tuple, host, number_of_connections, median_interval, stddev_interval
             FROM beacon_candidates
             WHERE include_all = 1 AND since = {cut} AND until = {cut} + 30000 AND row_limit = 99"
        ),
        format!(
            "SELECT {CONNECTIONS} FROM beacon_connections
             WHERE pathname LIKE '%agent%' AND since = 0 AND row_limit = 60"
        ),
        "SELECT source, state, last_event, events_total, events_duplicate, events_rejected,
                last_error, cache_first, cache_last, groups
         FROM beacon_status"
            .to_owned(),
    ]);
    questions
}

/// The connections of `busy`, and how many of them a transaction of the killed import held.
const BUSY: usize = 20_800;
const COMMITTED_AT_ONCE: usize = 3_000;

/// A cache with all that one may hold: several hosts, full blocks and partial ones, a block of few
/// connections beside a full one, a process that has started and not connected, a live source with
/// its cursor, and an import that was killed halfway.
fn write_fixture(path: &Path) {
    let cache = TestCache::new();
    let [_, (_, corners), (_, busy), (_, fleet), _] = journals::all();
    import(&cache, &corners);
    import(&cache, &fleet);
    let mut writer = cache.writer().with_batch(COMMITTED_AT_ONCE);
    hand_over(&mut writer, busy.into_bytes());
    drop(writer);
    import_live(&mut cache.writer());
    let database = rusqlite::Connection::open(cache.path()).unwrap();
    // All of it in one file, without a log.
    database.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    drop(database);
    fs::copy(cache.path(), path).unwrap();
}

fn import_live(writer: &mut Writer) {
    let mut journal = String::new();
    for index in 0..9 {
        let time = START_MS / 1000 + 180_000 + index * 60;
        journal += &format!(
            "{{\"time\":{time},\"host\":\"\",\"pathname\":\"/usr/bin/curl\",\"pid\":7,\
             \"destination\":\"198.51.100.22\",\"destinationport\":443,\"protocol\":\"tcp\"}}\n"
        );
    }
    hand_over(writer, journal.into_bytes());
    let process = Process {
        pathname: "/usr/bin/sleeper",
        pid: Some(4711),
        start: None,
        cmdline: "sleeper -d",
    };
    writer.process(&ProcessEvent { host: "desk-1", process }).unwrap();
    let outcome = PassOutcome {
        source: "socket_events",
        state: "collecting",
        now_ms: START_MS + 180_600_000,
        rejected: 2,
        last_error: "a row was rejected: no destination",
        cursor_s: Some(START_MS / 1000 + 180_600),
        blur_s: None,
    };
    writer.end_pass(&outcome).unwrap();
}

/// A cache with the files of another, whose writer goes on; it is opened to be written as well.
fn as_if_killed(cache: &TestCache, number: usize) -> PathBuf {
    let folder = cache.folder().join(format!("killed-{number}"));
    fs::create_dir(&folder).unwrap();
    let path = folder.join("cache.sqlite");
    fs::copy(cache.path(), &path).unwrap();
    fs::copy(cache.folder().join("cache.sqlite-wal"), folder.join("cache.sqlite-wal")).unwrap();
    Writer::open(&path, "a test", Retention::default()).unwrap();
    path
}

/// Names of the caches of all formats that there ever were, with their numbers.
const FORMATS: [u32; 2] = [8, 9];

#[test]
fn caches_of_every_format_answer_what_they_did() {
    for format in FORMATS {
        let fixture = in_tests("fixtures/caches").join(format!("format-{format}.sqlite"));
        let rows = fixture.with_extension("txt");
        if is_writing() && !fixture.exists() {
            write_fixture(&fixture);
        }
        let cache = TestCache::new();
        fs::copy(&fixture, cache.path()).unwrap();
        let answer = |path: &Path| -> String {
            questions_of_caches().iter().map(|sql| section(path, sql)).collect()
        };
        compare(&rows, &answer(&cache.path()));
        // Readers answer while it is brought up to date; and so they do if that has been killed, which
        // leaves the file and its log as they are.
        let mut writer = cache.writer();
        let mut slices = 0;
        let mut is_behind = true;
        while is_behind {
            compare(&rows, &answer(&cache.path()));
            compare(&rows, &answer(&as_if_killed(&cache, slices)));
            is_behind = writer.continue_upgrade(Duration::ZERO).unwrap();
            slices += 1;
        }
        drop(writer);
        compare(&rows, &answer(&cache.path()));
        // What it holds is known again.
        let [_, (_, corners), (_, busy), ..] = journals::all();
        let mut writer = cache.writer();
        let known = import_into(&mut writer, corners.into_bytes()).counts;
        assert_eq!((known.added, known.duplicates > 500), (0, true));
        // Of the import that was killed, the rest is still to come.
        let rest = import_into(&mut writer, busy.into_bytes()).counts;
        let lost = (BUSY % COMMITTED_AT_ONCE) as u64;
        assert_eq!((rest.added, rest.duplicates), (lost, BUSY as u64 - lost));
    }
}
