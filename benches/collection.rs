//! What `collect` costs: processor time and memory at a hundred and at ten thousand connections a
//! second, and how many processes that end at once have a path.
//!
//! Needs root, for eBPF. `cargo bench --bench collection`

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use beacon_candidates::cache::Reader;
use socket2::{Domain, Socket, Type};

const TICKS_PER_SECOND: f64 = 100.0;
const MINUTE: Duration = Duration::from_secs(60);

fn main() {
    if let Some("connect") = std::env::args().nth(1).as_deref() {
        return connect(0);
    }
    println!("      load  % of core     MB  at most  connections  processes  without a path  lost");
    for rate in [100, 10_000] {
        let made = (rate * MINUTE.as_secs()) as u32;
        measure(&format!("{rate}/s"), || (0..made).for_each(paced(rate, connect)));
    }
    measure("100 exec/s", || {
        let this = std::env::current_exe().unwrap();
        let mut children: Vec<Child> = Vec::new();
        (0..100 * MINUTE.as_secs() as u32).for_each(paced(100, |_| {
            children.push(Command::new(&this).arg("connect").spawn().unwrap());
            children.retain_mut(|child| child.try_wait().unwrap().is_none());
        }));
        children.iter_mut().for_each(|child| drop(child.wait()));
    });
}

/// Calls `act` with each number at its time.
fn paced(rate: u64, mut act: impl FnMut(u32)) -> impl FnMut(u32) {
    let begun = Instant::now();
    move |number| {
        let due = Duration::from_micros(u64::from(number) * 1_000_000 / rate);
        if let Some(early) = due.checked_sub(begun.elapsed()) {
            sleep(early);
        }
        act(number);
    }
}

/// Connects to where nobody listens, and does not wait.
fn connect(number: u32) {
    let [.., last] = (number % 50).to_be_bytes();
    let address = SocketAddr::from((Ipv4Addr::new(127, 80, 0, last), 9));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _ = socket.connect(&address.into());
}

/// Runs `load` beside a `collect` of its own and prints what that took.
fn measure(name: &str, load: impl FnOnce()) {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache.sqlite");
    let mut collect = Command::new(env!("CARGO_BIN_EXE_beacon_candidates"))
        .args(["collect", "--cache", cache.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    sleep(Duration::from_secs(2));
    let (ticks, begun) = (cpu_ticks(&collect), Instant::now());
    load();
    let cpu = (cpu_ticks(&collect) - ticks) as f64 / TICKS_PER_SECOND;
    let share = cpu / begun.elapsed().as_secs_f64() * 100.0;
    let (memory, peak) = (memory_mb(&collect, "VmRSS:"), memory_mb(&collect, "VmHWM:"));
    let id = collect.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(collect.wait().unwrap().success(), "collect failed: is this root?");
    let reader = Reader::open(&cache).unwrap();
    let connections = reader.totals().unwrap().connections;
    let lost = &reader.sources().unwrap()[0].last_error;
    let processes = ask(&cache, "count(*)");
    let without_path = ask(&cache, "coalesce(sum(pathname LIKE '[%'), 0)");
    println!(
        "{name:>10} {share:>10.2} {memory:>6.1} {peak:>8.1} {connections:>12} {processes:>10} \
         {without_path:>15}  {lost}"
    );
}

/// A value over the processes that are in the cache.
fn ask(cache: &Path, value: &str) -> String {
    let sql = format!(
        "SELECT {value} FROM (SELECT DISTINCT sophosPID, pathname FROM beacon_candidates
         WHERE group_by = 'process_instance' AND include_all = 1 AND include_loopback = 1
         AND row_limit = 1000000 AND destination LIKE '127.80.%')"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_beacon_candidates"))
        .args(["query", "--list", "--cache", cache.to_str().unwrap(), &sql])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned()
}

fn cpu_ticks(process: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
    fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

fn memory_mb(process: &Child, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    found.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
