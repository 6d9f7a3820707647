//! The journals of the golden rows: made up, the same on every machine, NDJSON.

use std::fmt::Write;
use std::io::Read;

/// 2026-05-04T08:00:00Z, unix milliseconds.
pub const START_MS: i64 = 1_777_881_600_000;

/// All of them: a name, and the lines.
pub fn all() -> [(&'static str, String); 5] {
    [
        ("sample", sample()),
        ("corners", corners()),
        ("busy", busy()),
        ("fleet", fleet()),
        ("tasked", tasked()),
    ]
}

/// Numbers that look random: xorshift.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as i64
    }
}

/// One process and where it connects to; the rest of a line's fields as JSON, with a leading comma.
struct Peer<'a> {
    host: &'a str,
    pathname: &'a str,
    pid: u32,
    destination: &'a str,
    port: u16,
    protocol: &'a str,
}

const CURL: Peer<'_> = Peer {
    host: "",
    pathname: "/usr/bin/curl",
    pid: 7,
    destination: "198.51.100.7",
    port: 443,
    protocol: "tcp",
};

impl Peer<'_> {
    fn connect(&self, journal: &mut String, offset_ms: i64, more: &str) {
        let Peer { host, pathname, pid, destination, port, protocol } = self;
        let (seconds, ms) = ((START_MS + offset_ms) / 1000, (START_MS + offset_ms) % 1000);
        let pathname = pathname.replace('\\', "\\\\");
        writeln!(
            journal,
            "{{\"time\":{seconds}.{ms:03},\"host\":\"{host}\",\"pathname\":\"{pathname}\",\
             \"pid\":{pid},\"destination\":\"{destination}\",\"destinationport\":{port},\
             \"protocol\":\"{protocol}\"{more}}}"
        )
        .unwrap();
    }
}

/// The sample journal of the documents: ten hours of one endpoint, 14 implants.
fn sample() -> String {
    let file = std::fs::File::open(crate::cli::SAMPLE).unwrap();
    let mut sample = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut sample).unwrap();
    sample
}

/// What is easily got wrong: lone connections, equal times, port 0, loopback, IPv6, names,
/// protocols that are mixed or not known, processes without a pid, a pid that is used again.
fn corners() -> String {
    let mut journal = String::new();
    let lone = Peer { destination: "203.0.113.1", ..CURL };
    lone.connect(&mut journal, 0, "");
    let pair = Peer { destination: "203.0.113.2", ..CURL };
    [5_000, 65_123].into_iter().for_each(|offset| pair.connect(&mut journal, offset, ""));
    let at_once = Peer { destination: "203.0.113.3", ..CURL };
    [9_000; 6]
        .into_iter()
        .for_each(|offset| at_once.connect(&mut journal, offset, ",\"bytes_sent\":0"));
    let clock = |journal: &mut String, peer: &Peer<'_>, every_ms: i64, count: i64| {
        (0..count).for_each(|index| peer.connect(journal, index * every_ms, ""));
    };
    clock(&mut journal, &Peer { destination: "203.0.113.4", port: 0, ..CURL }, 60_000, 40);
    clock(&mut journal, &Peer { destination: "127.0.0.1", port: 8125, ..CURL }, 10_000, 90);
    clock(&mut journal, &Peer { destination: "::1", port: 8126, ..CURL }, 30_000, 30);
    clock(&mut journal, &Peer { destination: "2001:db8::5", ..CURL }, 120_000, 50);
    clock(&mut journal, &Peer { destination: "updates.example.com", ..CURL }, 300_000, 20);
    clock(&mut journal, &Peer { destination: "10.1.2.3", port: 22, ..CURL }, 61_000, 60);
    clock(&mut journal, &Peer { destination: "224.0.0.251", port: 5353, ..CURL }, 90_000, 25);
    for (index, protocol) in ["tcp", "udp", ""].into_iter().cycle().take(90).enumerate() {
        let mixed = Peer { destination: "203.0.113.5", port: 53, protocol, ..CURL };
        mixed.connect(&mut journal, index as i64 * 20_000, "");
    }
    let unknown = Peer { pathname: "", destination: "203.0.113.6", ..CURL };
    clock(&mut journal, &unknown, 45_000, 33);
    for life in 0..3 {
        let start = START_MS / 1000 + life * 4_000;
        let more = format!(",\"process_start_time\":{start},\"cmdline\":\"agent --life {life}\"");
        let again = Peer { destination: "203.0.113.7", pid: 99, ..CURL };
        for index in 0..30 {
            again.connect(&mut journal, life * 4_000_000 + 1_000 + index * 100_000, &more);
        }
    }
    let largest = Peer { destination: "203.0.113.8", ..CURL };
    for index in 0..8 {
        let more = ",\"bytes_sent\":18446744073709551614,\"bytes_received\":9007199254740993";
        largest.connect(&mut journal, index * 70_000, more);
    }
    journal
}

/// Groups of many blocks: intervals of milliseconds that are merely counted, times at random,
/// clockwork over days, and what arrives late.
fn busy() -> String {
    let (mut journal, mut draw) = (String::new(), Draw(11));
    let chatty = Peer { destination: "198.51.100.20", ..CURL };
    let mut offset = 0;
    for _ in 0..9_000 {
        offset += draw.below(4_000);
        let more = format!(",\"bytes_sent\":{}", draw.below(3_000));
        chatty.connect(&mut journal, offset, &more);
    }
    let at_random = Peer { destination: "198.51.100.21", ..CURL };
    let mut offsets: Vec<i64> = (0..5_000).map(|_| draw.below(40 * 3_600_000)).collect();
    offsets.sort_unstable();
    offsets.iter().for_each(|offset| at_random.connect(&mut journal, *offset, ""));
    let clockwork = Peer { destination: "198.51.100.22", ..CURL };
    for index in 0..4_300 {
        let jitter = draw.below(6_000);
        clockwork.connect(&mut journal, index * 33_000 + jitter, ",\"bytes_sent\":420");
    }
    let late = Peer { destination: "198.51.100.23", ..CURL };
    for index in (0..2_500).rev() {
        late.connect(&mut journal, index * 50_000 + draw.below(20_000), "");
    }
    journal
}

/// Several hosts with the same software: Windows paths in any case, names of destinations,
/// several tuples a process and several processes a tuple.
fn fleet() -> String {
    const PATHNAMES: [&str; 4] = [
        "C:\\Program Files\\Contoso\\Agent.exe",
        "c:\\program files\\contoso\\AGENT.EXE",
        "C:\\Windows\\System32\\svchost.exe",
        "/opt/contoso/agent",
    ];
    let (mut journal, mut draw) = (String::new(), Draw(23));
    for (number, host) in ["desk-1", "desk-2", "srv-ünïcode"].into_iter().enumerate() {
        for (index, pathname) in PATHNAMES.into_iter().enumerate() {
            for destination in 0..4_i64 {
                let address = format!("203.0.113.{}", 10 + destination);
                let pid = 100 + (number * 10 + index) as u32;
                let port = if destination == 3 { 8443 } else { 443 };
                let peer =
                    Peer { host, pathname, pid, destination: &address, port, protocol: "tcp" };
                let every_ms = [60_000, 300_000, 90_000, 1_000][destination as usize];
                let mut offset = draw.below(every_ms);
                for _ in 0..20 + draw.below(60) {
                    offset += every_ms - every_ms / 5 + draw.below(every_ms * 2 / 5);
                    let more = format!(
                        ",\"domain\":\"{}.contoso.example\",\"process_start_time\":{},\
                         \"cmdline\":\"agent --index {index}\",\"bytes_sent\":{},\
                         \"bytes_received\":{}",
                        ["api", "cdn", "log", "ws"][destination as usize],
                        START_MS / 1000 - 500 - pid as i64,
                        draw.below(900),
                        draw.below(90_000),
                    );
                    peer.connect(&mut journal, offset, &more);
                }
            }
        }
    }
    journal
}

/// Implants at work: tasks that take a while, missed check-ins, a closed lid, several agents in
/// turns, jitter from none to wide, and retries that are no rhythm.
fn tasked() -> String {
    let (mut journal, mut draw) = (String::new(), Draw(37));
    for (index, (period_ms, jitter)) in
        [(60_000, 0), (60_000, 10), (300_000, 30), (600_000, 50), (900_000, 20), (45_000, 37)]
            .into_iter()
            .enumerate()
    {
        let address = format!("192.0.2.{}", 30 + index);
        let implant = Peer { pid: 300 + index as u32, destination: &address, ..CURL };
        let mut offset = draw.below(period_ms);
        for checkin in 0..120 {
            let spread = period_ms * jitter / 100;
            offset += period_ms - spread + draw.below(2 * spread + 1);
            if checkin % 17 == 5 {
                offset += 2 * period_ms; // two that were missed
            }
            if checkin == 60 {
                offset += 7 * 3_600_000; // a closed lid
            }
            implant.connect(&mut journal, offset, ",\"bytes_sent\":388");
            if checkin % 23 == 7 {
                for part in 1..15 {
                    let more = format!(",\"bytes_sent\":{}", 1_000 + draw.below(60_000));
                    implant.connect(&mut journal, offset + part * 700, &more);
                }
            }
        }
    }
    for agent in 0..3_i64 {
        let in_turns = Peer { pid: 400 + agent as u32, destination: "192.0.2.50", ..CURL };
        for index in 0..90 {
            let offset = agent * 97_000 + index * 300_000 + draw.below(15_000);
            in_turns.connect(&mut journal, offset, "");
        }
    }
    let retries = Peer { pid: 500, destination: "192.0.2.51", ..CURL };
    for burst in 0..40 {
        let from = burst * 600_000 + draw.below(400_000);
        (0..6).for_each(|retry| retries.connect(&mut journal, from + retry * 1_500, ""));
    }
    journal
}
