//! Half an hour of bad luck: the host is killed, frozen and restarted at random, the extension
//! killed now and then, while a hundred connections are made a second.
//!
//! Not among the ordinary tests: `cargo test --release --test main soak -- --ignored --nocapture`,
//! for as many seconds as BEACON_SOAK_SECONDS says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::live_collection::{collected, now_s, start, wait_until};
use crate::peer::{Extension, Host, Osquery, signal};
use crate::support::TestCache;

const HALF_AN_HOUR: u64 = 1800;
/// What the extension may take, kB of resident memory.
const MEMORY_KB: u64 = 40 << 10;
/// By which it may grow from the first half of the time to the second.
const GROWTH_KB: u64 = 4 << 10;

/// What an extension has taken while it ran.
#[derive(Default)]
struct Cost {
    memory_kb: Vec<u64>,
    cpu: Duration,
    alive: Duration,
}

impl Cost {
    /// Looks at a running extension, after `alive` since the last look.
    fn look(&mut self, extension: &Extension, alive: Duration) {
        let read = |file| std::fs::read_to_string(format!("/proc/{}/{file}", extension.0.id()));
        let (Ok(status), Ok(stat)) = (read("status"), read("stat")) else { return };
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory =
            memory.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        self.memory_kb.extend(memory);
        let ticks = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        self.cpu = Duration::from_millis(ticks * 10);
        self.alive += alive;
    }
}

#[test]
#[ignore = "runs for BEACON_SOAK_SECONDS, half an hour if not told"]
fn soak() {
    let seconds = std::env::var("BEACON_SOAK_SECONDS").ok();
    let seconds = seconds.map_or(HALF_AN_HOUR, |seconds| seconds.parse().unwrap());
    let cache = TestCache::new();
    let osquery = Osquery::recording(&cache);
    let Some(mut host) = Host::start(&osquery) else { return };
    let mut extension = start(&cache);
    let mut cost = Cost::default();
    let mut random = ChaCha8Rng::seed_from_u64(seconds);
    let is_over = AtomicBool::new(false);
    let ends = Instant::now() + Duration::from_secs(seconds);
    let (mut kills, mut freezes, mut restarts) = (0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                osquery.connect(10, now_s(), now_s());
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        while Instant::now() < ends {
            let mut quiet = Duration::from_secs(random.random_range(2..15));
            match random.random_range(0..4) {
                0 => {
                    kills += 1;
                    let _ = host.child.kill();
                    std::thread::sleep(Duration::from_millis(random.random_range(0..4000)));
                    host = Host::start(&osquery).unwrap();
                }
                1 => {
                    freezes += 1;
                    signal(&host.child, "STOP");
                    std::thread::sleep(Duration::from_millis(random.random_range(500..12_000)));
                    signal(&host.child, "CONT");
                }
                2 => {
                    let _ = extension.0.kill();
                    host.ask(&json!({"do": "drop"}));
                }
                _ => quiet *= 2,
            }
            while !quiet.is_zero() {
                let tick = quiet.min(Duration::from_secs(1));
                std::thread::sleep(tick);
                quiet -= tick;
                // As osqueryd does with an extension that has ended.
                if extension.0.try_wait().unwrap().is_some() {
                    restarts += 1;
                    cost.cpu = Duration::ZERO;
                    cost.alive = Duration::ZERO;
                    extension = start(&cache);
                }
                cost.look(&extension, tick);
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    if extension.0.try_wait().unwrap().is_some() {
        extension = start(&cache);
    }
    let connects = osquery.connects();
    wait_until("registered", Duration::from_secs(60), || {
        host.ask(&json!({"do": "state"}))["listed"].to_string().contains("beacon_candidates")
    });
    wait_until("all collected", Duration::from_secs(60), || collected(&cache) >= connects);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(collected(&cache), connects);
    assert!(extension.0.try_wait().unwrap().is_none());
    let (first, second) = cost.memory_kb.split_at(cost.memory_kb.len() / 2);
    let peak = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
    eprintln!(
        "{connects} connections; {kills} kills, {freezes} freezes, {restarts} restarts; peak \
         {} kB, then {} kB; the last extension took {:.2} % of a core for {:?}",
        peak(first),
        peak(second),
        cost.cpu.as_secs_f64() / cost.alive.as_secs_f64().max(1.0) * 100.0,
        cost.alive,
    );
    assert!(peak(first).max(peak(second)) < MEMORY_KB);
    assert!(peak(second) <= peak(first) + GROWTH_KB);
}
