//! What a query may ask, and that it is answered as osquery would pass it on.

use std::time::Duration;

use beacon_candidates::cache::PassOutcome;
use beacon_candidates::table::{Constraint, Operator, QueryContext, Table, Tables, Value};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::random_journal::START_MS;
use crate::support::TestCache;

const NOW_MS: i64 = START_MS + 24 * 3_600_000;
/// The same as unix seconds, and where the default window begins.
const NOW: i64 = NOW_MS / 1000;

/// A journal line a connection: seconds after the start, pathname, pid, destination, port.
fn line(second: f64, pathname: &str, pid: u32, destination: &str, port: u16) -> String {
    let time = (START_MS as f64 + second * 1000.0) / 1000.0;
    format!(
        "{{\"time\":{time},\"pathname\":\"{pathname}\",\"pid\":{pid},\"destination\":\
         \"{destination}\",\"destinationport\":{port},\"protocol\":\"tcp\"}}\n"
    )
}

/// Two clocks and a visitor.
fn two_clocks() -> TestCache {
    let cache = TestCache::new();
    let mut journal = String::new();
    for index in 0..30 {
        let at = 3600.0 + f64::from(index) * 60.0;
        journal += &line(at, "/bin/fast", 11, "198.51.100.1", 443);
        journal += &line(at * 2.0, "/bin/slow", 12, "203.0.113.2", 8443);
    }
    for at in [10.0, 700.0, 9000.0] {
        journal += &line(at, "/bin/visitor", 13, "203.0.113.3", 443);
    }
    cache.import(journal);
    cache
}

fn equal(column: &'static str, value: &str) -> Constraint {
    Constraint { column: column.into(), operator: Operator::EQUAL, value: value.to_owned() }
}

fn column(cache: &TestCache, sql: &str) -> Vec<String> {
    cache.query(NOW_MS, sql).unwrap().into_iter().map(|row| row[0].clone()).collect()
}

fn error(cache: &TestCache, sql: &str) -> String {
    cache.query(NOW_MS, sql).unwrap_err()
}

#[test]
fn detected_groups_are_returned_and_all_of_them_if_asked() {
    let cache = two_clocks();
    let detected = "SELECT pathname FROM beacon_candidates ORDER BY pathname";
    assert_eq!(column(&cache, detected), ["/bin/fast", "/bin/slow"]);
    let all = "SELECT pathname FROM beacon_candidates WHERE include_all = 1 ORDER BY pathname";
    assert_eq!(column(&cache, all), ["/bin/fast", "/bin/slow", "/bin/visitor"]);
}

#[test]
fn a_row_has_what_its_columns_say() {
    let cache = TestCache::new();
    let journal: String = [0, 60, 120, 180]
        .into_iter()
        .map(|second| {
            format!(
                "{{\"time\":{},\"host\":\"pc\",\"pathname\":\"C:\\\\A.exe\",\
                 \"sophosPID\":\"42:133591680000000000\",\"cmdline\":\"A.exe -x\",\
                 \"destination\":\"2001:DB8::1\",\"destinationport\":443,\"protocol\":\"TCP\",\
                 \"domain\":\"c2.example\",\"bytes_sent\":100,\"bytes_received\":\"7\"}}\n",
                START_MS / 1000 + second
            )
        })
        .collect();
    cache.import(journal);
    let rows = cache.query(NOW_MS, "SELECT * FROM beacon_candidates").unwrap();
    let (first, last) = (START_MS / 1000, START_MS / 1000 + 180);
    let expected = format!(
        "C:\\A.exe|42:133591680000000000|42|A.exe -x|1|1|2001:db8::1|2001:db8::1|443|tcp|c2.example|public|\
         2001:db8::1::443|4|{first}|{last}|60.0|60.0|60.0|180.0|60.0|0.0|60|3|100.0|0|\
         4|60.0|0.0|0|1|1|400|28|1.0|1.0|0.0|0.0|0.5|0.0|fixed_interval||\
         █▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁|pc"
    );
    assert_eq!(rows, [expected.split('|').map(str::to_owned).collect::<Vec<_>>()]);
}

#[test]
fn what_cannot_be_computed_is_null_and_unknown_text_is_empty() {
    let cache = TestCache::new();
    cache.import("time,destination,destinationport\n1777881600,192.0.2.1,53\n");
    let rows = cache.query(
        NOW_MS,
        "SELECT pathname = '', sophosPID = '', protocol = '', domain = '', host = '',
                pid IS NULL, min_interval IS NULL, median_interval IS NULL, sum_interval IS NULL,
                stddev_interval IS NULL, most_frequent_interval IS NULL, beacon_percent IS NULL,
                bytes_sent IS NULL, bytes_received IS NULL
         FROM beacon_candidates WHERE include_all = 1",
    );
    assert_eq!(rows.unwrap(), [vec!["1".to_owned(); 14]]);
}

#[test]
fn parameters_are_echoed_as_given_or_show_what_applies() {
    let cache = two_clocks();
    for (condition, echo) in [
        ("hours = 48", "48.0"),
        ("hours = 48.5", "48.5"),
        ("hours = '48'", "48.0"),
        ("hours IN (48)", "48.0"),
    ] {
        let sql = format!("SELECT DISTINCT hours FROM beacon_candidates WHERE {condition}");
        assert_eq!(column(&cache, &sql), [echo], "{condition}");
    }
    let table_valued = "SELECT DISTINCT hours FROM beacon_candidates(72)";
    assert_eq!(column(&cache, table_valued), ["72.0"]);
    let several = "SELECT DISTINCT min_connections || ' ' || group_by FROM beacon_candidates
                   WHERE min_connections = '4' AND group_by = 'tuple'";
    assert_eq!(column(&cache, several), ["4 tuple"]);
    let defaults = cache
        .query(
            NOW_MS,
            "SELECT DISTINCT hours, since, until, group_by, min_connections, max_interval_spread,
                    min_average_interval,
                    time_delta_threshold, total_events_threshold, percent_beacon_threshold,
                    include_loopback, include_all, row_limit
             FROM beacon_candidates WHERE include_loopback = 0 AND include_all = '0'",
        )
        .unwrap();
    let since = START_MS / 1000;
    let expected = format!("24.0|{since}|{NOW}|process|3|10.0|10.0|10.0|15|95.0|0|0|1000");
    assert_eq!(defaults, [expected.split('|').map(str::to_owned).collect::<Vec<_>>()]);
}

#[test]
fn in_or_and_joins_make_a_call_a_value() {
    let cache = two_clocks();
    let by_value = "SELECT hours || ' ' || pathname FROM beacon_candidates
                    WHERE hours IN (24, 23.5) AND pathname LIKE '%FAST' ORDER BY 1";
    assert_eq!(column(&cache, by_value), ["23.5 /bin/fast", "24.0 /bin/fast"]);
    let by_or = "SELECT DISTINCT group_by FROM beacon_candidates
                 WHERE group_by = 'tuple' OR group_by = 'process_port' ORDER BY 1";
    assert_eq!(column(&cache, by_or), ["process_port", "tuple"]);
    let joined = "SELECT c.pathname || ' ' || w.h FROM (SELECT 24 AS h UNION SELECT 22) AS w
                  JOIN beacon_candidates AS c ON c.hours = w.h WHERE c.pid = 11 ORDER BY 1";
    assert_eq!(column(&cache, joined), ["/bin/fast 24"]);
    let timeline = "SELECT count(*) FROM beacon_candidates AS c
                    JOIN beacon_connections AS n ON n.tuple = c.tuple AND n.pathname = c.pathname";
    assert_eq!(column(&cache, timeline), ["60"]);
}

#[test]
fn bad_parameters_are_errors_that_say_which_and_why() {
    let cache = two_clocks();
    for (condition, said) in [
        ("hours = 'soon'", "hours = 'soon' is not possible: expected a number of hours above 0"),
        ("hours = 0", "hours = '0' is not possible"),
        ("hours = -3", "hours = '-3' is not possible"),
        ("since = 1.5", "since = '1.5' is not possible: expected whole unix seconds from 0"),
        ("group_by = 'host'", "expected 'process', 'process_instance', 'tuple' or 'process_port'"),
        ("min_connections = 0", "min_connections = '0' is not possible"),
        ("max_interval_spread = 'wide'", "max_interval_spread = 'wide' is not possible"),
        ("percent_beacon_threshold = 101", "expected a percentage from 0 to 100"),
        ("include_all = 2", "include_all = '2' is not possible: expected 0 or 1"),
        ("row_limit = -1", "row_limit = '-1' is not possible"),
        ("since = 20 AND until = 10", "since = 20 is later than until = 10"),
        ("hours > 5", "hours is a parameter: give it with = or IN, not >"),
        ("hours BETWEEN 5 AND 6", "hours is a parameter: give it with = or IN, not >="),
        ("hours <> 5", "hours is a parameter: give it with = or IN, not !="),
        ("group_by LIKE 'tup%'", "group_by is a parameter: give it with = or IN, not LIKE"),
        ("group_by GLOB 'tup*'", "group_by is a parameter: give it with = or IN, not GLOB"),
        ("hours IS NULL", "hours is a parameter: give it with = or IN, not IS NULL"),
        ("include_all IS NULL", "include_all is a parameter: give it with = or IN, not IS NULL"),
        ("include_all IS NOT 0", "include_all is a parameter: give it with = or IN, not IS NOT"),
        ("include_all", "include_all is a parameter, and 0 unless it is given with = or IN"),
        ("NOT include_all", "write include_all = 1"),
        ("+include_all = 1", "write include_all = 1"),
        ("include_all = 1 OR pid = 11", "write include_all = 1"),
        ("include_loopback IS TRUE", "write include_loopback = 1"),
    ] {
        let sql = format!("SELECT pathname FROM beacon_candidates WHERE {condition}");
        let error = error(&cache, &sql);
        assert!(error.contains(said), "{condition}: {error}");
    }
    // SQLite itself sees that hours = 24 AND hours = 48 cannot be; another host may not.
    let tables = Tables::new(cache.path());
    let constraints = ["24", "48"].map(|value| equal("hours", value)).to_vec();
    let twice = tables.generate(
        Table::BeaconCandidates,
        &QueryContext { constraints, ..QueryContext::default() },
        NOW_MS,
    );
    let error = twice.unwrap_err().to_string();
    assert_eq!(error, "hours is given as '24' and as '48': no row can have both");
    // What is so for every value asks nothing, and IS is =.
    for (condition, rows) in [
        ("hours IS NOT NULL", "2"),
        ("include_all IS 1", "3"),
        ("include_all IS TRUE AND include_all = 1", "3"),
        ("include_all = 1 OR include_all = 0", "5"),
        ("hours", "2"),
        ("group_by IS 'tuple' AND pid IS 11", "1"),
    ] {
        let sql = format!("SELECT count(*) FROM beacon_candidates WHERE {condition} LIMIT 5");
        assert_eq!(column(&cache, &sql), [rows], "{condition}");
    }
}

#[test]
fn limit_and_order_by_are_sqlites_and_row_limit_is_ours() {
    let cache = two_clocks();
    let limited = "SELECT pathname FROM beacon_candidates WHERE include_all = 1
                   ORDER BY pathname DESC LIMIT 1 OFFSET 1";
    assert_eq!(column(&cache, limited), ["/bin/slow"]);
    // The slower one's score is a little higher: a period of seconds is discounted.
    let cut = "SELECT pathname FROM beacon_candidates WHERE include_all = 1 AND row_limit = 2";
    assert_eq!(column(&cache, cut), ["/bin/slow", "/bin/fast"]);
    let none = "SELECT pathname FROM beacon_candidates WHERE row_limit = 0";
    assert!(column(&cache, none).is_empty());
}

#[test]
fn narrowing_comes_before_row_limit() {
    let cache = two_clocks();
    for condition in [
        "pathname = '/bin/visitor'",
        "pathname LIKE '%VISIT%'",
        "pathname GLOB '*visitor'",
        "destination = '203.0.113.3'",
        "tuple LIKE '203.0.113.3::%'",
        "sophosPID = '13:0'",
        "destinationport = 443 AND destination LIKE '203%'",
        "destinationport LIKE '44%' AND pathname LIKE '%tor'",
        // Lost, as the collation of = does not reach a table.
        "pathname = '/BIN/Visitor' COLLATE NOCASE",
        "pathname = '/bin/visitor  ' COLLATE RTRIM",
    ] {
        let sql = format!(
            "SELECT pathname FROM beacon_candidates
             WHERE include_all = 1 AND row_limit = 1 AND {condition}"
        );
        assert_eq!(column(&cache, &sql), ["/bin/visitor"], "{condition}");
    }
    let sql = "SELECT count(*) FROM beacon_candidates WHERE pathname GLOB '*FAST'";
    assert_eq!(column(&cache, sql), ["0"]);
    let sql = "SELECT count(*) FROM beacon_candidates WHERE host = '' AND pathname <> '/bin/fast'";
    assert_eq!(column(&cache, sql), ["1"]);
}

#[test]
fn everything_without_a_row_limit_is_refused_with_its_number() {
    let cache = TestCache::new();
    let journal: String = (0..1001)
        .map(|i| line(f64::from(i), "/bin/scan", 1, "192.0.2.1", 1000 + i as u16))
        .collect();
    cache.import(journal);
    let error = error(&cache, "SELECT pathname FROM beacon_candidates WHERE include_all = 1");
    assert!(error.contains("include_all = 1 finds 1,001 rows"), "{error}");
    let sql = "SELECT count(*) FROM beacon_candidates WHERE include_all = 1 AND row_limit = 5000";
    assert_eq!(column(&cache, sql), ["1001"]);
}

#[test]
fn loopback_stays_out_unless_asked_for() {
    let cache = TestCache::new();
    let journal: String = (0..5)
        .flat_map(|i| {
            let at = f64::from(i) * 60.0;
            ["127.0.0.1", "127.9.9.9", "::1"].map(|to| line(at, "/bin/a", 1, to, 80))
        })
        .collect();
    cache.import(journal);
    let count = "SELECT count(*) FROM beacon_candidates";
    assert_eq!(column(&cache, count), ["0"]);
    assert_eq!(column(&cache, &format!("{count} WHERE include_loopback = 1")), ["3"]);
    let connections = "SELECT count(*) FROM beacon_connections WHERE pathname = '/bin/a'";
    assert_eq!(column(&cache, connections), ["0"]);
    assert_eq!(column(&cache, &format!("{connections} AND include_loopback = 1")), ["15"]);
}

#[test]
fn a_period_shorter_than_the_times_can_tell_is_not_claimed() {
    let cache = TestCache::new();
    let mut journal = String::new();
    for index in 0..60 {
        // Too uneven for fixed_interval.
        let wobble = f64::from(index * 7 % 5) / 5.0 - 0.4;
        journal +=
            &line((f64::from(index) + wobble / 4.0) * 60.0, "/bin/short", 11, "198.51.100.1", 443);
        journal +=
            &line((f64::from(index) + wobble / 4.0) * 120.0, "/bin/long", 12, "198.51.100.2", 443);
    }
    let elsewhere = journal.replace("\"time\"", "\"host\":\"sensor\",\"time\"");
    cache.import(journal + &elsewhere);
    let named = || {
        let sql = "SELECT host || pathname FROM beacon_candidates WHERE detected_by = 'periodic' ORDER BY 1";
        column(&cache, sql)
    };
    let short = |what: &str| {
        let sql = format!(
            "SELECT {what} FROM beacon_candidates
             WHERE include_all = 1 AND pathname = '/bin/short' AND host = ''"
        );
        cache.value(NOW_MS, &sql)
    };
    let measured = |blur_s, days_before: i64| {
        let now_ms = NOW_MS - days_before * 86_400_000;
        let outcome = PassOutcome {
            source: "socket_events",
            state: "collecting",
            now_ms,
            rejected: 0,
            last_error: "",
            cursor_s: None,
            blur_s: Some(blur_s),
        };
        cache.writer().end_pass(&outcome).unwrap();
    };
    let all = ["/bin/long", "/bin/short", "sensor/bin/long", "sensor/bin/short"];
    measured(70, 3);
    assert_eq!(named(), all);
    assert!(short("beacon_score").parse::<f64>().unwrap() > 0.5);
    // Under 98 s.
    measured(49, 0);
    measured(12, 0);
    assert_eq!(named(), ["/bin/long", "sensor/bin/long", "sensor/bin/short"]);
    for what in ["period", "jitter", "missed_checkins", "beacon_score"] {
        assert_eq!(short(&format!("{what} IS NULL")), "1", "{what}");
    }
    assert_eq!((short("detected_by"), short("checkins IS NULL")), (String::new(), "0".into()));
}

#[test]
fn rotating_addresses_are_one_rhythm_by_process_and_port() {
    let cache = TestCache::new();
    let mut journal = String::new();
    for index in 0..40u32 {
        let address = format!("198.51.100.{}", index / 5);
        journal += &line(f64::from(index) * 60.0, "/bin/rotates", 5, &address, 443);
        // A private address in between, which the repetitive interval does not look at.
        journal += &line(f64::from(index) * 60.0 + 31.0, "/bin/rotates", 5, "10.0.0.9", 443);
    }
    cache.import(journal);
    let by_process = "SELECT max(number_of_connections) FROM beacon_candidates
                      WHERE destination <> '10.0.0.9'";
    assert_eq!(column(&cache, by_process), ["5"]);
    let rows = cache
        .query(
            NOW_MS,
            "SELECT tuple, destination, domain, destination_scope, destination_count, destinations,
                    number_of_connections, beacon_hours, most_frequent_interval, detected_by
             FROM beacon_candidates WHERE group_by = 'process_port'",
        )
        .unwrap();
    let expected = "*::443||||9|10.0.0.9, 198.51.100.0, 198.51.100.1, 198.51.100.2, 198.51.100.3, \
                    198.51.100.4, 198.51.100.5, 198.51.100.6 and 1 more|80|1|60|\
                    fixed_interval,repetitive_interval,periodic";
    assert_eq!(rows, [expected.split('|').map(str::to_owned).collect::<Vec<_>>()]);
}

#[test]
fn a_tuple_shows_its_latest_process_and_a_mixed_protocol_as_none() {
    let cache = TestCache::new();
    let mut journal = String::new();
    for index in 0..6 {
        journal += &line(
            f64::from(index) * 60.0,
            ["/bin/a", "/bin/b"][index as usize % 2],
            5,
            "192.0.2.9",
            53,
        );
    }
    journal += &line(360.0, "/bin/c", 6, "192.0.2.9", 53).replace("tcp", "udp");
    cache.import(journal);
    let rows = cache
        .query(
            NOW_MS,
            "SELECT pathname, sophosPID, pid, protocol, process_count, number_of_connections
             FROM beacon_candidates WHERE group_by = 'tuple'",
        )
        .unwrap();
    assert_eq!(rows, [["/bin/c", "6:0", "6", "", "3", "7"]]);
}

#[test]
fn a_timeline_is_in_order_with_its_intervals() {
    let cache = two_clocks();
    let rows = cache
        .query(
            NOW_MS,
            "SELECT time, interval, tuple FROM beacon_connections
             WHERE destination = '203.0.113.3'",
        )
        .unwrap();
    let start = START_MS / 1000;
    let tuple = "203.0.113.3::443".to_owned();
    let expected = [(10, ""), (700, "690.0"), (9000, "8300.0")].map(|(second, interval)| {
        vec![(start + second).to_string(), interval.to_owned(), tuple.clone()]
    });
    assert_eq!(rows, expected);
    let from = "SELECT count(*) || ' ' || count(interval) FROM beacon_connections
                WHERE pathname = '/bin/visitor' AND time >=";
    assert_eq!(column(&cache, &format!("{from} {}", start + 700)), ["2 1"]);
    assert_eq!(column(&cache, &format!("{from} {} AND time < {}", start, start + 700)), ["1 0"]);
    let first = "SELECT time FROM beacon_connections WHERE tuple LIKE '%' AND row_limit = 1";
    assert_eq!(column(&cache, first), [(start + 10).to_string()]);
    for sql in [
        "SELECT * FROM beacon_connections",
        "SELECT * FROM beacon_connections WHERE host = 'x'",
        "SELECT * FROM beacon_connections WHERE pathname GLOB '*'",
    ] {
        assert!(error(&cache, sql).contains("say which with = or LIKE"), "{sql}");
    }
}

#[test]
fn status_tells_of_sources_cache_and_the_last_query() {
    let cache = two_clocks();
    cache.import("time,destination,destinationport\n1777881600,192.0.2.1,53\nyesterday,x,1\n");
    let rows = cache
        .query(
            NOW_MS,
            "SELECT source, state, events_total, events_duplicate, events_rejected, lag_seconds > 0,
                    groups, last_query_rows, cache_path <> '', version
             FROM beacon_status",
        )
        .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        rows,
        [
            ["journal", "imported", "64", "0", "1", "1", "", "", "0", version],
            ["cache", "reading", "64", "", "", "1", "4", "", "1", version],
        ]
    );
    // Of the last query, and what row_limit kept from it.
    let tables = Tables::new(cache.path());
    let context = QueryContext {
        constraints: vec![equal("include_all", "1"), equal("row_limit", "3")],
        ..QueryContext::default()
    };
    tables.generate(Table::BeaconCandidates, &context, NOW_MS).unwrap();
    let status = tables.generate(Table::BeaconStatus, &QueryContext::default(), NOW_MS).unwrap();
    let cell = |name: &str| {
        let columns = Table::BeaconStatus.visible_columns();
        let index = columns.iter().position(|column| column.name == name).unwrap();
        status.last().unwrap()[index].clone()
    };
    assert_eq!((cell("last_query_rows"), cell("rows_cut")), (3i64.into(), 1i64.into()));
    assert_eq!(cell("last_query_blocks"), 4i64.into());
}

/// Every row of a default query is among those of all groups, and no other that a detector names.
#[test]
fn what_summaries_rule_out_no_detector_names() {
    let mut runner = runner(48);
    runner
        .run(&(timelines(), 0..90_000i64, 0..90_000i64), |(timelines, skipped_s, left_s)| {
            let cache = TestCache::new();
            cache.import(journal_of(&timelines));
            let window = format!(
                "since = {} AND until = {}",
                START_S + skipped_s.min(left_s),
                START_S + skipped_s.max(left_s),
            );
            for group_by in ["process", "process_instance", "tuple", "process_port"] {
                let columns = "tuple, pathname, number_of_connections, min_interval, max_interval,
                     average_interval, median_interval, beacon_score, detected_by";
                let rows = |more: &str| {
                    cache.query(
                        NOW_MS,
                        &format!(
                            "SELECT {columns} FROM beacon_candidates
                         WHERE {window} AND group_by = '{group_by}' {more} ORDER BY 1, 2, 3"
                        ),
                    )
                };
                let named = rows("").unwrap();
                let all = rows("AND include_all = 1 AND detected_by <> ''").unwrap();
                prop_assert_eq!(named, all, "{}", group_by);
            }
            Ok(())
        })
        .unwrap();
}

/// What a column shows does not depend on which others are asked for, nor on what had to be read.
#[test]
fn a_column_is_the_same_alone_and_among_all() {
    let mut runner = runner(6);
    runner
        .run(&timelines(), |timelines| {
            let cache = TestCache::new();
            cache.import(journal_of(&timelines));
            let groupings = ["process", "process_instance", "process_port", "tuple"];
            let all_and_named =
                groupings.iter().flat_map(|group_by| [(group_by, 1), (group_by, 0)]);
            for (group_by, include_all) in all_and_named {
                let condition = format!(
                    "WHERE since = {START_S} + 500 AND group_by = '{group_by}'
                           AND include_all = {include_all}"
                );
                let key = "tuple, pathname, sophosPID";
                for column in Table::BeaconCandidates.visible_columns() {
                    let name = column.name;
                    let alone =
                        format!("SELECT {name} FROM beacon_candidates {condition} ORDER BY 1");
                    let among_all = format!(
                        "WITH rows AS MATERIALIZED
                             (SELECT * FROM beacon_candidates {condition} ORDER BY {key})
                         SELECT {name} FROM rows ORDER BY 1"
                    );
                    let (alone, among_all) =
                        (cache.query(NOW_MS, &alone), cache.query(NOW_MS, &among_all));
                    prop_assert_eq!(alone.unwrap(), among_all.unwrap(), "{} {}", name, group_by);
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_query_that_takes_too_long_ends_with_an_error_and_no_rows() {
    let cache = two_clocks();
    let tables = Tables::new(cache.path()).with_budget(Duration::ZERO);
    let failed = tables.generate(Table::BeaconCandidates, &QueryContext::default(), NOW_MS);
    let message = failed.unwrap_err().to_string();
    assert!(message.contains("took longer than its 0s"), "{message}");
}

fn runner(cases: u32) -> TestRunner {
    let (rng_seed, failure_persistence) = (RngSeed::Fixed(11), None);
    TestRunner::new(ProptestConfig {
        cases,
        rng_seed,
        failure_persistence,
        ..ProptestConfig::default()
    })
}

const START_S: i64 = NOW_MS / 1000 - 86_400;

/// Offsets of connections, in milliseconds, of some destinations: timers with and without jitter,
/// bursts and what comes at random, in few and many connections.
fn timelines() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let timeline = (
        0..1800u32,
        prop_oneof![1..90_000i64, 60_000..61_000i64, Just(30_000)],
        prop_oneof![Just(0.0), 0.0..1.0f64],
        prop_oneof![Just(0.0), 0.0..0.6f64],
        any::<u64>(),
    );
    let offsets = timeline.prop_map(|(count, period_ms, jitter, burst, seed)| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut time_ms = 0;
        let times = (0..count).map(|_| {
            let factor = 1.0 + jitter * random.random_range(-1.0..1.0);
            let is_burst = random.random_bool(burst);
            time_ms += if is_burst { 300 } else { (period_ms as f64 * factor) as i64 };
            time_ms
        });
        times.take_while(|time_ms| *time_ms < 86_400_000).collect()
    });
    prop::collection::vec(offsets, 1..5)
}

/// A journal of a public and a private address by turns, of two processes.
fn journal_of(timelines: &[Vec<i64>]) -> String {
    let mut journal = "time,pathname,pid,destination,destinationport,bytes_sent\n".to_owned();
    for (index, offsets) in timelines.iter().enumerate() {
        let network = if index % 2 == 0 { "198.51.100" } else { "10.0.0" };
        for (number, offset) in offsets.iter().enumerate() {
            let time = (START_S * 1000 + offset) as f64 / 1000.0;
            journal += &format!(
                "{time},/bin/{},{},{network}.{index},443,{}\n",
                index % 3,
                number % 2 + 1,
                number % 7,
            );
        }
    }
    journal
}

/// The times of a group that never rests are tallied block by block, but where instances are kept apart:
/// the rows are the same.
#[test]
fn a_group_that_never_rests_has_the_row_of_its_only_instance() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut journal =
        String::from("time,pathname,pid,destination,destinationport,bytes_sent,bytes_received\n");
    let mut time_ms = START_S * 1000;
    for _ in 0..9000 {
        // Now and then more than a second apart, which parts check-ins.
        time_ms += random.random_range(0..1024);
        let (sent, received) = (random.random_range(0..900), random.random_range(0..9000));
        let time = time_ms as f64 / 1000.0;
        journal += &format!("{time},/bin/busy,7,198.51.100.1,443,{sent},{received}\n");
    }
    let cache = TestCache::new();
    cache.import(journal);
    for (since_s, until_s) in [(0, 86_400), (300, 4000)] {
        for columns in [
            "*",
            "median_interval, stddev_interval",
            "checkins, period, jitter, missed_checkins",
            "rita_score, sparkline",
        ] {
            let row = |group_by: &str| {
                let sql = format!(
                    "SELECT {columns} FROM beacon_candidates
                     WHERE group_by = '{group_by}' AND min_average_interval = 0
                       AND since = {} AND until = {}",
                    START_S + since_s,
                    START_S + until_s,
                );
                cache.query(NOW_MS, &sql).unwrap()
            };
            assert_eq!(row("process").len(), 1);
            assert_eq!(row("process"), row("process_instance"), "{columns} {since_s}");
        }
    }
}

/// A large cache is examined by two threads, whose rows come together as one alone would have them.
#[test]
fn a_large_cache_gives_the_same_rows_as_a_small_one() {
    let mut journal = String::new();
    for group in 0..120 {
        // Alike in score and tuple: only the number of the group tells them apart.
        for index in 0..(8 + group % 7) {
            let at = f64::from(1000 + group + index * 60);
            journal += &line(at, &format!("/bin/{group}"), 100 + group, "198.51.100.1", 443);
        }
    }
    let (small, large) = (TestCache::new(), TestCache::new());
    small.import(journal.as_str());
    large.import(journal);
    let cmdline = "x".repeat(3000);
    let long_ago = (0..1000).map(|index| {
        format!(
            "{{\"time\":{},\"pathname\":\"/bin/a\",\"pid\":{index},\"cmdline\":\"{cmdline}\",\
             \"destination\":\"192.0.2.1\",\"destinationport\":443}}\n",
            START_MS / 1000 - 1_000_000 + i64::from(index),
        )
    });
    large.import(long_ago.collect::<String>());
    assert!(std::fs::metadata(large.path()).unwrap().len() > 2 << 20);
    for (condition, rows_returned) in [("", 120), ("WHERE row_limit = 50", 50)] {
        let rows = |cache: &TestCache| {
            let sql = format!("SELECT * FROM beacon_candidates {condition}");
            cache.query(NOW_MS, &sql).unwrap()
        };
        assert_eq!(rows(&large), rows(&small));
        assert_eq!(rows(&small).len(), rows_returned);
    }
    // What each has read is counted together.
    let all = QueryContext::default();
    assert_eq!(blocks_decoded(&large, &all), blocks_decoded(&small, &all));
}

/// How many blocks a query of beacon_candidates decodes.
fn blocks_decoded(cache: &TestCache, context: &QueryContext) -> Value {
    let tables = Tables::new(cache.path());
    tables.generate(Table::BeaconCandidates, context, NOW_MS).unwrap();
    let all = QueryContext::default();
    let status = tables.generate(Table::BeaconStatus, &all, NOW_MS).unwrap();
    let columns = Table::BeaconStatus.visible_columns();
    let blocks = columns.iter().position(|column| column.name == "last_query_blocks").unwrap();
    // The row of the cache, after those of its sources.
    status.last().unwrap()[blocks].clone()
}

/// Deviations add up over blocks, and a lone block knows its median: the rest is decoded, as is what
/// the window cuts.
#[test]
fn how_intervals_are_spread_takes_no_decoding_where_summaries_tell() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut journal = String::new();
    for (pathname, connections) in [("/bin/few", 50), ("/bin/many", 5000), ("/bin/once", 1)] {
        let mut second = 1000.0;
        for _ in 0..connections {
            second += f64::from(random.random_range(0..20_000)) / 1000.0;
            journal += &line(second, pathname, 1, "198.51.100.1", 443);
        }
    }
    let cache = TestCache::new();
    cache.import(journal);
    let since = (START_MS / 1000 + 1100).to_string();
    for (columns, since, blocks) in [
        ("stddev_interval", None, 0i64),
        ("median_interval", None, 3),
        ("stddev_interval", Some(since.as_str()), 6),
    ] {
        let mut constraints = vec![equal("include_all", "1")];
        constraints.extend(since.map(|since| equal("since", since)));
        let columns_used = Some([columns.to_owned()].into());
        let context = QueryContext { constraints, columns_used };
        assert_eq!(blocks_decoded(&cache, &context), blocks.into(), "{columns} {since:?}");
        let rows = |more: &str| {
            let since = since.map_or(String::new(), |since| format!("AND since = {since}"));
            let sql = format!(
                "SELECT round({columns}, 2) {more} FROM beacon_candidates
                 WHERE include_all = 1 {since} ORDER BY 1"
            );
            column(&cache, &sql)
        };
        assert_eq!(rows(""), rows(", sparkline"), "{columns} {since:?}");
    }
}
