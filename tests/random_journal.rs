//! Random journals for the oracles: bursts, equal times, lone connections, several processes a
//! tuple, several tuples a process, any order, IPv6, loopback.

use proptest::prelude::*;
use serde_json::json;

/// One connection, as the journal has it.
#[derive(Clone, Debug)]
pub struct Row {
    pub time_ms: i64,
    pub host: &'static str,
    pub pathname: &'static str,
    pub pid: u32,
    pub destination: &'static str,
    pub port: u16,
    pub protocol: &'static str,
    pub bytes_sent: Option<u32>,
    pub bytes_received: Option<u32>,
}

/// 2026-05-04T08:00:00Z.
pub const START_MS: i64 = 1_777_881_600_000;

const PATHNAMES: [&str; 4] =
    ["/usr/bin/curl", "C:\\Windows\\System32\\svchost.exe", "", "/opt/agent/bin/agent"];
const DESTINATIONS: [&str; 7] = [
    "198.51.100.7",
    "203.0.113.9",
    "10.1.2.3",
    "2001:db8::5",
    "127.0.0.1",
    "::1",
    "updates.example.com",
];

/// Connections of one process to one place, in a pattern.
fn series(step_ms: i64) -> impl Strategy<Value = Vec<Row>> {
    let pattern = prop_oneof![
        // Lone connections, and a few.
        (1..4usize, Just(3_600_000i64), Just(0.9)),
        // Clockwork, at a minute or so.
        (3..90usize, 10_000..200_000i64, Just(0.0)),
        // Jitter.
        (5..60usize, 20_000..300_000i64, 0.0..0.6f64),
        // Polls.
        (30..90usize, 1_100..4_000i64, 0.0..0.5f64),
        // Bursts, equal times among them.
        (2..40usize, 0..1_500i64, Just(1.0)),
    ];
    let place = (0..PATHNAMES.len(), 1..4u32, 0..DESTINATIONS.len(), 0..3usize, 0..3usize);
    (pattern, place, any::<u32>(), 0..20 * 3_600_000i64, any::<bool>()).prop_map(
        move |(
            (count, period, jitter),
            (path, pid, destination, port, protocol),
            seed,
            from,
            sized,
        )| {
            let mut random = u64::from(seed) | 1;
            let mut draw = move |below: i64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (random % below.max(1) as u64) as i64
            };
            let mut time_ms = START_MS + from;
            (0..count)
                .map(|_| {
                    let spread = (period as f64 * jitter) as i64;
                    time_ms += period - spread + draw(2 * spread + 1);
                    Row {
                        time_ms: time_ms / step_ms * step_ms,
                        host: "",
                        pathname: PATHNAMES[path],
                        pid,
                        destination: DESTINATIONS[destination],
                        port: [443, 80, 0][port],
                        protocol: ["tcp", "udp", ""][protocol],
                        bytes_sent: sized.then(|| draw(5_000) as u32),
                        bytes_received: sized.then(|| draw(50_000) as u32),
                    }
                })
                .collect()
        },
    )
}

/// A journal whose times are multiples of `step_ms`, in any order.
pub fn journal(step_ms: i64) -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(series(step_ms), 1..14).prop_map(|series| series.concat()).prop_shuffle()
}

/// The journal as NDJSON.
pub fn ndjson(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| {
        let line = json!({
            "time": row.time_ms as f64 / 1000.0,
            "host": row.host,
            "pathname": row.pathname,
            "pid": row.pid,
            "process_start_time": 1_700_000_000 + row.pid,
            "destination": row.destination,
            "destinationport": row.port,
            "protocol": row.protocol,
            "bytes_sent": row.bytes_sent,
            "bytes_received": row.bytes_received,
        });
        format!("{line}\n")
    });
    lines.collect()
}
