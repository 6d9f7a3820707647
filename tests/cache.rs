//! The cache: what is counted once, what is kept, who may open it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use beacon_candidates::beacon::sketch::VERSION;
use beacon_candidates::cache::{CacheError, Payloads, ReadAhead, Reader, Retention, Writer};
use beacon_candidates::host::embedded;
use beacon_candidates::table::Tables;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::random_journal::{START_MS, journal, ndjson};
use crate::support::{TestCache, hand_over, import_into};

const COUNT: &str = "SELECT coalesce(sum(number_of_connections), 0) FROM beacon_candidates
     WHERE include_all = 1 AND include_loopback = 1 AND since = 0";
/// Needs the connections themselves.
const SPARKLINE: &str = "SELECT sparkline FROM beacon_candidates
     WHERE include_all = 1 AND include_loopback = 1 AND since = 0";
const LATER_MS: i64 = START_MS + 10 * 86_400_000;

/// A journal of one group: a connection at each of these milliseconds after the start.
fn at(offsets_ms: impl IntoIterator<Item = i64>) -> String {
    let lines = offsets_ms.into_iter().map(|offset| {
        let time = (START_MS + offset) as f64 / 1000.0;
        format!(
            "{{\"time\":{time},\"pathname\":\"/bin/a\",\"pid\":7,\"destination\":\"192.0.2.1\",\
             \"destinationport\":443}}\n"
        )
    });
    lines.collect()
}

/// The times of that group in the cache, as milliseconds after the start.
fn times(cache: &TestCache) -> Vec<i64> {
    let reader = cache.reader();
    let (mut times, mut payloads) = (Vec::new(), Payloads::new(&reader));
    reader
        .outlines(everything(), |_, _, blocks| payloads.times(blocks, everything(), &mut times))
        .unwrap();
    times.iter().map(|time_ms| time_ms - START_MS).collect()
}

fn everything() -> beacon_candidates::beacon::Window {
    beacon_candidates::beacon::Window { since_ms: 0, until_ms: i64::MAX }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    /// The same file again, overlapping parts of it, and a pass that ended with its process after
    /// some batches: none of it changes a count.
    #[test]
    fn reading_again_adds_nothing(rows in journal(1000), batch in 1..40usize, cut in 0.0..1.0f64) {
        let whole = ndjson(&rows);
        let line_ends: Vec<_> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
        let killed_at = line_ends[(line_ends.len() as f64 * cut) as usize];

        let once = TestCache::new();
        once.import(whole.as_str());
        let expected = once.value(LATER_MS, COUNT);
        // Every row is a connection of its own, however many share its instant.
        prop_assert_eq!(&expected, &rows.len().to_string());

        let again = TestCache::new();
        again.import(whole.as_str());
        let second = again.import(whole.as_str());
        prop_assert_eq!(second.counts.added, 0);
        prop_assert_eq!(&again.value(LATER_MS, COUNT), &expected);

        let killed = TestCache::new();
        let mut writer = killed.writer().with_batch(batch);
        let (_, rejections) = hand_over(&mut writer, whole[..killed_at].into());
        prop_assert_eq!(rejections, []);
        drop(writer);
        import_into(&mut killed.writer().with_batch(batch), whole.clone().into());
        prop_assert_eq!(&killed.value(LATER_MS, COUNT), &expected);

        // Parts that overlap at a line: an instant that both parts hold counts as in the fuller
        // of the two, so only whole instants compare.
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| row.time_ms);
        let whole = ndjson(&sorted);
        let (first, second) = overlapping_halves(&sorted);
        let halves = TestCache::new();
        halves.import(ndjson(first));
        halves.import(ndjson(second));
        prop_assert_eq!(&halves.value(LATER_MS, COUNT), &expected);
        halves.import(whole);
        prop_assert_eq!(&halves.value(LATER_MS, COUNT), &expected);
    }

    /// However late connections arrive, a group's blocks hold them in order.
    #[test]
    fn late_connections_find_their_place(
        parts in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(0..100_000i64, 1..400),
                prop::collection::vec(99_000..100_000i64, 1..20),
            ],
            1..12,
        ),
    ) {
        let cache = TestCache::new();
        for part in &parts {
            cache.import(at(part.iter().copied()));
        }
        // Counted as often as in the pass that has it most often.
        let mut expected = std::collections::BTreeMap::new();
        for part in &parts {
            let mut counts = std::collections::BTreeMap::new();
            part.iter().for_each(|time| *counts.entry(*time).or_insert(0usize) += 1);
            for (time, count) in counts {
                let most = expected.entry(time).or_insert(0);
                *most = count.max(*most);
            }
        }
        let expected: Vec<_> =
            expected.into_iter().flat_map(|(time, count)| vec![time; count]).collect();
        prop_assert_eq!(times(&cache), expected);
    }
}

/// Polls that bring one connection each had the group's last block, of up to a thousand, written
/// again every time.
#[test]
fn what_trickles_in_waits_beside_the_large_block() {
    let cache = TestCache::new();
    let blocks = || -> Vec<i64> {
        let database = rusqlite::Connection::open(cache.path()).unwrap();
        let mut select =
            database.prepare("SELECT connections FROM block ORDER BY first_ms").unwrap();
        let blocks = select.query_map([], |row| row.get(0)).unwrap();
        blocks.map(Result::unwrap).collect()
    };
    cache.import(at(0..1000));
    for poll in 1000..1015 {
        cache.import(at([poll]));
        assert_eq!(blocks(), [1000, poll - 999]);
    }
    cache.import(at([1015]));
    assert_eq!(blocks(), [1016]);
    cache.import(at(1016..1030));
    cache.import(at(1030..1050));
    assert_eq!(blocks(), [1050]);
    // A late one goes where it belongs.
    cache.import(at([1050]));
    cache.import(at([1_000_000]));
    cache.import(at([2000]));
    assert_eq!(blocks(), [1050, 3]);
    assert!(times(&cache).into_iter().eq((0..=1050).chain([2000, 1_000_000])));
}

/// The first two thirds and the last two thirds, cut between instants.
fn overlapping_halves(
    sorted: &[crate::random_journal::Row],
) -> (&[crate::random_journal::Row], &[crate::random_journal::Row]) {
    let between = |share: usize| {
        let near = sorted.len() * share / 3;
        let time = sorted.get(near).map_or(i64::MAX, |row| row.time_ms);
        sorted.partition_point(|row| row.time_ms < time)
    };
    (&sorted[..between(2).max(1)], &sorted[between(1).min(between(2))..])
}

#[test]
fn the_window_is_cut_inside_a_block_and_both_its_ends_belong_to_it() {
    let cache = TestCache::new();
    cache.import(at((0..100).map(|second| second * 1000)));
    let count = |since: i64, now_ms: i64| {
        cache.value(
            now_ms,
            &format!(
                "SELECT number_of_connections FROM beacon_candidates
                 WHERE include_all = 1 AND since = {since}"
            ),
        )
    };
    let start = START_MS / 1000;
    assert_eq!(count(start + 10, START_MS + 20_000), "11");
    assert_eq!(count(start + 10, START_MS + 19_999), "10");
    assert_eq!(count(start + 99, START_MS + 99_000), "1");
}

#[test]
fn a_start_that_becomes_known_later_makes_one_instance_and_a_pid_used_again_two() {
    let line = |time: i64, start: &str| {
        format!(
            "{{\"time\":{},\"pathname\":\"/bin/a\",\"pid\":7,{start}\"destination\":\"192.0.2.1\",\
             \"destinationport\":443}}\n",
            START_MS / 1000 + time
        )
    };
    let start = |time: i64| format!("\"process_start_time\":{},", START_MS / 1000 + time);
    let ids = "SELECT process_count, sophosPID FROM beacon_candidates
               WHERE include_all = 1 AND since = 0";

    let later = TestCache::new();
    let journal = [line(10, ""), line(20, &start(5)), line(30, "")].concat();
    later.import(journal.as_str());
    let filetime = (START_MS / 1000 + 5 + 11_644_473_600) * 10_000_000;
    assert_eq!(later.query(LATER_MS, ids).unwrap(), [["1".to_owned(), format!("7:{filetime}")]]);
    assert_eq!(later.import(journal).counts.added, 0);

    let reused = TestCache::new();
    let journal = [line(10, ""), line(20, &start(15)), line(30, "")].concat();
    reused.import(journal.as_str());
    assert_eq!(reused.query(LATER_MS, ids).unwrap()[0][0], "2");
    assert_eq!(reused.import(journal).counts.added, 0);
}

/// Two lives of a pid, whose starts are learnt only after their connections: importing the
/// connections again counted those of the second life twice.
#[test]
fn starts_learnt_later_do_not_make_old_connections_new() {
    let line = |time: i64, start: &str| {
        format!(
            "{{\"time\":{time},\"pathname\":\"/bin/a\",\"pid\":1,{start}\"destination\":\"192.0.2.1\",\
             \"destinationport\":443}}\n"
        )
    };
    let start = |time: i64| format!("\"process_start_time\":{time},");
    let unknown = [line(1000, ""), line(5000, "")].concat();
    let known = [line(1000, &start(900)), line(5000, &start(4000))].concat();
    let cache = TestCache::new();
    for (journal, added) in [(&unknown, 2), (&known, 0), (&unknown, 0), (&known, 0)] {
        assert_eq!(cache.import(journal.as_str()).counts.added, added);
    }
}

#[test]
fn windows_paths_group_whatever_their_case_and_show_as_last_written() {
    let cache = TestCache::new();
    for (time, pathname) in [(1, "C:\\\\Tools\\\\A.exe"), (3, "c:\\\\TOOLS\\\\a.exe"), (2, "x")] {
        cache.import(format!(
            "{{\"time\":{time},\"pathname\":\"{pathname}\",\"pid\":7,\"destination\":\
             \"192.0.2.1\",\"destinationport\":443}}\n"
        ));
    }
    let rows = cache
        .query(
            LATER_MS,
            "SELECT pathname, number_of_connections FROM beacon_candidates
             WHERE include_all = 1 AND since = 0 ORDER BY 1",
        )
        .unwrap();
    assert_eq!(rows, [["c:\\TOOLS\\a.exe", "2"], ["x", "1"]]);
}

#[test]
fn what_is_older_than_the_retention_goes_to_the_day() {
    let cache = TestCache::new();
    let hour = 3_600_000;
    cache.import(at((0..24 * 40).map(|hours| hours * hour)));
    let mut writer = cache.writer();
    let removed = writer.remove_expired(START_MS + 40 * 24 * hour).unwrap();
    assert_eq!(removed, 240);
    assert_eq!(writer.remove_expired(START_MS + 40 * 24 * hour + hour).unwrap(), 0);
    drop(writer);
    assert_eq!(times(&cache).first(), Some(&(240 * hour)));
    // What went may come again.
    assert_eq!(cache.import(at([0])).counts.added, 1);
}

#[test]
fn the_latest_connection_is_that_of_all_passes_until_none_is_left() {
    let cache = TestCache::new();
    let last_ms = || {
        let reader = cache.reader();
        let last_ms = reader.last_ms().unwrap();
        assert_eq!(last_ms, reader.totals().unwrap().last_ms);
        last_ms.map(|last_ms| last_ms - START_MS)
    };
    drop(cache.writer());
    assert_eq!(last_ms(), None);
    for (times, latest) in [([5, 9], 9), ([2, 7], 9), ([9, 11], 11)] {
        cache.import(at(times));
        assert_eq!(last_ms(), Some(latest));
    }
    let mut writer = cache.writer();
    for day in 0..=40 {
        writer.remove_expired(START_MS + day * 86_400_000).unwrap();
    }
    drop(writer);
    assert_eq!(last_ms(), None);
    cache.import(at([3]));
    assert_eq!(last_ms(), Some(3));
}

#[test]
fn what_is_too_large_loses_its_oldest() {
    let cache = TestCache::new();
    let retention = Retention { max_bytes: 300 << 10, ..Retention::default() };
    let mut writer = Writer::open(&cache.path(), "a test", retention).unwrap();
    let mut removed = 0;
    let mut random: i64 = 1;
    for pass in 0..12 {
        let jittered = (0..20_000).map(|index| {
            random = random * 48_271 % 2_147_483_647;
            (pass * 20_000 + index) * 60_000 + random % 60_000
        });
        removed += import_into(&mut writer, at(jittered).into()).counts.removed;
    }
    drop(writer);
    let kept = times(&cache);
    assert!(removed > 0 && kept.len() as u64 + removed == 240_000, "{removed} removed");
    assert!(kept.last() > Some(&(239_999 * 60_000)));
    assert!(fs::metadata(cache.path()).unwrap().len() <= 300 << 10);
}

/// Command lines outweighed the connections, and all of these went.
#[test]
fn a_cache_full_of_command_lines_keeps_its_connections() {
    let cache = TestCache::new();
    let retention = Retention { max_bytes: 2 << 20, ..Retention::default() };
    let mut writer = Writer::open(&cache.path(), "a test", retention).unwrap();
    let cmdline = "x".repeat(3000);
    let journal: String = (0..2000)
        .map(|index| {
            format!(
                "{{\"time\":{},\"pathname\":\"/bin/a\",\"pid\":{index},\"cmdline\":\"{cmdline}\",\
                 \"destination\":\"192.0.2.{}\",\"destinationport\":443}}\n",
                START_MS / 1000 + index,
                index / 10,
            )
        })
        .collect();
    let counts = import_into(&mut writer, journal.into()).counts;
    drop(writer);
    let kept = 2000 - counts.removed;
    assert_eq!(cache.value(LATER_MS, COUNT), kept.to_string());
    assert!((100..700).contains(&kept), "{kept} kept");
    assert!(fs::metadata(cache.path()).unwrap().len() <= 2 << 20);
}

#[test]
fn a_pass_that_is_abandoned_leaves_nothing_to_the_next() {
    let cache = TestCache::new();
    let mut writer = cache.writer().with_batch(2);
    let (_, rejections) = hand_over(&mut writer, at([0, 1, 2, 3, 4]).into());
    assert_eq!(rejections, []);
    writer.abandon_pass().unwrap();
    let next = import_into(&mut writer, at([4, 5]).into()).counts;
    assert_eq!((next.added, next.duplicates), (2, 0));
    let again = import_into(&mut writer, at([0, 1, 2, 3, 4, 5]).into()).counts;
    assert_eq!((again.added, again.duplicates), (0, 6));
}

#[test]
fn one_writes_and_the_others_are_told_who() {
    let cache = TestCache::new();
    let mut writer = cache.writer();
    let refused = Writer::open(&cache.path(), "another", Retention::default()).err().unwrap();
    assert!(matches!(refused, CacheError::Locked { .. }), "{refused}");
    let this_process = format!("a test (process {})", std::process::id());
    assert!(refused.to_string().contains(&this_process), "{refused}");
    // Hypothesis goes on beside it.
    import_into(&mut writer, at([0, 1, 2]).into());
    assert_eq!(cache.value(LATER_MS, COUNT), "3");
    drop(writer);
    cache.writer();
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_open_it() {
    use std::os::unix::fs::PermissionsExt;
    let cache = TestCache::new();
    let path = cache.folder().join("new").join("cache.sqlite");
    Writer::open(&path, "a test", Retention::default()).unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap().to_owned()), 0o700);
    assert_eq!(mode(path), 0o600);
}

#[test]
fn a_damaged_cache_is_moved_aside_by_the_writer_and_only_reported_by_a_reader() {
    let cache = TestCache::new();
    cache.import(at([0, 60_000]));
    let mut bytes = fs::read(cache.path()).unwrap();
    bytes[16..4096].fill(0x55);
    fs::write(cache.path(), &bytes).unwrap();

    let reported = Reader::open(&cache.path()).err().unwrap();
    assert!(matches!(reported, CacheError::Damaged { .. }), "{reported}");
    assert_eq!(fs::read(cache.path()).unwrap(), bytes);

    cache.import(at([0]));
    assert_eq!(cache.value(LATER_MS, COUNT), "1");
    let said = cache.value(LATER_MS, "SELECT last_error FROM beacon_status WHERE source = 'cache'");
    let aside = fs::read_dir(cache.folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("cache.sqlite.damaged-"))
        .unwrap();
    assert!(said.contains(&*aside.to_string_lossy()), "{said}");
    assert_eq!(fs::read(aside).unwrap(), bytes);
}

#[test]
fn a_block_that_does_not_decode_is_damage_too() {
    let cache = TestCache::new();
    cache.import(at([0, 60_000]));
    let database = rusqlite::Connection::open(cache.path()).unwrap();
    database.execute("UPDATE payload SET bytes = x'01ff'", []).unwrap();
    drop(database);
    let failed = cache.query(LATER_MS, SPARKLINE).unwrap_err();
    assert!(failed.contains("damaged"), "{failed}");

    let mut writer = cache.writer().with_batch(1);
    let event = beacon_candidates::journal::ConnectionEvent {
        time_ms: START_MS,
        host: "",
        process: beacon_candidates::journal::Process {
            pathname: "/bin/a",
            pid: Some(7),
            start: None,
            cmdline: "",
        },
        destination: "192.0.2.1",
        port: 443,
        protocol: beacon_candidates::journal::Protocol::Unknown,
        domain: "",
        bytes_sent: None,
        bytes_received: None,
        record_id: None,
    };
    let error = writer.connection(&event).unwrap_err();
    assert!(error.is_damage(), "{error}");
    let mut writer = writer.replace_damaged(&error).unwrap();
    import_into(&mut writer, at([0]).into());
    drop(writer);
    assert_eq!(cache.value(LATER_MS, COUNT), "1");
}

/// A summary without its payload was an error that named neither file nor remedy.
#[test]
fn a_payload_that_is_missing_is_damage() {
    let cache = TestCache::new();
    cache.import(at([0, 60_000]));
    let database = rusqlite::Connection::open(cache.path()).unwrap();
    database.execute("DELETE FROM payload", []).unwrap();
    drop(database);
    let failed = cache.query(LATER_MS, SPARKLINE).unwrap_err();
    let path = cache.path().display().to_string();
    assert!(failed.contains("damaged") && failed.contains(&path), "{failed}");
}

#[cfg(unix)]
#[test]
fn a_cache_may_have_any_name_but_not_be_a_folder() {
    let cache = TestCache::new();
    cache.import(at([0, 60_000, 120_000]));
    let odd = cache.folder().join("100% odd?#name");
    fs::create_dir(&odd).unwrap();
    fs::rename(cache.path(), odd.join("cache.sqlite")).unwrap();
    let uri = odd.join("cache.sqlite");
    assert_eq!(Reader::open(&uri).unwrap().totals().unwrap().connections, 3);
    let folder_is_no_cache = Reader::open(&odd).err().unwrap();
    assert!(folder_is_no_cache.to_string().contains("it is a folder"), "{folder_is_no_cache}");
}

#[test]
fn a_file_that_is_no_cache_is_left_alone() {
    let cache = TestCache::new();
    let journal = at([0]);
    for content in [journal.as_bytes(), b"SQLite format 3\0 but no more"] {
        let path = cache.folder().join("precious");
        fs::write(&path, content).unwrap();
        let by_reader = Reader::open(&path).err().unwrap();
        // Twice: the first must leave nothing that makes the second take it for a cache.
        let by_writer =
            [1, 2].map(|_| Writer::open(&path, "a test", Retention::default()).err().unwrap());
        for refused in by_writer.iter().chain([&by_reader]) {
            assert!(matches!(refused, CacheError::NotACache(_)), "{refused}");
        }
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let path = cache.folder().join("other.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (a)").unwrap();
    let refused = Writer::open(&path, "a test", Retention::default()).err().unwrap();
    assert!(matches!(refused, CacheError::NotACache(_)), "{refused}");
}

/// An older program met the cache of a newer one and collected nothing until somebody removed the file.
#[test]
fn a_cache_of_a_newer_version_is_moved_aside_by_the_writer_and_only_reported_by_a_reader() {
    let cache = TestCache::new();
    cache.import(at([0, 60_000]));
    let database = rusqlite::Connection::open(cache.path()).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let content = fs::read(cache.path()).unwrap();

    let reported = Reader::open(&cache.path()).err().unwrap();
    assert!(matches!(reported, CacheError::Newer { found: 99, .. }), "{reported}");
    assert_eq!(fs::read(cache.path()).unwrap(), content);

    cache.import(at([0]));
    assert_eq!(cache.value(LATER_MS, COUNT), "1");
    let said = cache.value(LATER_MS, "SELECT last_error FROM beacon_status WHERE source = 'cache'");
    let aside = fs::read_dir(cache.folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("cache.sqlite.newer-"))
        .unwrap();
    assert!(said.contains(&*aside.to_string_lossy()) && said.contains("format 99"), "{said}");
    assert_eq!(fs::read(&aside).unwrap(), content);
    // Once only: the new one is there now.
    cache.import(at([60_000]));
    assert_eq!(cache.value(LATER_MS, COUNT), "2");
}

/// Whatever stands in a sketch of another version, it rules nothing out.
#[test]
fn sketches_of_another_version_are_not_used_and_made_anew() {
    let cache = TestCache::new();
    cache.import(at((0..3_000).map(|index| index * 60_000)));
    const FOUND: &str = "SELECT number_of_connections, median_interval, detected_by
                         FROM beacon_candidates WHERE since = 0";
    let expected = cache.query(LATER_MS, FOUND).unwrap();
    assert_eq!(expected, [["3000", "60.0", "fixed_interval,repetitive_interval,periodic"]]);
    let database = rusqlite::Connection::open(cache.path()).unwrap();
    let rows = || -> Vec<Vec<u8>> {
        let mut select = database.prepare("SELECT summary FROM block ORDER BY first_ms").unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let before = rows();
    for row in &before {
        // As if there were no interval and no check-in.
        let version = VERSION.to_le_bytes();
        let at = row.windows(2).position(|bytes| bytes == version).unwrap();
        let mut other = row[..at].to_vec();
        other.extend(VERSION.wrapping_add(1).to_le_bytes());
        other.extend([0; 60]);
        let id: i64 = database
            .query_row("SELECT id FROM block WHERE summary = ?1", [row], |row| row.get(0))
            .unwrap();
        other.extend(checksum(id, &other).to_le_bytes());
        database.execute("UPDATE block SET summary = ?1 WHERE summary = ?2", (other, row)).unwrap();
    }
    database.execute("UPDATE sketches SET version = 1", []).unwrap();
    assert_eq!(cache.query(LATER_MS, FOUND).unwrap(), expected);
    let mut writer = cache.writer();
    assert_eq!(cache.query(LATER_MS, FOUND).unwrap(), expected);
    while writer.continue_upgrade(Duration::ZERO).unwrap() {}
    assert_eq!(rows(), before);
    assert_eq!(cache.query(LATER_MS, FOUND).unwrap(), expected);
}

/// A block that cannot be decoded stopped an upgrade, or the cache went with it.
#[test]
fn an_upgrade_leaves_a_block_that_does_not_decode_to_those_who_read_it() {
    let cache = TestCache::new();
    cache.import(at((0..5_000).map(|index| index * 60_000)));
    let database = rusqlite::Connection::open(cache.path()).unwrap();
    let last = "id = (SELECT max(id) FROM payload)";
    database.execute(&format!("UPDATE payload SET bytes = x'01ff' WHERE {last}"), []).unwrap();
    database.execute("UPDATE block SET summary = substr(summary, 2)", []).unwrap();
    database.execute("UPDATE sketches SET version = 0, are_checked = FALSE", []).unwrap();
    let of_this_version = || -> i64 {
        let sql = "SELECT count(*) FROM block WHERE hex(substr(summary, 1, 1)) = '00'";
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(of_this_version(), 0);
    let mut writer = cache.writer();
    while writer.continue_upgrade(Duration::ZERO).unwrap() {}
    drop(writer);
    assert_eq!(of_this_version(), 2);
    let without: i64 = database
        .query_row("SELECT count(*) FROM payload WHERE substr(bytes, 1, 1) <> x'00'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(without, 1);
    assert!(cache.query(LATER_MS, COUNT).unwrap_err().contains("damaged"));
}

/// As the cache has it.
fn checksum(id: i64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(id as u32 ^ (id >> 32) as u32);
    hasher.update(bytes);
    hasher.finalize()
}

/// Of 2,572 damages 598 changed an answer without a word.
#[test]
fn a_flipped_bit_in_a_block_is_an_error_that_names_the_group() {
    let cache = TestCache::new();
    cache.import(at((0..3_000).map(|index| index * 60_000 + index % 7 * 131)));
    let expected = cache.query(LATER_MS, SPARKLINE).unwrap();
    let database = rusqlite::Connection::open(cache.path()).unwrap();
    for (table, column) in [("payload", "bytes"), ("block", "summary")] {
        let stored: Vec<u8> = database
            .query_row(&format!("SELECT {column} FROM {table} ORDER BY id LIMIT 1"), [], |row| {
                row.get(0)
            })
            .unwrap();
        let put = |bytes: &[u8]| {
            let first = format!("(SELECT min(id) FROM {table})");
            let sql = format!("UPDATE {table} SET {column} = ?1 WHERE id = {first}");
            database.execute(&sql, [bytes]).unwrap();
        };
        for bit in (0..stored.len() * 8).step_by(stored.len() / 8) {
            let mut damaged = stored.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            put(&damaged);
            let error = cache.query(LATER_MS, SPARKLINE).unwrap_err();
            assert!(error.contains("/bin/a to 192.0.2.1, port 443"), "{table}, bit {bit}: {error}");
        }
        put(&stored);
        assert_eq!(cache.query(LATER_MS, SPARKLINE).unwrap(), expected);
    }
}

/// A page at a time, a question over a cache that was not in memory took five times as long as
/// reading the file in turn.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_not_in_memory_is_read_ahead() {
    use rustix::fs::{Advice, fadvise};

    use crate::live_collection::wait_until;
    const LENGTH: u64 = 4 << 20;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("cache.sqlite");
    fs::write(&path, vec![7; LENGTH as usize]).unwrap();
    let file = fs::File::open(&path).unwrap();
    // Of util-linux, to look without touching.
    let in_memory = || -> Option<u64> {
        let mut fincore = std::process::Command::new("fincore");
        let output =
            fincore.args(["--bytes", "--noheadings", "--output", "RES"]).arg(&path).output();
        Some(String::from_utf8(output.ok()?.stdout).unwrap().trim().parse().unwrap())
    };
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    if in_memory().is_none_or(|bytes| bytes > LENGTH / 2) {
        return; // no such tool, or a file system that is nowhere else
    }
    ReadAhead::default().begin(&path);
    wait_until("in memory", Duration::from_secs(20), || in_memory() >= Some(LENGTH));
}

/// A writer opened and closed the file before SQLite did, which took the locks of readers in the same
/// process away; another process that then was the last to close the cache would have removed its log.
#[cfg(target_os = "linux")]
#[test]
fn readers_keep_their_locks_whoever_opens_the_file_beside_them() {
    use std::os::unix::fs::MetadataExt;

    use crate::live_collection::wait_until;
    let cache = TestCache::new();
    cache.import(at([0, 60_000]));
    let inode = fs::metadata(cache.path()).unwrap().ino();
    let of_us = format!(" {} ", std::process::id());
    let locks = || {
        let all = fs::read_to_string("/proc/locks").unwrap();
        let on_the_file = format!(":{inode} ");
        all.lines().filter(|lock| lock.contains(&of_us) && lock.contains(&on_the_file)).count()
    };
    // While others lock files, the list may show one twice or not at all; what is lost stays so.
    let assert_locks = |expected| {
        let what = format!("{expected} locks");
        wait_until(&what, Duration::from_secs(5), || locks() == expected);
    };
    let reader = cache.reader();
    let last_ms: Result<_, CacheError> = reader.snapshot(Reader::last_ms);
    assert_eq!(last_ms.unwrap(), Some(START_MS + 60_000));
    assert_locks(1);
    drop(Writer::open(&cache.path(), "test", Retention::default()).unwrap());
    assert_locks(1);
    ReadAhead::default().begin(&cache.path());
    assert_locks(1);
    cache.query(LATER_MS, COUNT).unwrap();
    assert_locks(1);
    drop(reader);
    assert_locks(0);
}

/// To find a start among those of the same pid took as long as there were starts.
#[test]
fn many_starts_of_one_pid_are_told_apart() {
    let line = |time: i64, start: Option<i64>| {
        let start = start.map(|start| format!("\"process_start_time\":{start},"));
        format!(
            "{{\"time\":{time},\"pathname\":\"/bin/a\",\"pid\":7,{}\"destination\":\"192.0.2.1\",\
             \"destinationport\":443}}\n",
            start.unwrap_or_default()
        )
    };
    let first = START_MS / 1000;
    let cache = TestCache::new();
    let known: String =
        (0..3_000).map(|index| line(first + 8 * index + 1, Some(first + 8 * index))).collect();
    cache.import(known.as_str());
    // Without a start they belong to the latest that had started, and before all to none of them.
    let unknown: String = (-100..3_000).map(|index| line(first + 8 * index + 3, None)).collect();
    cache.import(unknown);
    assert_eq!(cache.import(known).counts.added, 0);
    let sql = "SELECT number_of_connections, count(*) FROM beacon_candidates
               WHERE group_by = 'process_instance' AND include_all = 1 AND since = 0
                 AND row_limit = 10000
               GROUP BY 1 ORDER BY 1";
    let expected = [["2".to_owned(), "3000".to_owned()], ["100".to_owned(), "1".to_owned()]];
    assert_eq!(cache.query(LATER_MS, sql).unwrap(), expected);
}

/// After `rm`, `mv` or a file renamed over it, an extension went on writing into a file without a name.
#[cfg(unix)]
#[test]
fn a_cache_that_is_removed_or_replaced_while_it_is_written_is_begun_anew() {
    let cache = TestCache::new();
    let with_suffix = |suffix: &str| cache.folder().join(format!("cache.sqlite{suffix}"));
    let mut writer = cache.writer();
    import_into(&mut writer, at([0, 1]).into());
    assert!(!writer.is_replaced());
    let changes: [&dyn Fn(); 3] = [
        &|| {
            ["", "-wal", "-shm"].iter().for_each(|suffix| {
                fs::remove_file(with_suffix(suffix)).unwrap();
            })
        },
        &|| fs::rename(cache.path(), cache.folder().join("moved")).unwrap(),
        &|| {
            fs::write(cache.folder().join("other"), []).unwrap();
            fs::rename(cache.folder().join("other"), cache.path()).unwrap();
        },
    ];
    for change in changes {
        change();
        assert!(writer.is_replaced());
        writer = writer.begin_again("a test").unwrap();
        import_into(&mut writer, at([2, 3, 4]).into());
        assert!(!writer.is_replaced());
        assert_eq!(cache.value(LATER_MS, COUNT), "3");
        let sql = "SELECT last_error FROM beacon_status WHERE source = 'cache'";
        let said = "the cache was removed or replaced while it was written";
        assert_eq!(cache.value(LATER_MS, sql), said);
    }
    // Without its log nothing would be read again.
    fs::remove_file(with_suffix("-wal")).unwrap();
    assert!(writer.is_replaced());
    drop(writer.begin_again("a test").unwrap());
    assert_eq!(cache.value(LATER_MS, COUNT), "3");
}

/// A view in place of a table made a query run for ever, and a name of 800 MB ended the process.
#[test]
fn a_cache_that_somebody_else_made_is_an_error() {
    for hostile in [
        "DROP TABLE block; CREATE VIEW block AS WITH RECURSIVE endless(id) AS
             (SELECT 1 UNION ALL SELECT id FROM endless)
         SELECT id AS group_id, id AS first_ms, id AS last_ms, id, id AS connections, id AS bytes,
                zeroblob(9) AS summary FROM endless",
        "CREATE TRIGGER t AFTER UPDATE ON source BEGIN DELETE FROM block; END",
        "UPDATE name SET text = CAST(zeroblob(20000000) AS TEXT) WHERE id = 1",
    ] {
        let cache = TestCache::new();
        cache.import(at([0, 60_000]));
        let database = rusqlite::Connection::open(cache.path()).unwrap();
        database.execute_batch(hostile).unwrap();
        drop(database);
        let error = cache.query(LATER_MS, SPARKLINE).unwrap_err();
        assert!(error.contains("damaged"), "{hostile}: {error}");
    }
}

/// The lock of a cache in somebody else's folder emptied whatever file they pointed it at.
#[cfg(unix)]
#[test]
fn symbolic_links_are_not_written_through() {
    for suffix in ["", ".lock", "-wal"] {
        let cache = TestCache::new();
        let victim = cache.folder().join("victim");
        fs::write(&victim, "precious").unwrap();
        let link = cache.folder().join(format!("cache.sqlite{suffix}"));
        std::os::unix::fs::symlink(&victim, link).unwrap();
        let refused = Writer::open(&cache.path(), "a test", Retention::default()).err().unwrap();
        assert!(refused.to_string().contains("symbolic link"), "{suffix}: {refused}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}

/// Three million processes of one group took four gigabytes.
#[test]
fn a_query_with_a_budget_is_bounded_in_memory() {
    let cache = TestCache::new();
    let journal: String = (0..60_000)
        .map(|pid| {
            format!(
                "{{\"time\":{},\"pathname\":\"/bin/a\",\"pid\":{pid},\"destination\":\
                 \"192.0.2.1\",\"destinationport\":443}}\n",
                START_MS / 1000 + pid / 10,
            )
        })
        .collect();
    cache.import(journal);
    let ask = |tables: Tables| {
        let connection = embedded::open(&Arc::new(tables), LATER_MS).unwrap();
        let sql = "SELECT count(*) FROM beacon_candidates
                   WHERE group_by = 'process_instance' AND since = 0 AND include_all = 1
                     AND row_limit = 10";
        connection.query_row(sql, [], |row| row.get::<_, u64>(0)).map_err(|error| error.to_string())
    };
    let budget = Duration::from_secs(3600);
    let refused = ask(Tables::new(cache.path()).with_budget(budget)).unwrap_err();
    assert!(refused.contains("takes more than 67.11 MB of memory"), "{refused}");
    // Who asks at a terminal may have more.
    assert_eq!(ask(Tables::new(cache.path())), Ok(10));
}
