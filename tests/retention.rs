//! What the cache lets go: how much, whose, in which order, and that it says so.

use std::fs;

use beacon_candidates::cache::{PassOutcome, Retention, Writer};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::random_journal::START_MS;
use crate::support::{TestCache, hand_over, import_into};

const START_S: i64 = START_MS / 1000;
const DAY_S: i64 = 86_400;
const DAY_MS: i64 = 86_400_000;
const LATER_MS: i64 = START_MS + 60 * DAY_MS;

fn line(time_s: i64, pathname: &str, pid: i64, destination: &str, more: &str) -> String {
    format!(
        "{{\"time\":{time_s},\"pathname\":\"{pathname}\",\"pid\":{pid},\"destination\":\
         \"{destination}\",\"destinationport\":443{more}}}\n"
    )
}

/// A connection every `period_s` for 30 days.
fn beacon(pathname: &str, period_s: i64) -> String {
    let times = (0..30 * DAY_S / period_s).map(|index| START_S + index * period_s);
    times.map(|time| line(time, pathname, 4, "198.51.100.4", "")).collect()
}

fn writer(cache: &TestCache, max_bytes: u64) -> Writer {
    let retention = Retention { max_bytes, ..Retention::default() };
    Writer::open(&cache.path(), "a test", retention).unwrap().with_batch(1 << 12)
}

fn connections(cache: &TestCache, pathname: &str) -> u64 {
    let sql = format!(
        "SELECT coalesce(sum(number_of_connections), 0) FROM beacon_candidates
         WHERE include_all = 1 AND since = 0 AND row_limit = 1000000 AND pathname = '{pathname}'"
    );
    cache.value(LATER_MS, &sql).parse().unwrap()
}

fn evicted(cache: &TestCache) -> [u64; 4] {
    let sql = "SELECT evicted_age, evicted_size, evicted_share, evicted_future FROM beacon_status
               WHERE source = 'cache'";
    let rows = cache.query(LATER_MS, sql).unwrap();
    std::array::from_fn(|reason| rows[0][reason].parse().unwrap())
}

fn state(cache: &TestCache) -> String {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    cache.value(now_ms, "SELECT state FROM beacon_status WHERE source = 'cache'")
}

fn rows(cache: &TestCache, table: &str) -> i64 {
    let database = rusqlite::Connection::open(cache.path()).unwrap();
    database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// One slow beacon, then processes with long command lines, then names without end: whatever comes,
/// the file is left nearly full.
#[derive(Clone, Debug)]
enum Load {
    Processes { count: i64, cmdline: usize },
    Destinations { count: i64 },
    Domains { count: i64 },
    Pathnames { count: i64 },
    Steady { count: i64 },
}

impl Load {
    fn journal(&self, from_s: i64) -> String {
        let line = |index: i64| {
            let time = from_s + index / 4;
            match self {
                Load::Processes { cmdline, .. } => {
                    let more = format!(",\"cmdline\":\"{}\"", "x".repeat(*cmdline));
                    line(time, "/tmp/x", from_s % 100_000 + index, "192.0.2.1", &more)
                }
                Load::Destinations { .. } => {
                    let to = format!("11.{}.{}.{}", index >> 16, index >> 8 & 255, index & 255);
                    line(time, "/tmp/flood", 666, &to, "")
                }
                Load::Domains { .. } => {
                    let more = format!(",\"domain\":\"{from_s}-{index}.example.com\"");
                    line(time, "/tmp/names", 667, "192.0.2.2", &more)
                }
                Load::Pathnames { .. } => {
                    line(time, &format!("/tmp/{from_s}/{index}"), 9, "192.0.2.3", "")
                }
                Load::Steady { .. } => line(time + index, "/usr/bin/app", 8, "192.0.2.4", ""),
            }
        };
        let (Load::Processes { count, .. }
        | Load::Destinations { count }
        | Load::Domains { count }
        | Load::Pathnames { count }
        | Load::Steady { count }) = self;
        (0..*count).map(line).collect()
    }
}

fn load() -> impl Strategy<Value = Load> {
    let count = 200..1_000i64;
    prop_oneof![
        (100..400i64, 0..600usize).prop_map(|(count, cmdline)| Load::Processes { count, cmdline }),
        count.clone().prop_map(|count| Load::Destinations { count }),
        count.clone().prop_map(|count| Load::Domains { count }),
        count.clone().prop_map(|count| Load::Pathnames { count }),
        count.prop_map(|count| Load::Steady { count }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        rng_seed: RngSeed::Fixed(3),
        ..ProptestConfig::default()
    })]

    /// A block of a slow beacon pinned the names and processes of weeks, and everything else went.
    #[test]
    fn what_is_too_large_loses_a_tenth_and_no_more(loads in prop::collection::vec(load(), 3..9)) {
        const MAX_BYTES: u64 = 512 << 10;
        let cache = TestCache::new();
        let mut writer = writer(&cache, MAX_BYTES);
        import_into(&mut writer, beacon("/opt/slow", 14_400).into());
        let mut from_s = START_S + 30 * DAY_S;
        let mut has_been_full = false;
        for load in &loads {
            let beacons = line(from_s, "/opt/slow", 4, "198.51.100.4", "");
            let journal = beacons + &load.journal(from_s);
            let counts = import_into(&mut writer, journal.into()).counts;
            from_s += DAY_S / 2;
            has_been_full |= counts.removed > 0;
            let database = rusqlite::Connection::open(cache.path()).unwrap();
            let pages = |name| -> u64 {
                database.pragma_query_value(None, name, |row| row.get(0)).unwrap()
            };
            let used = (pages("page_count") - pages("freelist_count")) * pages("page_size");
            prop_assert!(used <= MAX_BYTES, "{used} bytes after {load:?}");
            if has_been_full {
                prop_assert!(used >= MAX_BYTES * 3 / 4, "{used} bytes are left after {load:?}");
            }
        }
        drop(writer);
        prop_assert_eq!(connections(&cache, "/opt/slow"), 180 + loads.len() as u64);
    }
}

#[test]
fn a_slow_beacons_history_outlives_chatter() {
    const MAX_BYTES: u64 = 1 << 20;
    let cache = TestCache::new();
    let mut writer = writer(&cache, MAX_BYTES);
    import_into(&mut writer, beacon("/opt/slow", 14_400).into());
    let cmdline = format!(",\"cmdline\":\"{}\"", "x".repeat(250));
    let mut removed = 0;
    for day in 0..30 {
        let chatter: String = (0..600)
            .map(|index| {
                let time = START_S + day * DAY_S + index * 144;
                let to = format!("203.0.113.{}", index % 50);
                line(time, "/usr/bin/curl", day * 600 + index, &to, &cmdline)
            })
            .collect();
        removed += import_into(&mut writer, chatter.into()).counts.removed;
    }
    drop(writer);
    assert_eq!(connections(&cache, "/opt/slow"), 180);
    let kept = connections(&cache, "/usr/bin/curl");
    assert_eq!(kept + removed, 18_000);
    assert!(kept > 1_000, "{kept} kept");
    // What belongs to nothing goes with its last connection.
    assert_eq!(rows(&cache, "process_instance") as u64, kept + 1);
    let [of_age, of_size, of_share, of_future] = evicted(&cache);
    assert_eq!((of_age, of_size + of_share, of_future), (0, removed, 0));
    assert_eq!(state(&cache), "reading; full, so that the oldest go before their time");
}

/// A flood of destinations pushed out beacons that had been there for a month.
#[test]
fn a_flood_removes_its_own() {
    const MAX_BYTES: u64 = 2 << 20;
    let beacons = [("/opt/hourly", 3_600, 720), ("/opt/minutely", 600, 4_320)];
    let cache = TestCache::new();
    let mut writer = writer(&cache, MAX_BYTES);
    for (pathname, period_s, _) in beacons {
        import_into(&mut writer, beacon(pathname, period_s).into());
    }
    let mut removed = 0;
    for part in 0..5 {
        let flood: String = (0..10_000)
            .map(|index| {
                let to = format!("{}.{}.{}.7", 11 + part, index >> 8 & 255, index & 255);
                line(START_S + 30 * DAY_S + index / 10, "/tmp/flood", 666, &to, "")
            })
            .collect();
        removed += import_into(&mut writer, flood.into()).counts.removed;
    }
    drop(writer);
    for (pathname, _, expected) in beacons {
        assert_eq!(connections(&cache, pathname), expected, "{pathname}");
    }
    assert!(removed > 30_000, "{removed} removed");
    assert_eq!(evicted(&cache), [0, 0, removed, 0]);
    assert!(fs::metadata(cache.path()).unwrap().len() <= MAX_BYTES);
}

/// Of many hosts none pushes the others out.
#[test]
fn a_busy_host_removes_its_own() {
    let cache = TestCache::new();
    let mut writer = writer(&cache, 1 << 20);
    let of_host = |host: i64, index: i64, period_s: i64| {
        let to = format!("11.{}.{}.7", index >> 8 & 255, index & 255);
        let pathname = format!("/usr/bin/{}", index % 40);
        let host = format!(",\"host\":\"10.0.0.{host}\"");
        line(START_S + index * period_s, &pathname, 5, &to, &host)
    };
    for host in 1..=6 {
        let journal: String = (0..200).map(|index| of_host(host, index, 600)).collect();
        import_into(&mut writer, journal.into());
    }
    let busy: String = (0..20_000).map(|index| of_host(99, index, 30)).collect();
    let removed = import_into(&mut writer, busy.into()).counts.removed;
    drop(writer);
    let quiet = "SELECT sum(number_of_connections) FROM beacon_candidates
                 WHERE include_all = 1 AND since = 0 AND row_limit = 100000 AND host <> '10.0.0.99'";
    assert_eq!(cache.value(LATER_MS, quiet), "1200");
    assert_eq!(evicted(&cache), [0, 0, removed, 0]);
}

/// Events that were dated 2090 pushed out the real ones, and never went.
#[test]
fn what_is_dated_after_now_is_refused_and_goes_first() {
    const MAX_BYTES: u64 = 1 << 20;
    let cache = TestCache::new();
    let mut writer = writer(&cache, MAX_BYTES);
    let real: String =
        (0..600).map(|index| line(START_S + index, "/opt/real", 4, "192.0.2.9", "")).collect();
    import_into(&mut writer, real.into());
    let future = |from: i64| -> String {
        (from..from + 3_000)
            .map(|index| {
                let to = format!("11.0.{}.{}", index >> 8, index & 255);
                line(3_786_912_000 + index, "/opt/crawler", 5, &to, "")
            })
            .collect()
    };
    // Before there is a limit they are taken.
    import_into(&mut writer, future(0).into());
    writer.refuse_after(START_MS + DAY_MS);
    hand_over(&mut writer, future(3_000).into());
    let outcome = PassOutcome {
        source: "a test",
        state: "collecting",
        now_ms: START_MS,
        rejected: 1,
        last_error: "",
        cursor_s: None,
        blur_s: None,
    };
    let counts = writer.end_pass(&outcome).unwrap();
    assert_eq!((counts.added, counts.future), (0, 3_000));
    let sql = "SELECT events_rejected, last_error FROM beacon_status WHERE source = 'a test'";
    let said = "3,000 connections are dated after 2026-05-05 08:00:00Z, and were refused";
    assert_eq!(cache.query(LATER_MS, sql).unwrap(), [["3001", said]]);

    writer.remove_expired(START_MS + DAY_MS).unwrap();
    drop(writer);
    assert_eq!(evicted(&cache), [0, 0, 0, 3_000]);
    assert_eq!(connections(&cache, "/opt/real"), 600);
    assert_eq!(rows(&cache, "connection_group"), 1);
    let sql = "SELECT last_event FROM beacon_status WHERE source = 'cache'";
    assert_eq!(cache.value(LATER_MS, sql), (START_S + 599).to_string());
}

/// A clock that was a month ahead for an hour had everything removed.
#[test]
fn a_clock_that_is_wrong_for_an_hour_removes_nothing() {
    let cache = TestCache::new();
    let mut writer = writer(&cache, 1 << 20);
    import_into(&mut writer, beacon("/opt/slow", 14_400).into());
    let now_ms = START_MS + 30 * DAY_MS;
    writer.refuse_after(now_ms + DAY_MS);
    for jump in [0, 31 * DAY_MS, 0, -25 * DAY_MS, -20_000 * DAY_MS, 0] {
        writer.refuse_after((now_ms + jump).max(0) + DAY_MS);
        assert_eq!(writer.remove_expired((now_ms + jump).max(0)).unwrap(), 0, "{jump}");
    }
    // A block is cut once a day of it is too old.
    assert_eq!(writer.remove_expired(now_ms + DAY_MS).unwrap(), 0);
    assert_eq!(writer.remove_expired(now_ms + 2 * DAY_MS).unwrap(), 12);
    drop(writer);
    assert_eq!(connections(&cache, "/opt/slow"), 168);
    assert_eq!(evicted(&cache), [12, 0, 0, 0]);
}
