//! What the extension costs a machine whose cache is large: its memory after an hour's worth of
//! questions, and its share of the processors while it answers more than it may.
//!
//! Not among the ordinary tests: `cargo test --release --test main load -- --ignored --nocapture`, over
//! as many connections as BEACON_LOAD_CONNECTIONS says.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::peer::{Extension, Host, Osquery, configured};
use crate::support::TestCache;

const CONNECTIONS: &str = "10000000";
/// When `simulate` ends, unix seconds.
const END: &str = "1777968000";
/// Five questions every ten seconds, for an hour.
const AN_HOUR: usize = 360;
const MEMORY_KB: u64 = 40 << 10;
/// osquery's watchdog at its strictest ends who takes more of all cores, in percent, for so long.
const CPU_PERCENT: f64 = 5.0;
const WATCHED: Duration = Duration::from_secs(6);

/// A cache of a busy day, an osquery, and the extension configured by `text`.
fn set(text: &str) -> Option<(TestCache, Host, Extension)> {
    let cache = TestCache::new();
    let journal = cache.folder().join("day.csv");
    let connections = std::env::var("BEACON_LOAD_CONNECTIONS");
    let connections = connections.unwrap_or_else(|_| CONNECTIONS.to_owned());
    run(&["simulate", "--connections", &connections, "--output"], &journal);
    run(&["import", "--cache", cache.path().to_str().unwrap()], &journal);
    std::fs::remove_file(&journal).unwrap();
    let mut host = Host::start(&Osquery::without_events(&cache))?;
    let text = format!("result_cache_seconds = 0\n{text}\n[collector]\nsource = \"none\"\n");
    let config = configured(&cache, &text);
    let flags = ["--timeout", "10", "--config", config.to_str().unwrap()];
    let extension = Extension::start(&cache, &flags);
    host.wait_for_registration(1, Duration::from_secs(10));
    Some((cache, host, extension))
}

fn run(arguments: &[&str], file: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beacon_candidates"));
    assert!(command.args(arguments).arg(file).output().unwrap().status.success());
}

/// A question as osquery puts it: a table, its constraints, and the columns that it names.
fn question(table: &str, given: &[(&str, u8, &str)], columns: &[&str]) -> Value {
    let given = given.iter().chain([&("until", 2, END)]);
    let constraints: Vec<_> = given
        .map(|(name, operator, value)| json!({"name": name, "list": [{"op": operator, "expr": value}]}))
        .collect();
    let context = json!({"constraints": constraints, "colsUsed": columns}).to_string();
    json!({"do": "call", "item": table, "request": {"action": "generate", "context": context}})
}

/// What a schedule may hold.
fn five_questions() -> Vec<Value> {
    let everything = [("include_all", 2, "1"), ("row_limit", 2, "3000")];
    let intervals = ["tuple", "number_of_connections", "average_interval", "min_interval"];
    let timeline = [("tuple", 65, "%::443"), ("row_limit", 2, "10000")];
    vec![
        question(
            "beacon_candidates",
            &[],
            &["pathname", "tuple", "period", "jitter", "beacon_score"],
        ),
        question("beacon_candidates", &[], &[]),
        question("beacon_candidates", &everything, &intervals),
        question("beacon_candidates", &[("group_by", 2, "tuple")], &["tuple", "period"]),
        question("beacon_connections", &timeline, &["time", "tuple", "interval"]),
    ]
}

/// kB of resident memory, now and at most.
fn memory(extension: &Extension) -> [u64; 2] {
    let status = std::fs::read_to_string(format!("/proc/{}/status", extension.0.id())).unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    })
}

/// Processor time taken.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let ticks = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
    Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}

#[test]
#[ignore = "makes a cache of BEACON_LOAD_CONNECTIONS, ten million if not told"]
fn load_of_an_hour_takes_no_more_memory_than_a_guest_may() {
    let Some((_cache, mut host, extension)) = set("cpu_percent = 100") else { return };
    let questions = five_questions();
    for _ in 0..AN_HOUR {
        for question in &questions {
            let answer = host.ask(question);
            assert_eq!(answer["code"], 0, "{}", answer["message"]);
        }
    }
    let [at_the_end, at_most] = memory(&extension);
    eprintln!("after an hour of questions {at_the_end} kB, at most {at_most} kB");
    assert!(at_most <= MEMORY_KB, "{at_most} kB");
}

#[test]
#[ignore = "makes a cache of BEACON_LOAD_CONNECTIONS, ten million if not told"]
fn load_of_more_than_may_be_answered_keeps_within_its_share_of_the_cores() {
    let Some((_cache, mut host, extension)) = set("") else { return };
    let mut questions = five_questions();
    let month = ("hours", 2, "720");
    questions.push(question("beacon_candidates", &[month], &[]));
    let instances = [month, ("group_by", 2, "process_instance")];
    questions.push(question("beacon_candidates", &instances, &["tuple", "period"]));
    let pid = extension.0.id();
    let watch = std::thread::spawn(move || {
        let begun = Instant::now();
        let mut looks = Vec::new();
        while begun.elapsed() < Duration::from_secs(90) {
            looks.push((begun.elapsed(), cpu(pid)));
            std::thread::sleep(Duration::from_millis(500));
        }
        looks
    });
    while !watch.is_finished() {
        for question in &questions {
            let answer = host.ask(question);
            assert_eq!(answer["code"], 0, "{}", answer["message"]);
        }
    }
    let looks = watch.join().unwrap();
    let shares = looks.iter().filter_map(|(from, before)| {
        let (to, after) = looks.iter().find(|(at, _)| *at >= *from + WATCHED)?;
        Some((*after - *before).as_secs_f64() / (*to - *from).as_secs_f64())
    });
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    let most = shares.fold(0.0, f64::max) / cores * 100.0;
    eprintln!("at most {most:.2} % of all cores over {WATCHED:?}");
    assert!(most < CPU_PERCENT, "{most:.2} %");
}
