//! The null model: what connections at random would do, and how far from it others are.
//!
//! Which windows are laid over intervals is decided in `folding`.

/// Connections at random: exponential intervals (of n agents sums of n of them: Erlang's
/// distribution) with the median of those at hand, of which the merging has left none shorter than
/// its gap.
pub(super) struct Chance {
    gap_ms: f64,
    mean_ms: f64,
    agents: usize,
}

impl Chance {
    /// With the median of these lengths, merged over this gap, of this number of agents; `None` of none.
    pub(super) fn of(sorted_ms: &[f64], gap_ms: f64, agents: usize) -> Option<Chance> {
        // Erlang's median in means of one interval; from 2 on almost agents - 1/3.
        let median = if agents == 1 { std::f64::consts::LN_2 } else { agents as f64 - 1.0 / 3.0 };
        let (lower, upper) = (sorted_ms.len().checked_sub(1)? / 2, sorted_ms.len() / 2);
        let median_ms = (sorted_ms.get(lower)? + sorted_ms.get(upper)?) / 2.0;
        let mean_ms = ((median_ms - gap_ms) / median).max(1e-3);
        Some(Chance { gap_ms, mean_ms, agents })
    }

    /// The share of intervals from one length to another.
    pub(super) fn between(&self, from_ms: f64, to_ms: f64) -> f64 {
        self.longer(from_ms) - self.longer(to_ms)
    }

    fn longer(&self, ms: f64) -> f64 {
        let means = (ms - self.gap_ms).max(0.0) / self.mean_ms;
        let (mut term, mut sum) = (1.0, 1.0);
        for event in 1..self.agents {
            term *= means / event as f64;
            sum += term;
        }
        (-means).exp() * sum
    }
}

/// Kullback and Leibler's divergence of a coin of this share from one of the expected, nats a
/// throw: by Chernoff's bound, n throws of the latter look like the former with a probability of
/// at most exp(-n times this).
pub(super) fn divergence(share: f64, expected: f64) -> f64 {
    let term = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    term(share, expected) + term(1.0 - share, 1.0 - expected)
}

/// It is no higher, which takes no logarithm to tell: Pearson's chi-squared divergence (ln x <= x - 1).
pub(super) fn divergence_at_most(share: f64, expected: f64) -> f64 {
    (share - expected).powi(2) / (expected * (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_divergence_is_above_its_bound(share in 0.0..=1.0, expected in 1e-9..0.999) {
            let (divergence, most) =
                (divergence(share, expected), divergence_at_most(share, expected));
            prop_assert!(divergence <= most * (1.0 + 1e-9) + 1e-12, "{divergence} above {most}");
        }
    }

    #[test]
    fn half_of_the_lengths_are_below_their_median() {
        for agents in 1..=4 {
            let chance = Chance::of(&[60_000.0], 1_000.0, agents).unwrap();
            let share = chance.between(1_000.0, 60_000.0);
            assert!((share - 0.5).abs() < 0.01, "{share} with {agents} agents");
        }
    }
}
