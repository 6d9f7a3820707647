//! One endpoint over one span of time: who runs on it, when it is awake, and what it connects to.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::implant::{IMPLANTS, Implant};
use super::ordinary::{self, BROWSER, RESOLVER, TIMERS, Timer};
use super::{SimulatedConnection, SimulatedProcess, Verdict};

pub(super) const SECOND_MS: i64 = 1000;
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
/// The lid is closed over lunch: so long after the start, and for so long, each day.
const LUNCH_MS: (i64, i64) = (4 * 60 * MINUTE_MS, 75 * MINUTE_MS);
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// What is to be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The same seed gives the same journal.
    pub seed: u64,
    /// When it begins, unix milliseconds; lunch is four hours later.
    pub start_ms: i64,
    /// How long it lasts, in milliseconds.
    pub duration_ms: i64,
    /// How many endpoints. A lone one is this endpoint (host '') and has every implant; of a
    /// fleet, every third has some.
    pub hosts: u32,
}

/// An endpoint and all that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// '' for a lone one.
    pub host: String,
    /// Who connected.
    pub processes: Vec<SimulatedProcess>,
    /// Their connections, in time order.
    pub connections: Vec<SimulatedConnection>,
}

impl Endpoint {
    /// The endpoint of this number, below `plan.hosts`.
    pub fn simulate(plan: &Plan, number: u32) -> Endpoint {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        random.set_stream(number.into());
        let activity = Activity {
            begin_ms: plan.start_ms,
            end_ms: plan.start_ms.saturating_add(plan.duration_ms),
        };
        let is_alone = plan.hosts <= 1;
        let mut endpoint = Endpoint {
            host: if is_alone { String::new() } else { format!("workstation-{:04}", number + 1) },
            processes: Vec::new(),
            connections: Vec::new(),
        };
        let browser = endpoint.run(BROWSER, Timer::VERDICT, "browsing", plan, &mut random);
        let resolver = endpoint.run(RESOLVER, Timer::VERDICT, "dns", plan, &mut random);
        let connections = &mut endpoint.connections;
        ordinary::browse(browser, resolver, &activity, &mut random, connections);
        for timer in &TIMERS {
            let process =
                endpoint.run(timer.pathname, Timer::VERDICT, timer.class, plan, &mut random);
            timer.connect(process, &activity, &mut random, &mut endpoint.connections);
        }
        let is_infected = is_alone || number.is_multiple_of(3);
        for implant in &IMPLANTS {
            if !is_infected || !is_alone && random.random_bool(0.5) {
                continue;
            }
            let process =
                endpoint.run(implant.pathname, Implant::VERDICT, implant.class, plan, &mut random);
            implant.connect(process, &activity, &mut random, &mut endpoint.connections);
        }
        endpoint.connections.retain(|connection| connection.time_ms < activity.end_ms);
        endpoint.connections.sort_by_key(|connection| connection.time_ms);
        endpoint
    }

    /// Starts a process; gives its index.
    fn run(
        &mut self,
        pathname: &'static str,
        verdict: Verdict,
        class: &'static str,
        plan: &Plan,
        random: &mut ChaCha8Rng,
    ) -> usize {
        let uptime_ms = random.random_range(MINUTE_MS..10 * DAY_MS);
        self.processes.push(SimulatedProcess {
            pathname,
            pid: random.random_range(250..6_000) * 4,
            start_ms: (plan.start_ms - uptime_ms).max(SECOND_MS),
            verdict,
            class,
        });
        self.processes.len() - 1
    }
}

/// When the endpoint is switched on.
pub(super) struct Activity {
    pub(super) begin_ms: i64,
    pub(super) end_ms: i64,
}

impl Activity {
    /// The first moment from `time_ms` on at which the lid is open.
    pub(super) fn awake(&self, time_ms: i64) -> i64 {
        let since_start_ms = time_ms - self.begin_ms;
        let (closed_at_ms, closed_for_ms) = LUNCH_MS;
        let into_lunch_ms = since_start_ms.rem_euclid(DAY_MS) - closed_at_ms;
        if (0..closed_for_ms).contains(&into_lunch_ms) {
            time_ms + closed_for_ms - into_lunch_ms
        } else {
            time_ms
        }
    }
}
