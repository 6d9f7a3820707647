//! Statistics and detectors against plain SQL over the raw rows, run by SQLite itself.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rusqlite::{Connection, params};

use crate::random_journal::{Row, START_MS, journal, ndjson};
use crate::support::TestCache;

const DAY_MS: i64 = 86_400_000;

/// The raw rows in a table `connection`, without loopback, and those within the window only.
fn raw(rows: &[Row], since_ms: i64, until_ms: i64) -> Connection {
    let database = Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE TABLE connection (time_ms, pathname, pid, destination, port, protocol,
                                      bytes_sent, bytes_received)",
        )
        .unwrap();
    let mut insert =
        database.prepare("INSERT INTO connection VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)").unwrap();
    for row in rows {
        let is_loopback = matches!(row.destination, "127.0.0.1" | "::1");
        if !is_loopback && (since_ms..=until_ms).contains(&row.time_ms) {
            insert
                .execute(params![
                    row.time_ms,
                    row.pathname,
                    row.pid,
                    row.destination,
                    row.port,
                    row.protocol,
                    row.bytes_sent,
                    row.bytes_received
                ])
                .unwrap();
        }
    }
    drop(insert);
    database
}

fn rows_of(database: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = database.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns).map(|column| row.get_ref(column).map(crate::support::text)).collect()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn by_key(rows: Vec<Vec<String>>, key_columns: usize) -> BTreeMap<Vec<String>, Vec<String>> {
    rows.into_iter()
        .map(|mut row| {
            let values = row.split_off(key_columns);
            (row, values)
        })
        .collect()
}

/// Statistics of each group by window functions; `key` is a list of columns of `connection`.
fn statistics_sql(key: &str) -> String {
    format!(
        "WITH gap AS (
            SELECT *, time_ms - lag(time_ms) OVER (PARTITION BY {key} ORDER BY time_ms) AS gap
            FROM connection),
        placed AS (
            SELECT *, row_number() OVER (PARTITION BY {key}, gap IS NULL ORDER BY gap) AS place,
                   count(gap) OVER (PARTITION BY {key}) AS gaps,
                   avg(gap) OVER (PARTITION BY {key}) AS mean
            FROM gap)
        SELECT {key}, count(*), min(time_ms) / 1000, max(time_ms) / 1000,
               round(min(gap) / 1000.0, 4), round(max(gap) / 1000.0, 4),
               round(avg(gap) / 1000.0, 4), round(sum(gap) / 1000.0, 4),
               round(avg(gap) FILTER (WHERE place IN ((gaps + 1) / 2, (gaps + 2) / 2)) / 1000.0, 4),
               avg((gap - mean) * (gap - mean)),
               sum(bytes_sent), sum(bytes_received), count(DISTINCT pathname || ' ' || pid),
               count(DISTINCT destination)
        FROM placed GROUP BY {key}"
    )
}

const STATISTICS: &str = "number_of_connections, first_seen, last_seen, min_interval, max_interval,
    average_interval, sum_interval, median_interval, stddev_interval, bytes_sent, bytes_received,
    process_count, destination_count";

/// The place of the variance in [`statistics_sql`], after the key.
const VARIANCE: usize = 8;

/// Equal as text, or as numbers that rounding set apart in the fourth decimal.
fn agree(ours: &str, theirs: &str) -> bool {
    ours == theirs
        || match (ours.parse::<f64>(), theirs.parse::<f64>()) {
            (Ok(ours), Ok(theirs)) => (ours - theirs).abs() < 1.5e-4,
            _ => false,
        }
}

fn assert_agree(
    ours: BTreeMap<Vec<String>, Vec<String>>,
    theirs: BTreeMap<Vec<String>, Vec<String>>,
) {
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (key, ours) in ours {
        let theirs = &theirs[&key];
        let all_agree = ours.iter().zip(theirs).all(|(ours, theirs)| agree(ours, theirs));
        assert!(all_agree, "{key:?}:\nours   {ours:?}\ntheirs {theirs:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        rng_seed: RngSeed::Fixed(4242),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_statistic_of_every_grouping(
        rows in journal(1), window_start in 0..12 * 3_600_000i64, hours in 1..30i64,
    ) {
        let cache = TestCache::new();
        cache.import(ndjson(&rows));
        let now_ms = START_MS + window_start + hours * 3_600_000;
        let oracle = raw(&rows, START_MS + window_start, now_ms);
        for (group_by, ours_key, key) in [
            ("process", "pathname, destination, destinationport, protocol",
             "pathname, destination, port, protocol"),
            ("process_instance", "pathname, pid, destination, destinationport, protocol",
             "pathname, pid, destination, port, protocol"),
            ("tuple", "destination, destinationport", "destination, port"),
            ("process_port", "pathname, destinationport, protocol", "pathname, port, protocol"),
        ] {
            let ours = cache.query(now_ms, &format!(
                "SELECT {ours_key}, {STATISTICS} FROM beacon_candidates
                 WHERE group_by = '{group_by}' AND hours = {hours} AND include_all = 1"
            )).unwrap();
            let key_columns = key.split(',').count();
            let mut theirs = rows_of(&oracle, &statistics_sql(key));
            for row in &mut theirs {
                // Its square root, which this SQLite cannot take.
                let variance = &mut row[key_columns + VARIANCE];
                if let Ok(square_ms) = variance.parse::<f64>() {
                    *variance = (square_ms.sqrt() / 1000.0).to_string();
                }
            }
            assert_agree(by_key(ours, key_columns), by_key(theirs, key_columns));
        }
    }

    /// Groups that their summaries rule out are passed over: that must change no row.
    #[test]
    fn what_is_ruled_out_unread_would_not_have_been_named(
        rows in journal(1000), window_start in 0..12 * 3_600_000i64, spread in 0..3000i64,
        events in 0..20i64, average in 0..60i64,
    ) {
        let cache = TestCache::new();
        // In parts, for groups of several blocks, some of them late.
        for part in rows.chunks(rows.len() / 3 + 1) {
            cache.import(ndjson(part));
        }
        let now_ms = START_MS + window_start + 8 * 3_600_000;
        for group_by in ["process", "process_instance", "tuple", "process_port"] {
            let query = |more: &str| cache.query(now_ms, &format!(
                "SELECT * FROM beacon_candidates
                 WHERE group_by = '{group_by}' AND hours = 8 AND max_interval_spread = {spread}
                   AND min_average_interval = {average}
                   AND total_events_threshold = {events} AND percent_beacon_threshold = 30 {more}"
            )).unwrap();
            prop_assert_eq!(query(""), query("AND include_all = 1 AND detected_by <> ''"));
        }
    }

    /// The shape of the hunt that the fixed interval comes from: connections numbered within
    /// each tuple, each joined to the next by its number.
    #[test]
    fn the_sophos_hunt(rows in journal(1000), hours in 1..30i64) {
        let cache = TestCache::new();
        cache.import(ndjson(&rows));
        let now_ms = START_MS + 20 * 3_600_000;
        let oracle = raw(&rows, now_ms - hours * 3_600_000, now_ms);
        let theirs = rows_of(&oracle, "
            WITH numbered AS (
                SELECT destination || '::' || port AS tuple, time_ms / 1000 AS time, *,
                       row_number() OVER (PARTITION BY destination, port ORDER BY time_ms) AS n
                FROM connection),
            spaced AS (
                SELECT this.*, next.time - this.time AS spacing
                FROM numbered AS this LEFT JOIN numbered AS next
                    ON next.tuple = this.tuple AND next.n = this.n + 1)
            SELECT tuple, destination, port, count(*), min(spacing), max(spacing),
                   round(avg(spacing), 4), sum(spacing)
            FROM spaced GROUP BY tuple
            HAVING count(*) > 2 AND max(spacing) - min(spacing) < 10");
        let ours = cache.query(now_ms, &format!(
            "SELECT Tuple, Destination, DestinationPort, Number_of_Connections, Min_Interval,
                    Max_Interval, Average_Interval, Sum_Interval, SophosPID, PathName
             FROM beacon_candidates
             WHERE group_by = 'tuple' AND hours = {hours} AND min_average_interval = 0
               AND detected_by LIKE '%fixed_interval%'"
        )).unwrap();
        for row in &ours {
            let pid = row[8].split(':').next().unwrap();
            let is_of_group = rows.iter().any(|raw| {
                raw.pid.to_string() == pid && raw.pathname == row[9]
                    && raw.destination == row[1] && raw.port.to_string() == row[2]
            });
            assert!(is_of_group, "{row:?}");
        }
        let ours = ours.into_iter().map(|mut row| { row.truncate(8); row }).collect();
        assert_agree(by_key(ours, 3), by_key(theirs, 3));
    }

    /// The repetitive interval, by the hour and by group.
    #[test]
    fn the_sentinel_rule(rows in journal(1)) {
        let cache = TestCache::new();
        cache.import(ndjson(&rows));
        let now_ms = START_MS + 2 * DAY_MS;
        let oracle = raw(&rows, START_MS, now_ms);
        for (group_by, ours_key, key) in [
            ("tuple", "destination, destinationport", "destination, port"),
            ("process_port", "pathname, destinationport, protocol", "pathname, port, protocol"),
        ] {
            let theirs = rows_of(&oracle, &format!("
                WITH spaced AS (
                    SELECT *, time_ms / 3600000 AS hour,
                           lead(time_ms) OVER (PARTITION BY {key} ORDER BY time_ms) / 1000
                               - time_ms / 1000 AS spacing
                    FROM connection
                    WHERE port <> 0
                      AND destination IN ('198.51.100.7', '203.0.113.9', '2001:db8::5')),
                counted AS (
                    SELECT {key}, hour, spacing, count(*) AS times,
                           sum(count(*)) OVER (PARTITION BY {key}, hour) AS total
                    FROM spaced WHERE spacing > 10 GROUP BY {key}, hour, spacing),
                hourly AS (
                    SELECT {key}, hour, max(times) * 100.0 / total AS percent
                    FROM counted WHERE total > 15 GROUP BY {key}, hour)
                SELECT {key}, sum(percent > 95), round(max(percent), 4)
                FROM hourly GROUP BY {key} HAVING max(percent) > 95"));
            let ours = cache.query(now_ms, &format!(
                "SELECT {ours_key}, beacon_hours, beacon_percent FROM beacon_candidates
                 WHERE group_by = '{group_by}' AND hours = 48
                   AND detected_by LIKE '%repetitive_interval%'"
            )).unwrap();
            let key_columns = key.split(',').count();
            assert_agree(by_key(ours, key_columns), by_key(theirs, key_columns));
        }
    }
}
