//! Connections from the Linux kernel itself, compared with what made them: every one, with the
//! time at which it was made and the process that made it.
//!
//! Needs root and a kernel that allows it. Where these are missing the tests pass with a line that
//! says so, unless BEACON_REQUIRE_PEER=1.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use beacon_candidates::cache::Reader;
use beacon_candidates::journal::kernel::{KernelJournal, KernelSource};
use beacon_candidates::journal::{ConnectionEvent, FileTime, JournalSink, ProcessEvent, Protocol};
use beacon_candidates::journal::{Rejection, SophosPid};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::audit_stream::Rule;
use crate::live_collection::wait_until;
use crate::peer::{Extension, Host, Osquery, configured, signal};
use crate::support::TestCache;

/// A source that is listened to, or a word why not.
fn open(source: KernelSource) -> Option<KernelJournal> {
    match source.open() {
        Ok(journal) => Some(journal),
        Err(reason) if std::env::var_os("BEACON_REQUIRE_PEER").is_some() => {
            panic!("the kernel is required: {reason}")
        }
        Err(reason) => {
            // Not through the tests' captured output.
            let _ = writeln!(std::io::stderr(), "skipped, no {}: {reason}", source.name());
            None
        }
    }
}

/// A connection as the kernel tells of it.
#[derive(Clone, Debug)]
struct Seen {
    time_ms: i64,
    pathname: String,
    process: Option<SophosPid>,
    cmdline: String,
    destination: String,
    port: u16,
    protocol: Protocol,
}

#[derive(Default)]
struct Seens(Vec<Seen>);

impl JournalSink for Seens {
    type Error = std::convert::Infallible;

    fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), Self::Error> {
        self.0.push(Seen {
            time_ms: event.time_ms,
            pathname: event.process.pathname.to_owned(),
            process: event.process.sophos_pid(),
            cmdline: event.process.cmdline.to_owned(),
            destination: event.destination.to_owned(),
            port: event.port,
            protocol: event.protocol,
        });
        Ok(())
    }

    fn process(&mut self, _event: &ProcessEvent<'_>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn rejected(&mut self, rejection: Rejection) {
        panic!("{rejection:?}");
    }
}

/// What is seen from now on, until it is `enough`.
fn read_until(journal: &mut KernelJournal, enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
    let mut seens = Seens::default();
    let started = Instant::now();
    while !enough(&seens.0) {
        assert!(started.elapsed() < Duration::from_secs(30), "never enough: {:#?}", seens.0);
        journal.read(Duration::from_millis(100), &mut seens).unwrap();
    }
    seens.0
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Nobody listens there: a connect is refused, which is a connection all the same.
fn refused_connect(address: SocketAddr) {
    let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
}

fn address(last: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(127, 77, 0, last), port).into()
}

/// Connections of the other tests and of the machine are seen, too.
fn to<'s>(seens: &'s [Seen], destination: &'s str) -> impl Iterator<Item = &'s Seen> {
    seens.iter().filter(move |seen| seen.destination == destination)
}

#[test]
fn ebpf_tells_the_time_at_which_a_connection_was_made_and_who_made_it() {
    let Some(mut journal) = open(KernelSource::Ebpf) else { return };
    let mut made = Vec::new();
    for port in 1..=50 {
        let before = now_ms();
        refused_connect(address(1, port));
        made.push((before, now_ms()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let seens = read_until(&mut journal, |seens| to(seens, "127.77.0.1").count() >= 50);
    let seens: Vec<_> = to(&seens, "127.77.0.1").collect();
    assert_eq!(seens.len(), 50);
    let this = std::env::current_exe().unwrap();
    for (seen, (before, after)) in seens.iter().zip(made) {
        let off = (before - seen.time_ms).max(seen.time_ms - after);
        assert!(off < 5, "{off} ms from what made it: {seen:?}");
        assert_eq!((seen.protocol, seen.process.unwrap().pid), (Protocol::Tcp, std::process::id()));
        assert_eq!(seen.pathname, this.to_str().unwrap());
        assert!(seen.cmdline.starts_with(&std::env::args().next().unwrap()), "{}", seen.cmdline);
    }
    let ports: Vec<_> = seens.iter().map(|seen| seen.port).collect();
    assert_eq!(ports, (1..=50).collect::<Vec<_>>());
}

#[test]
fn ebpf_sees_ipv6_and_unconnected_datagrams_once_a_second_and_no_port_0() {
    let Some(mut journal) = open(KernelSource::Ebpf) else { return };
    let socket = UdpSocket::bind("127.77.0.2:0").unwrap();
    // Within one second of the boot clock, whenever that turns.
    for _ in 0..40 {
        socket.send_to(b"x", address(2, 53)).unwrap();
    }
    let probe = UdpSocket::bind("127.77.0.2:0").unwrap();
    let _ = probe.connect("127.77.0.2:0");
    refused_connect("[::ffff:127.77.0.2]:7".parse().unwrap());
    refused_connect("[::1]:7077".parse().unwrap());
    let is_last = |seen: &Seen| (seen.destination.as_str(), seen.port) == ("::1", 7077);
    let seens = read_until(&mut journal, |seens| seens.iter().any(is_last));
    let datagrams: Vec<_> = to(&seens, "127.77.0.2").filter(|seen| seen.port == 53).collect();
    assert!((1..=2).contains(&datagrams.len()), "{datagrams:#?}");
    assert_eq!(datagrams[0].protocol, Protocol::Udp);
    let ports: Vec<_> = to(&seens, "127.77.0.2").map(|seen| seen.port).collect();
    assert!(!ports.contains(&0) && ports.contains(&7), "{ports:?}");
}

#[test]
fn ebpf_knows_processes_that_have_ended_and_those_of_other_namespaces() {
    let Some(mut journal) = open(KernelSource::Ebpf) else { return };
    let connect = |number: u8| format!("exec 3<>/dev/tcp/127.77.0.3/{number}");
    let spawned = now_ms();
    // A process that ends with its connect, a copy of it that calls no exec, and one that has a
    // network of its own.
    let run = |command: &mut Command| {
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        pid
    };
    let short = run(Command::new("bash").args(["-c", &connect(1)]));
    run(Command::new("bash").args(["-c", &format!("({}) & wait", connect(2))]));
    let apart = run(Command::new("unshare").args(["-n", "bash", "-c", &connect(3)]));
    let count = |seens: &[Seen]| to(seens, "127.77.0.3").count();
    // Only now, when all of them are gone.
    let seens = read_until(&mut journal, |seens| count(seens) >= 3);
    let seens: Vec<_> = to(&seens, "127.77.0.3").collect();
    assert_eq!(seens.iter().map(|seen| seen.port).collect::<Vec<_>>(), [1, 2, 3]);
    let pids: Vec<_> = seens.iter().map(|seen| seen.process.unwrap().pid).collect();
    assert_eq!((pids[0], pids[2]), (short, apart));
    for seen in seens {
        assert!(seen.pathname.ends_with("/bash"), "{seen:?}");
        let start = seen.process.unwrap().start.map(FileTime::unix_ms).unwrap();
        let ticks = 20; // starts are told in ticks of 10 ms
        assert!((spawned - ticks..=seen.time_ms).contains(&start), "{seen:?} after {spawned}");
    }
}

/// `collect`, at work.
struct Collect(Child);

impl Collect {
    fn start(cache: &TestCache, source: KernelSource) -> Collect {
        let begun_before = Collect::begun(cache);
        let child = Command::new(env!("CARGO_BIN_EXE_beacon_candidates"))
            .args(["collect", "--source", source.name(), "--cache", cache.path().to_str().unwrap()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while Collect::begun(cache) == begun_before {
            assert!(started.elapsed() < Duration::from_secs(20), "collect does not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
        Collect(child)
    }

    /// When something was last committed.
    fn begun(cache: &TestCache) -> Option<i64> {
        let sources = Reader::open(&cache.path()).ok()?.sources().ok()?;
        sources.iter().map(|source| source.last_poll_ms).max()
    }
}

impl Drop for Collect {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The numbers of the connections to `network` that the cache has, in the order in which they were made.
fn numbers(cache: &TestCache, network: u8) -> Vec<u32> {
    // The same test may be running elsewhere on this machine.
    let sql = format!(
        "SELECT destination, destinationport FROM beacon_connections
         WHERE destination LIKE '127.{network}.%' AND pid = {} AND include_loopback = 1
         AND row_limit = 10000000",
        std::process::id()
    );
    let rows = cache.query(now_ms(), &sql).unwrap();
    let number = |row: &Vec<String>| {
        let octets: Vec<u32> = row[0].split('.').map(|octet| octet.parse().unwrap()).collect();
        (octets[2] << 8 | octets[3]) * 60_000 + row[1].parse::<u32>().unwrap() - 1
    };
    let mut numbers: Vec<_> = rows.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Each connection has a destination of its own, which is its number.
fn numbered_connect(network: u8, number: u32) {
    let [_, _, third, fourth] = (number / 60_000).to_be_bytes();
    let port = (number % 60_000 + 1) as u16;
    refused_connect((Ipv4Addr::new(127, network, third, fourth), port).into());
}

/// BEACON_KILLS says how often.
#[test]
fn a_killed_collect_loses_nothing_that_was_committed_and_doubles_nothing() {
    if open(KernelSource::Ebpf).is_none() {
        return;
    }
    const NETWORK: u8 = 78;
    let kills = std::env::var("BEACON_KILLS").map_or(8, |kills| kills.parse().unwrap());
    let cache = TestCache::new();
    let mut random = ChaCha8Rng::seed_from_u64(kills);
    let mut number = 0;
    for _ in 0..kills {
        let collect = Collect::start(&cache, KernelSource::Ebpf);
        let (first, had) = (number, numbers(&cache, NETWORK).len());
        let mut made_ms = Vec::new();
        let ends = Instant::now() + Duration::from_millis(random.random_range(1..1500));
        while Instant::now() < ends {
            made_ms.push(now_ms());
            numbered_connect(NETWORK, number);
            number += 1;
            std::thread::sleep(Duration::from_millis(3));
        }
        drop(collect); // SIGKILL
        // What this one has collected is there without a gap, up to its last batch.
        let numbers = numbers(&cache, NETWORK);
        let collected = (numbers.len() - had) as u32;
        let expected: Vec<_> = (first..first + collected).collect();
        assert_eq!(numbers[had..], expected, "of {} made", number - first);
        // What is missing was made after the last batch was read, a moment before it was committed.
        if let Some(lost_ms) = made_ms.get(collected as usize) {
            let early_ms = Collect::begun(&cache).unwrap() - lost_ms;
            assert!(early_ms < 500, "one is lost from {early_ms} ms before the last batch");
        }
    }
    // One that is told to end has everything.
    let mut collect = Collect::start(&cache, KernelSource::Ebpf);
    let first = number;
    (first..first + 40).for_each(|number| numbered_connect(NETWORK, number));
    signal(&collect.0, "TERM");
    assert!(collect.0.wait().unwrap().success());
    assert!(numbers(&cache, NETWORK).ends_with(&(first..first + 40).collect::<Vec<_>>()));
}

/// A shell that connects on a rhythm and writes down when.
struct Beacon {
    child: Child,
    program: &'static str,
    spawned_ms: i64,
    log: PathBuf,
    destination: String,
}

/// Seconds from check-in to check-in, and by how much of that each is early or late at most.
#[derive(Clone, Copy)]
struct Rhythm {
    period: f64,
    jitter: f64,
}

/// Check-ins of the slowest beacon.
const CHECK_INS: f64 = 20.0;
/// Redirecting into it makes bash connect.
const BASH: &str = ": 3<>/dev/tcp/ADDRESS/81";
const CURL: &str = "curl --silent --max-time 1 http://ADDRESS:81/";

impl Beacon {
    /// Runs `connect` in `shell` on a rhythm, to an address of its own.
    fn start(
        folder: &Path,
        (network, number): (u8, u8),
        rhythm: Rhythm,
        connect: &str,
        shell: &[&str],
    ) -> Beacon {
        let destination = format!("127.79.{network}.{number}");
        let log = folder.join(&destination);
        let period_us = (rhythm.period * 1e6) as i64;
        let jitter_us = (rhythm.period * rhythm.jitter * 1e6) as i64;
        // Times of the plan, not sleeps after each other, whose lateness would add up.
        let script = format!(
            "begin=${{EPOCHREALTIME/./}}
            for ((i = 0; ; i++)); do
                next=$((begin + {period_us} * i + {jitter_us} * (RANDOM % 2001 - 1000) / 1000))
                wait=$((next - ${{EPOCHREALTIME/./}}))
                ((wait > 0)) && sleep $(printf %d.%06d $((wait / 1000000)) $((wait % 1000000)))
                echo $EPOCHREALTIME >> {}
                {}
            done",
            log.display(),
            connect.replace("ADDRESS", &destination),
        );
        let (program, arguments) = shell.split_first().unwrap();
        let spawned_ms = now_ms();
        let child = Command::new(program)
            .args(arguments)
            .args(["-c", &script])
            .env("LC_ALL", "C")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let program = if connect == CURL { "/curl" } else { "/bash" };
        Beacon { child, program, spawned_ms, log, destination }
    }

    /// The check-ins between two times, by the beacon's own log.
    fn check_ins(&self, (from_ms, to_ms): (i64, i64)) -> Vec<f64> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let times = log.lines().map(|line| line.parse::<f64>().unwrap());
        times.filter(|time| (from_ms..to_ms).contains(&((time * 1000.0) as i64))).collect()
    }

    /// That log as a journal, judged by the same program.
    fn judged(&self, check_ins: &[f64]) -> Vec<String> {
        let row = |time| {
            let destination = &self.destination;
            format!(
                "{{\"time\":{time:.6},\"destination\":\"{destination}\",\"destinationport\":81}}\n"
            )
        };
        let cache = TestCache::new();
        cache.import(check_ins.iter().map(row).collect::<String>());
        self.row(&cache)
    }

    /// Pathname, process instance, detectors, period, jitter and check-ins.
    fn row(&self, cache: &TestCache) -> Vec<String> {
        let rows = cache.query(
            now_ms(),
            &format!(
                "SELECT pathname, sophosPID, detected_by, period, jitter, checkins
                 FROM beacon_candidates
                 WHERE hours = 1 AND include_loopback = 1 AND destination = '{}'",
                self.destination
            ),
        );
        let rows = rows.unwrap();
        assert_eq!(rows.len(), 1, "{}: {rows:?}", self.destination);
        rows[0].clone()
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// BEACON_PERIODS has the seconds of the fast beacons and of the slow one.
#[test]
#[ignore = "takes 20 periods of the slowest beacon"]
fn beacons_of_this_machine_are_named_with_their_own_rhythm() {
    let periods = std::env::var("BEACON_PERIODS").unwrap_or_else(|_| "4 8".to_owned());
    let (fast, slow) = periods.split_once(' ').unwrap();
    let fast = Rhythm { period: fast.parse().unwrap(), jitter: 0.0 };
    let slow = Rhythm { period: slow.parse().unwrap(), jitter: 0.2 };
    // Processes that were there before audit was on are not audited.
    let _rule = Rule::new("connect -S execve");
    let usable: Vec<_> =
        KernelSource::ALL.into_iter().filter(|source| open(*source).is_some()).collect();
    // Each source sees the beacons of the others, but knows its own by their addresses.
    std::thread::scope(|scope| {
        for source in usable {
            scope.spawn(move || beacons_are_named(source, fast, slow));
        }
    });
}

fn beacons_are_named(source: KernelSource, fast: Rhythm, slow: Rhythm) {
    let cache = TestCache::new();
    let start = |number, rhythm, connect, shell: &[&str]| {
        Beacon::start(cache.folder(), (source as u8, number), rhythm, connect, shell)
    };
    let began_before = start(1, fast, BASH, &["bash"]);
    std::thread::sleep(Duration::from_millis(500));
    let mut collect = Collect::start(&cache, source);
    let from_ms = now_ms();
    let beacons = [
        began_before,
        start(2, fast, BASH, &["bash"]),
        start(3, fast, BASH, &["unshare", "-n", "bash"]),
        start(4, fast, CURL, &["bash"]),
        start(5, slow, BASH, &["bash"]),
    ];
    // No check-in is under way at the end.
    std::thread::sleep(Duration::from_secs_f64(slow.period * CHECK_INS + fast.period / 2.0));
    signal(&collect.0, "TERM");
    let to_ms = now_ms();
    assert!(collect.0.wait().unwrap().success());
    for beacon in &beacons {
        let check_ins = beacon.check_ins((from_ms, to_ms));
        let [seen, sent] = [beacon.row(&cache), beacon.judged(&check_ins)];
        let what = format!("{}: seen {seen:?}, sent {sent:?}", beacon.destination);
        eprintln!("{} {what}", source.name());
        assert!(seen[0].ends_with(beacon.program), "{what}");
        assert!(seen[2].contains("periodic"), "{what}");
        let number = |row: &[String], column: usize| row[column].parse::<f64>().unwrap();
        let [period, jitter] = [3, 4].map(|column| (number(&seen, column), number(&sent, column)));
        assert!((period.0 / period.1 - 1.0).abs() < 0.01, "{what}");
        assert!((jitter.0 - jitter.1).abs() < 0.01, "{what}");
        let start = seen[1].parse::<SophosPid>().unwrap().start.map(FileTime::unix_ms).unwrap();
        // curl is another process each time, of which the row has the last.
        let born = match beacon.program {
            "/curl" => check_ins.last().map(|time| (time * 1000.0) as i64).unwrap(),
            _ => beacon.spawned_ms,
        };
        assert!((born - 20..born + 500).contains(&start), "{what}: born {born}, {start}");
    }
}

#[test]
fn in_osquery_the_kernel_comes_first_and_the_last_connections_are_kept_at_the_end() {
    const NETWORK: u8 = 83;
    if open(KernelSource::Ebpf).is_none() {
        return;
    }
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    let Some(mut host) = Host::start(&osquery) else { return };
    let config = configured(&cache, "[collector]\nsource = \"auto\"\n");
    let flags = ["--timeout", "10", "--config", config.to_str().unwrap()];
    let mut extension = Extension::start(&cache, &flags);
    host.wait_for_registration(1, Duration::from_secs(10));
    wait_until("collecting", Duration::from_secs(10), || Collect::begun(&cache).is_some());
    (0..40).for_each(|number| numbered_connect(NETWORK, number));
    extension.terminate();
    assert!(extension.wait(Duration::from_secs(5)).success());
    assert_eq!(numbers(&cache, NETWORK), (0..40).collect::<Vec<_>>());
    let sources = cache.reader().sources().unwrap();
    let sources: Vec<_> = sources.iter().map(|source| (&*source.name, &*source.state)).collect();
    assert_eq!(sources, [("ebpf", "collecting")]);
}
