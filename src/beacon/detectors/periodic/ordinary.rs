//! Ordinary traffic: how likely the pauses between check-ins are where no timer makes them.
//!
//! Two models, each with the parameters that fit the pauses best: exponential, as of connections at
//! random, and log-normal, as of people. Their densities follow from sums over the pauses alone.

use std::ops::{AddAssign, Sub};

/// Nobody's pauses are more alike than this: the least standard deviation of their logarithms. Of
/// several agents' every pause spans several, so that it is less; by the number of agents.
const LEAST_SIGMA: [f64; 4] = [1.0, 0.626, 0.49, 0.415];
/// Half of the logarithm of a turn, 2 pi.
const HALF_LOG_OF_TURN: f64 = 0.918_938_533_204_672_7;
/// Shorter pauses count as this many seconds, because 0 has no logarithm.
const SHORTEST_PAUSE_S: f64 = 1e-3;

/// Sums over pauses: how many, their seconds, the logarithms of those, and the squares of these.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PauseSums {
    count: f64,
    seconds: f64,
    logs: f64,
    squared_logs: f64,
}

impl PauseSums {
    /// Of a single pause of `pause_s` seconds.
    pub(super) fn of(pause_s: f64) -> PauseSums {
        let seconds = pause_s.max(SHORTEST_PAUSE_S);
        let log = seconds.ln();
        PauseSums { count: 1.0, seconds, logs: log, squared_logs: log * log }
    }
}

impl AddAssign for PauseSums {
    fn add_assign(&mut self, other: PauseSums) {
        self.count += other.count;
        self.seconds += other.seconds;
        self.logs += other.logs;
        self.squared_logs += other.squared_logs;
    }
}

impl Sub for PauseSums {
    type Output = PauseSums;

    fn sub(self, other: PauseSums) -> PauseSums {
        PauseSums {
            count: self.count - other.count,
            seconds: self.seconds - other.seconds,
            logs: self.logs - other.logs,
            squared_logs: self.squared_logs - other.squared_logs,
        }
    }
}

/// The two models, fitted to the pauses that are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ordinary {
    agents: f64,
    /// The mean that one exponential pause has, in seconds; of several agents every pause is the sum
    /// of so many (Erlang's distribution).
    mean_s: f64,
    /// What each pause adds to the logarithm of Erlang's density whatever its length.
    exponential_constant: f64,
    mean_log: f64,
    sigma: f64,
}

impl Ordinary {
    /// The best fit to pauses with these sums, of so many agents.
    pub(super) fn fitted_to(pauses: &PauseSums, agents: usize) -> Ordinary {
        let mean_s = (pauses.seconds / pauses.count).max(SHORTEST_PAUSE_S) / agents as f64;
        let mean_log = pauses.logs / pauses.count;
        let variance = (pauses.squared_logs / pauses.count - mean_log * mean_log).max(0.0);
        let least_sigma = LEAST_SIGMA.get(agents - 1).copied().unwrap_or(1.0);
        let log_factorial: f64 = (1..agents).map(|factor| (factor as f64).ln()).sum();
        Ordinary {
            agents: agents as f64,
            mean_s,
            exponential_constant: -(agents as f64) * mean_s.ln() - log_factorial,
            mean_log,
            sigma: variance.sqrt().max(least_sigma),
        }
    }

    /// The logarithm of the density of pauses with these sums, under the better of the two models.
    pub(super) fn log_density(&self, pauses: &PauseSums) -> f64 {
        let PauseSums { count, seconds, logs, squared_logs } = *pauses;
        let exponential =
            count * self.exponential_constant + (self.agents - 1.0) * logs - seconds / self.mean_s;
        let deviations =
            squared_logs - 2.0 * self.mean_log * logs + count * self.mean_log * self.mean_log;
        let log_normal = -count * (self.sigma.ln() + HALF_LOG_OF_TURN)
            - logs
            - deviations / (2.0 * self.sigma * self.sigma);
        exponential.max(log_normal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(pauses: &[f64]) -> PauseSums {
        let mut sums = PauseSums::default();
        pauses.iter().for_each(|pause| sums += PauseSums::of(*pause));
        sums
    }

    /// Each density adds up to 1 over all pauses, whatever it was fitted to.
    #[test]
    fn densities_integrate_to_one() {
        for agents in 1..=4 {
            let ordinary = Ordinary::fitted_to(&sums(&[3.0, 20.0, 40.0, 300.0]), agents);
            let exponential = Ordinary { sigma: 1e9, ..ordinary };
            let log_normal = Ordinary { exponential_constant: -1e9, ..ordinary };
            for model in [exponential, log_normal] {
                let step = 1.001_f64;
                let area: f64 = (-16_000..16_000)
                    .map(|power| {
                        let pause = step.powi(power);
                        let shown = PauseSums::of(pause.max(SHORTEST_PAUSE_S));
                        let inside = f64::from(u8::from(pause >= SHORTEST_PAUSE_S));
                        inside * model.log_density(&shown).exp() * pause * (step - 1.0)
                    })
                    .sum();
                assert!((area - 1.0).abs() < 0.01, "{area} with {agents} agents");
            }
        }
    }

    /// Connections at random are exponential, and people's pauses log-normal.
    #[test]
    fn the_better_model_counts() {
        let alike = sums(&[50.0, 55.0, 60.0, 65.0]);
        let uneven = sums(&[0.01, 1.0, 100.0, 10_000.0]);
        for pauses in [alike, uneven] {
            let ordinary = Ordinary::fitted_to(&pauses, 1);
            let exponential = Ordinary { sigma: 1e300, ..ordinary }.log_density(&pauses);
            let log_normal =
                Ordinary { exponential_constant: -1e300, ..ordinary }.log_density(&pauses);
            assert_eq!(ordinary.log_density(&pauses), exponential.max(log_normal));
        }
        assert!(Ordinary::fitted_to(&uneven, 1).sigma > 4.0);
        assert_eq!(Ordinary::fitted_to(&alike, 1).sigma, 1.0);
    }
}
