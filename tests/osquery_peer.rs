//! The extension against a peer that we did not write: the official Python SDK as osquery.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::peer::{Extension, Host, Osquery, configured, log_of, request, signal, socket};
use crate::support::TestCache;

const SECOND: Duration = Duration::from_secs(1);

/// A host, a cache with a clock and a visitor of just now, and the extension registered.
struct Scene {
    extension: Extension,
    host: Host,
    cache: TestCache,
}

fn filled_cache() -> TestCache {
    let cache = TestCache::new();
    let now = jiff::Timestamp::now().as_second();
    let line = |second: i64, name: &str, address: &str| {
        format!(
            "{{\"time\":{},\"pathname\":\"/bin/{name}\",\"pid\":5,\"destination\":\"{address}\",\
             \"destinationport\":443}}\n",
            now - second
        )
    };
    let mut journal: String =
        (1..30).map(|index| line(index * 60, "clock", "198.51.100.1")).collect();
    for second in [100, 900, 5000] {
        journal += &line(second, "visitor", "203.0.113.7");
    }
    cache.import(journal);
    cache
}

impl Scene {
    fn set() -> Option<Scene> {
        let cache = filled_cache();
        let mut host = Host::start(&Osquery::without_events(&cache))?;
        let extension = Extension::start(&cache, &["--timeout", "10"]);
        host.wait_for_registration(1, 10 * SECOND);
        Some(Scene { extension, host, cache })
    }
}

#[test]
fn it_registers_its_tables_with_their_columns_and_options() {
    let Some(mut scene) = Scene::set() else { return };
    let routes = scene.host.ask(&json!({"do": "routes"}));
    assert_eq!(routes["table"].as_object().unwrap().len(), 4);
    let versions = &scene.host.ask(&json!({"do": "state"}))["versions"];
    assert_eq!(versions, &json!([[env!("CARGO_PKG_VERSION"), "5.23.0"]]));
    for table in beacon_candidates::table::Table::ALL {
        let columns: Vec<_> = table
            .columns()
            .map(|column| {
                json!({
                    "id": "column",
                    "name": column.name,
                    "type": column.kind.as_sql(),
                    "op": column.options.code().to_string(),
                })
            })
            .collect();
        assert_eq!(routes["table"][table.name()], json!(columns));
        let answer = scene.host.ask(&json!({
            "do": "call", "item": table.name(), "request": {"action": "columns"},
        }));
        assert_eq!(answer["rows"], json!(columns));
    }
}

#[test]
fn every_shape_of_constraint_is_answered_and_parameters_come_back_as_given() {
    let Some(mut scene) = Scene::set() else { return };
    let host = &mut scene.host;
    let plain = host.generate("beacon_candidates", &[]);
    assert_eq!(plain["code"], 0);
    let row = &plain["rows"][0];
    assert_eq!(plain["rows"].as_array().unwrap().len(), 1);
    for (column, expected) in [
        ("pathname", "/bin/clock"),
        ("sophosPID", "5:0"),
        ("min_interval", "60.0"),
        ("bytes_sent", ""),
        ("cmdline", ""),
        ("detected_by", "fixed_interval,repetitive_interval"),
        ("hours", "24.0"),
        ("group_by", "process"),
        ("row_limit", "1000"),
    ] {
        if column == "detected_by" {
            assert!(row[column].as_str().unwrap().starts_with("fixed_interval"), "{row}");
        } else {
            assert_eq!(row[column], expected, "{column}");
        }
    }
    let given = [("hours", 2, "048.50"), ("group_by", 2, "tuple"), ("row_limit", 2, "7")];
    let echoed = host.generate("beacon_candidates", &given)["rows"][0].clone();
    for (name, _, value) in given {
        assert_eq!(echoed[name], value);
    }
    let mut count = |constraints: &[(&str, u8, &str)]| {
        let answer = host.generate("beacon_candidates", constraints);
        assert_eq!(answer["code"], 0, "{constraints:?}: {answer}");
        answer["rows"].as_array().unwrap().len()
    };
    assert_eq!(count(&[("include_all", 2, "1")]), 2);
    assert_eq!(count(&[("include_all", 72, "1"), ("tuple", 65, "203%")]), 1);
    assert_eq!(count(&[("include_all", 2, "1"), ("pathname", 66, "/BIN/*")]), 0);
    assert_eq!(count(&[("pathname", 2, "/bin/clock"), ("pathname", 73, "1")]), 1);
    assert_eq!(count(&[("pathname", 68, "/bin/clock"), ("host", 70, "")]), 1);
    let timeline = host.generate("beacon_connections", &[("tuple", 2, "203.0.113.7::443")]);
    assert_eq!(timeline["rows"].as_array().unwrap().len(), 3);
    let status = host.generate("beacon_status", &[]);
    assert_eq!(status["rows"][1]["source"], "cache");
    assert_eq!(status["rows"][1]["events_total"], "32");
}

#[test]
fn what_is_no_query_is_refused_and_the_next_call_is_answered() {
    let Some(mut scene) = Scene::set() else { return };
    for (item, request, said) in [
        ("processes", json!({"action": "generate"}), "there is no table 'processes' here"),
        ("beacon_status", json!({"action": "delete"}), "beacon_status has no delete"),
        ("beacon_status", json!({}), "beacon_status has no request"),
    ] {
        let answer = scene.host.ask(&json!({"do": "call", "item": item, "request": request}));
        assert_eq!((answer["code"].as_i64(), answer["message"].as_str()), (Some(1), Some(said)));
    }
    // What is no message of the protocol ends a connection, and only that.
    let listed = scene.host.ask(&json!({"do": "state"}))["listed"].clone();
    let uuid = listed.as_object().unwrap().keys().next().unwrap().clone();
    let own = format!("{}.{uuid}", socket(&scene.cache).display());
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x80, 1, 0, 1, 0x7f, 0xff, 0xff, 0xff]] {
        let mut stream = UnixStream::connect(&own).unwrap();
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        stream.write_all(noise).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "{noise:?}");
    }
    assert_eq!(scene.host.generate("beacon_candidates", &[])["code"], 0);
}

#[test]
fn an_answer_that_is_too_large_is_an_error_that_counts_its_rows() {
    let cache = filled_cache();
    let now = jiff::Timestamp::now().as_second();
    let many: String = std::iter::once("time,pathname,destination,destinationport\n".to_owned())
        .chain((0..5000).map(|i| format!("{},/bin/many,192.0.2.{},{i}\n", now - i % 900, i % 250)))
        .collect();
    cache.import(many);
    let Some(mut host) = Host::start(&Osquery::without_events(&cache)) else { return };
    let config = configured(
        &cache,
        "answer_megabytes = 1\ncpu_percent = 100\n[collector]\nsource = \"none\"\n",
    );
    let flags = ["--timeout", "10", "--config", config.to_str().unwrap()];
    let _extension = Extension::start(&cache, &flags);
    host.wait_for_registration(1, 10 * SECOND);
    let mut message = |table: &str, constraints: &[(&str, u8, &str)]| {
        host.generate(table, constraints)["message"].as_str().unwrap().to_owned()
    };
    let all = [("include_all", 2, "1"), ("row_limit", 2, "1000000000")];
    let said = "the answer has 5,002 rows, which is more than the 1.00 MB that one may have";
    let refused = message("beacon_candidates", &all);
    assert!(refused.starts_with(said), "{refused}");
    assert!(refused.contains("give a lower row_limit, or narrow it by pathname"), "{refused}");
    let timeline = |limit| [("pathname", 2, "/bin/many"), ("row_limit", 2, limit)];
    let refused = message("beacon_connections", &timeline("4900"));
    assert!(refused.starts_with("the answer has 4,900 rows"), "{refused}");
    // row_limit is no reason to refuse what fits.
    assert_eq!(message("beacon_connections", &timeline("2000")), "OK");
    let few = [("row_limit", 2, "1000000000")];
    assert_eq!(message("beacon_candidates", &few), "OK");
}

#[test]
fn an_error_carries_its_message() {
    let Some(mut scene) = Scene::set() else { return };
    for (constraints, said) in [
        (&[("hours", 2, "soon")][..], "hours = 'soon' is not possible"),
        (&[("hours", 4, "5")], "hours is a parameter: give it with = or IN, not >"),
        (&[("hours", 2, "5"), ("hours", 2, "6")], "no row can have both"),
        (&[("include_all", 71, "")], "give it with = or IN, not IS NULL"),
    ] {
        let answer = scene.host.generate("beacon_candidates", constraints);
        assert_eq!(answer["code"], 1);
        assert!(answer["message"].as_str().unwrap().contains(said), "{answer}");
    }
    let answer = scene.host.generate("beacon_connections", &[]);
    assert!(answer["message"].as_str().unwrap().contains("say which"), "{answer}");
    // WHERE include_all: no constraint reaches us, but that the column is used does.
    let context = json!({"constraints": [], "colsUsed": ["pathname", "include_all"]}).to_string();
    let request = json!({"action": "generate", "context": context});
    let answer =
        scene.host.ask(&json!({"do": "call", "item": "beacon_candidates", "request": request}));
    assert!(answer["message"].as_str().unwrap().contains("write include_all = 1"), "{answer}");
}

#[test]
fn the_log_says_no_more_than_it_has_to() {
    let Some(mut scene) = Scene::set() else { return };
    let one = [("include_all", 2, "1"), ("row_limit", 2, "1")];
    assert_eq!(scene.host.generate("beacon_candidates", &one)["code"], 0);
    scene.host.generate("beacon_connections", &[]);
    scene.host.generate("beacon_candidates", &[("hours", 2, "0")]);
    scene.extension.terminate();
    scene.extension.wait(5 * SECOND);
    let log = std::fs::read_to_string(log_of(&scene.cache)).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 2, "{log}");
    assert!(warnings[0].contains("] beacon_connections shows the timeline of a group"), "{log}");
    assert!(warnings[1].contains("] beacon_candidates: hours = '0' is not possible"), "{log}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_osqueryi_starts_while_it_asks_another_osquery_says_nothing() {
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::Command;

    let cache = TestCache::new();
    let (socket, log) = (socket(&cache), log_of(&cache));
    let start = "\"$0\" --socket \"$1\" --timeout 1 2> \"$2\" & sleep 2; echo $!";
    let asked = |flag: &str| {
        let output = Command::new("sh")
            .arg0("osqueryi")
            .args(["-c", start, env!("CARGO_BIN_EXE_beacon_candidates")])
            .args([&socket, &log])
            .arg(flag)
            .output()
            .unwrap();
        let pid = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        (pid, std::fs::read_to_string(&log).unwrap())
    };
    let (_, said) = asked("--json");
    assert!(said.contains("no osquery listens"), "{said}");
    let (pid, said) = asked("--connect=/var/osquery/osquery.em");
    assert_eq!(said, "");
    let started = Instant::now();
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(started.elapsed() < 10 * SECOND, "it outlives its osqueryi");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
}

#[test]
fn an_answer_is_given_again_for_a_moment() {
    let Some(mut scene) = Scene::set() else { return };
    let constraints = [("include_all", 2, "1")];
    let first = scene.host.generate("beacon_candidates", &constraints)["rows"].clone();
    let now = jiff::Timestamp::now().as_second();
    scene.cache.import(format!("time,destination,destinationport\n{now},192.0.2.55,80\n"));
    assert_eq!(scene.host.generate("beacon_candidates", &constraints)["rows"], first);
    let other = [("include_all", 2, "1"), ("hours", 2, "23")];
    let rows = scene.host.generate("beacon_candidates", &other)["rows"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 3);
}

#[test]
fn pings_are_answered_at_once_while_twenty_queries_run() {
    let Some(mut scene) = Scene::set() else { return };
    let now = jiff::Timestamp::now().as_second();
    let many: String = std::iter::once("time,destination,destinationport\n".to_owned())
        .chain((0..5000).map(|i| format!("{},192.0.2.{},{}\n", now - i % 900, i % 250, i)))
        .collect();
    scene.cache.import(many);
    // A slow one, asked twice, among quick ones.
    let slow = request(&[("include_all", 2, "1"), ("row_limit", 2, "100000")]);
    let mut requests = vec![slow.clone(), slow];
    requests.extend((0..18).map(|_| request(&[("tuple", 2, "198.51.100.1::443")])));
    let answers = scene.host.ask(&json!({
        "do": "parallel", "item": "beacon_candidates", "requests": requests,
    }));
    for answer in answers.as_array().unwrap() {
        assert_eq!(answer["code"], 0, "{}", answer["message"]);
        assert!(answer["ping_ms"].as_f64().unwrap() < 1000.0, "{}", answer["ping_ms"]);
    }
    assert_eq!(answers[0]["rows"], answers[1]["rows"]);
    assert!(answers[0]["rows"].as_array().unwrap().len() > 5000);
}

#[test]
fn after_a_silent_drop_it_registers_again() {
    let Some(mut scene) = Scene::set() else { return };
    scene.host.ask(&json!({"do": "drop"}));
    scene.host.wait_for_registration(2, 10 * SECOND);
    assert_eq!(scene.host.generate("beacon_candidates", &[])["code"], 0);
}

#[test]
fn a_refusal_as_a_duplicate_at_start_is_tried_again() {
    let cache = filled_cache();
    let Some(mut host) = Host::start(&Osquery::without_events(&cache)) else { return };
    host.ask(&json!({"do": "refuse", "seconds": 5}));
    let _extension = Extension::start(&cache, &["--timeout", "10"]);
    host.wait_for_registration(1, 20 * SECOND);
    assert!(host.ask(&json!({"do": "state"}))["refused"].as_u64() >= Some(1));
    assert_eq!(host.generate("beacon_candidates", &[])["code"], 0);
}

#[test]
fn another_extension_of_our_name_is_not_taken_for_us() {
    let cache = filled_cache();
    let Some(mut host) = Host::start(&Osquery::without_events(&cache)) else { return };
    host.ask(&json!({"do": "occupy", "name": "beacon_candidates"}));
    let mut extension = Extension::start(&cache, &["--timeout", "10"]);
    std::thread::sleep(2 * SECOND);
    host.ask(&json!({"do": "drop"}));
    host.wait_for_registration(1, 20 * SECOND);
    assert!(extension.0.try_wait().unwrap().is_none());
}

#[test]
fn when_the_host_is_killed_it_ends() {
    let Some(mut scene) = Scene::set() else { return };
    scene.host.child.kill().unwrap();
    scene.host.child.wait().unwrap();
    assert_eq!(scene.extension.wait(15 * SECOND).code(), Some(0));
}

#[test]
fn when_the_host_hangs_it_stays_and_still_obeys_a_signal_within_a_second() {
    let Some(mut scene) = Scene::set() else { return };
    signal(&scene.host.child, "STOP");
    std::thread::sleep(3 * SECOND);
    assert!(scene.extension.0.try_wait().unwrap().is_none());
    let told = Instant::now();
    scene.extension.terminate();
    assert_eq!(scene.extension.wait(5 * SECOND).code(), Some(0));
    assert!(told.elapsed() < SECOND, "{:?}", told.elapsed());
    signal(&scene.host.child, "CONT");
}

#[test]
fn a_signal_takes_it_off_the_list_and_its_socket_away() {
    let Some(mut scene) = Scene::set() else { return };
    scene.extension.terminate();
    assert_eq!(scene.extension.wait(SECOND).code(), Some(0));
    assert_eq!(scene.host.ask(&json!({"do": "state"}))["listed"], json!({}));
    let left: Vec<_> = std::fs::read_dir(scene.cache.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("osquery.em."))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_stale_socket_is_waited_out_and_a_missing_one_is_an_error() {
    let cache = filled_cache();
    let path = socket(&cache);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut alone = Extension::start(&cache, &["--timeout", "1"]);
    assert_eq!(alone.wait(5 * SECOND).code(), Some(1));
    let _extension = Extension::start(&cache, &["--timeout", "10"]);
    std::thread::sleep(SECOND);
    std::fs::remove_file(&path).unwrap();
    let Some(mut host) = Host::start(&Osquery::without_events(&cache)) else { return };
    host.wait_for_registration(1, 15 * SECOND);
}
