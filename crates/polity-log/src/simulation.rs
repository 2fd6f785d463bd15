//! The log over a disk that fails, checked against a model.
//!
//! One seed is one life: batches are appended, transactions end, topics come and go, the disk fills up, a
//! sync fails, the process is killed and the power is cut in the middle of anything, a start included.
//! After each start every record that was acknowledged must be there, in order and once; any other wholly
//! or not at all.

mod life;
mod model;

use life::Life;

/// What became of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Batches that were acknowledged.
    pub acknowledged: u64,
    /// Batches that were appended, never acknowledged, and lost.
    pub lost: u64,
    /// Starts after a kill or a power cut.
    pub starts: u64,
    /// Of all that happened, in its order.
    pub fingerprint: u32,
}

/// Lives one life.
///
/// # Errors
///
/// Says what is not as it must be.
pub fn run(seed: u64) -> Result<Outcome, String> {
    Life::new(seed)
        .live()
        .map_err(|why| format!("seed {seed}: {why}"))
}

/// Lives one life twice, which must come out the same.
///
/// # Errors
///
/// As of [`run`], and where the two differ.
pub fn run_twice(seed: u64) -> Result<Outcome, String> {
    let outcome = run(seed)?;
    match run(seed)? == outcome {
        true => Ok(outcome),
        false => Err(format!(
            "seed {seed}: it came out otherwise the second time"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough that each kind of failure comes many times, and few enough for every run of the tests.
    const SEEDS: u64 = 300;

    #[test]
    fn nothing_acknowledged_is_lost_whatever_the_disk_does() {
        let mut sum = Outcome::default();
        for seed in 0..SEEDS {
            match run_twice(seed) {
                Ok(outcome) => {
                    sum.acknowledged += outcome.acknowledged;
                    sum.lost += outcome.lost;
                    sum.starts += outcome.starts;
                }
                Err(why) => panic!("{why}"),
            }
        }
        // It would prove nothing if nothing happened.
        assert!(sum.acknowledged > 10 * SEEDS, "{sum:?}");
        assert!(sum.lost > SEEDS / 4, "{sum:?}");
        assert!(sum.starts > 3 * SEEDS, "{sum:?}");
    }
}
