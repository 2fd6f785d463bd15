//! How long things take, drawn at random.

use std::time::Duration;

use polity_core::Rng;

/// What a duration is distributed like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(Duration),
    /// Without memory: the times between arrivals of an open loop, and the service times of M/M/c.
    Exponential {
        /// Its mean.
        mean: Duration,
    },
    /// Most are short and a few are long, as service times of real services are.
    LogNormal {
        /// Its mean.
        mean: Duration,
        /// The standard deviation of the logarithm: with 1, the 99th percentile is six times the mean.
        sigma: f64,
    },
}

impl Distribution {
    /// What it is on average.
    pub fn mean(&self) -> Duration {
        match *self {
            Self::Constant(mean) | Self::Exponential { mean } | Self::LogNormal { mean, .. } => {
                mean
            }
        }
    }

    pub(super) fn draw(&self, rng: &mut dyn Rng) -> Duration {
        match *self {
            Self::Constant(always) => always,
            Self::Exponential { mean } => mean.mul_f64(-(1.0 - rng.unit()).ln()),
            // The mean of exp(sigma z) is exp(sigma²/2), which is divided out.
            Self::LogNormal { mean, sigma } => {
                mean.mul_f64((sigma * normal(rng) - sigma * sigma / 2.0).exp())
            }
        }
    }
}

/// Standard normal, by Box and Muller (1958).
fn normal(rng: &mut dyn Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.unit()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polity_core::SplitMix64;

    #[test]
    fn means_are_what_was_asked_for() {
        let mean = Duration::from_millis(20);
        for distribution in [
            Distribution::Constant(mean),
            Distribution::Exponential { mean },
            Distribution::LogNormal { mean, sigma: 0.8 },
        ] {
            let mut rng = SplitMix64::new(5);
            let draws: f64 = (0..100_000)
                .map(|_| distribution.draw(&mut rng).as_secs_f64())
                .sum();
            let ratio = draws / 100_000.0 / mean.as_secs_f64();
            assert!((0.99..1.01).contains(&ratio), "{distribution:?}: {ratio}");
        }
    }

    #[test]
    fn the_tail_of_a_lognormal_is_as_long_as_its_sigma_says() {
        let mean = Duration::from_millis(10);
        let distribution = Distribution::LogNormal { mean, sigma: 1.0 };
        let mut rng = SplitMix64::new(6);
        let mut draws: Vec<_> = (0..100_000).map(|_| distribution.draw(&mut rng)).collect();
        draws.sort_unstable();
        // exp(2.3263 - 0.5) = 6.21 times the mean.
        let p99 = draws[99_000].as_secs_f64() / mean.as_secs_f64();
        assert!((6.0..6.4).contains(&p99), "{p99}");
    }
}
