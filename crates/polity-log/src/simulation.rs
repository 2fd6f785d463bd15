//! The log over a disk that fails, checked against a model.
//!
//! One seed is two lives: batches are appended, transactions end, records are deleted, the disk fills up, a
//! sync fails, the process is killed and the power is cut in the middle of anything, a start included.
//! After each start every record that was acknowledged must be there, in order and once; any other wholly
//! or not at all. In the second life, records are compacted and grow too old while they are read, and the last
//! of each key must be there.

mod compacting;
mod life;
mod machine;
mod model;

use compacting::Compacting;
use life::Life;

use crate::batch::Header;

type Check = Result<(), String>;

/// What became of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Batches that were acknowledged.
    pub acknowledged: u64,
    /// Batches that were appended, never acknowledged, and lost.
    pub lost: u64,
    /// Starts after a kill or a power cut.
    pub starts: u64,
    /// Records that compaction took away.
    pub compacted: u64,
    /// Of all that happened, in its order.
    pub fingerprint: u32,
}

/// Lives two lives.
///
/// # Errors
///
/// Says what is not as it must be.
pub fn run(seed: u64) -> Result<Outcome, String> {
    let lives = || {
        let outcome = Life::new(seed).live()?;
        let compacted = Compacting::new(seed).live();
        Ok(outcome.and(compacted.map_err(|why| format!("compacting: {why}"))?))
    };
    lives().map_err(|why: String| format!("seed {seed}: {why}"))
}

/// Lives both twice, which must come out the same.
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

impl Outcome {
    fn and(self, other: Self) -> Self {
        let fingerprints = [self.fingerprint, other.fingerprint].map(u32::to_be_bytes);
        Self {
            acknowledged: self.acknowledged + other.acknowledged,
            lost: self.lost + other.lost,
            starts: self.starts + other.starts,
            compacted: self.compacted + other.compacted,
            fingerprint: crc32c::crc32c(fingerprints.as_flattened()),
        }
    }

    fn note(&mut self, happened: bool) {
        self.note_bytes(&[u8::from(happened)]);
    }

    fn note_bytes(&mut self, bytes: &[u8]) {
        self.fingerprint = crc32c::crc32c_append(self.fingerprint, bytes);
    }
}

/// Batches that were read, which must be whole.
fn split(mut bytes: &[u8]) -> Result<Vec<(Header, Vec<u8>)>, String> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let header = Header::parse_checked(bytes).map_err(|error| format!("a read: {error}"))?;
        let (batch, rest) = bytes.split_at(header.length);
        batches.push((header, batch.to_vec()));
        bytes = rest;
    }
    Ok(batches)
}

fn expect<T: PartialEq + std::fmt::Display>(what: &str, is: T, should: T) -> Check {
    match is == should {
        true => Ok(()),
        false => Err(format!("{what} is {is} and should be {should}")),
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
                    sum = sum.and(outcome);
                }
                Err(why) => panic!("{why}"),
            }
        }
        // It would prove nothing if nothing happened.
        assert!(sum.acknowledged > 10 * SEEDS, "{sum:?}");
        assert!(sum.lost > SEEDS / 4, "{sum:?}");
        assert!(sum.starts > 6 * SEEDS, "{sum:?}");
        assert!(sum.compacted > 20 * SEEDS, "{sum:?}");
    }
}
