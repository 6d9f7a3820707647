//! A busy machine: as many connections as one likes, at random, with the implants among them.
//!
//! Made one at a time and never held, for measuring speed; `endpoint` is the one to look at.

use std::iter::Peekable;
use std::vec;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::endpoint::{Activity, MINUTE_MS};
use super::implant::{IMPLANTS, Implant};
use super::{SimulatedConnection, SimulatedProcess, Verdict};

/// Who connects, by turns over the destinations.
const PROGRAMS: [&str; 8] = [
    "/usr/sbin/squid",
    "/usr/bin/java",
    "/usr/bin/python3.11",
    "/usr/sbin/haproxy",
    "/usr/bin/node",
    "/usr/sbin/mariadbd",
    "/usr/bin/curl",
    "/opt/crawler/bin/fetch",
];
const PORT: u16 = 443;

/// What is to be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadPlan {
    /// The same seed gives the same journal.
    pub seed: u64,
    /// When it begins, unix milliseconds.
    pub start_ms: i64,
    /// How long it lasts, in milliseconds.
    pub duration_ms: i64,
    /// Connections, those of the implants included.
    pub connections: u64,
    /// Destinations other than the implants', from 1 to 131,072; the r-th is as busy as 1/r (Zipf).
    pub destinations: u32,
}

/// The connections of a busy machine in time order.
pub struct Load {
    /// Who connects.
    pub processes: Vec<SimulatedProcess>,
    random: ChaCha8Rng,
    /// For each destination, the sum of 1/r up to it.
    popularity: Vec<f64>,
    /// Those at random that are still to come, from `time_ms` to `end_ms`.
    left: u64,
    time_ms: f64,
    end_ms: f64,
    next: Option<SimulatedConnection>,
    implants: Peekable<vec::IntoIter<SimulatedConnection>>,
}

impl Load {
    /// The load that `plan` describes.
    pub fn simulate(plan: &LoadPlan) -> Load {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        let activity = Activity {
            begin_ms: plan.start_ms,
            end_ms: plan.start_ms.saturating_add(plan.duration_ms),
        };
        let started = |pathname, verdict, class, random: &mut ChaCha8Rng| SimulatedProcess {
            pathname,
            pid: random.random_range(250..6_000) * 4,
            start_ms: (plan.start_ms - 90 * MINUTE_MS).max(1000),
            verdict,
            class,
        };
        let mut processes: Vec<_> = PROGRAMS
            .iter()
            .map(|pathname| started(pathname, Verdict::Benign, "load", &mut random))
            .collect();
        let mut implants = Vec::new();
        for implant in &IMPLANTS {
            processes.push(started(implant.pathname, Implant::VERDICT, implant.class, &mut random));
            implant.connect(processes.len() - 1, &activity, &mut random, &mut implants);
        }
        implants.retain(|connection| connection.time_ms < activity.end_ms);
        implants.sort_by_key(|connection| connection.time_ms);
        let mut sum = 0.0;
        let popularity = (1..=plan.destinations.clamp(1, 1 << 17)).map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        });
        Load {
            processes,
            popularity: popularity.collect(),
            left: plan.connections.saturating_sub(implants.len() as u64),
            time_ms: plan.start_ms as f64,
            end_ms: activity.end_ms as f64,
            next: None,
            implants: implants.into_iter().peekable(),
            random,
        }
    }

    /// The next one at random: the earliest of those left, which lie anywhere up to the end.
    fn draw(&mut self) -> Option<SimulatedConnection> {
        self.left = self.left.checked_sub(1)?;
        let share = self.random.random_range(0.0_f64..1.0).powf(1.0 / (self.left + 1) as f64);
        self.time_ms = self.end_ms - (self.end_ms - self.time_ms) * share;
        let place = self.random.random_range(0.0..1.0) * self.popularity.last()?;
        let rank = self.popularity.partition_point(|sum| *sum <= place);
        // RFC 2544's addresses for measuring.
        let [_, b, c, d] = (rank as u32).to_be_bytes();
        Some(SimulatedConnection {
            time_ms: (self.time_ms as i64).min(self.end_ms as i64 - 1),
            process: rank % PROGRAMS.len(),
            destination: format!("198.{}.{c}.{d}", 18 + (b & 1)),
            port: PORT,
            protocol: "tcp",
            domain: String::new(),
            bytes_sent: self.random.random_range(300..3_000),
            bytes_received: self.random.random_range(300..30_000),
        })
    }
}

impl Iterator for Load {
    type Item = SimulatedConnection;

    fn next(&mut self) -> Option<SimulatedConnection> {
        if self.next.is_none() {
            self.next = self.draw();
        }
        match (self.implants.peek(), &self.next) {
            (Some(implant), Some(next)) if implant.time_ms <= next.time_ms => self.implants.next(),
            (Some(_), None) => self.implants.next(),
            _ => self.next.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_load_has_its_connections_in_order_and_the_first_destination_is_the_busiest() {
        let plan = LoadPlan {
            seed: 1,
            start_ms: 1_790_000_000_000,
            duration_ms: 86_400_000,
            connections: 20_000,
            destinations: 100,
        };
        let connections: Vec<_> = Load::simulate(&plan).collect();
        assert_eq!(connections.len(), 20_000);
        assert!(connections.is_sorted_by_key(|connection| connection.time_ms));
        let to = |destination: &str| {
            connections.iter().filter(|each| each.destination == destination).count()
        };
        assert!(to("198.18.0.0") > 8 * to("198.18.0.9"));
        let destinations: BTreeSet<_> = connections.iter().map(|each| &each.destination).collect();
        assert!(destinations.len() > 100, "{}", destinations.len());
    }
}
