//! A hash that is the same in every run, on every machine and in every version.

/// FNV-1a (Fowler, Noll, Vo 1991), and at the end the mixing of MurmurHash3: the former's upper bits
/// alone are poor for short texts. Not for where somebody gains from texts with equal hashes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StableHash(u64);

impl Default for StableHash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl StableHash {
    /// Adds `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// The hash of all that was added.
    pub(crate) fn finish(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ hash >> 33
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u64 {
        let mut hash = StableHash::default();
        hash.write(bytes);
        hash.finish()
    }

    #[test]
    fn hashes_are_what_they_always_were() {
        assert_eq!(of(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(of(b"127.0.0.1"), 0xcede_3ba3_b641_7b22);
        let mut parts = StableHash::default();
        parts.write(b"127.0");
        parts.write(b".0.1");
        assert_eq!(parts.finish(), of(b"127.0.0.1"));
    }

    /// Of texts that differ in one digit only, as many have each bit set as have not.
    #[test]
    fn every_bit_of_the_hashes_of_similar_texts_is_as_good_as_another() {
        const TEXTS: u32 = 10_000;
        let mut set = [0u32; 64];
        for number in 0..TEXTS {
            let hash = of(format!("user-{number}").as_bytes());
            for (bit, count) in set.iter_mut().enumerate() {
                *count += u32::from(hash >> bit & 1 == 1);
            }
        }
        // Five sigma of a fair coin.
        let bounds = TEXTS / 2 - 250..=TEXTS / 2 + 250;
        assert!(set.iter().all(|count| bounds.contains(count)), "{set:?}");
    }
}
