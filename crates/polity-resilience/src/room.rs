//! Places that several share: one of them that hangs leaves room for the others.

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;

/// How many places there are, and how many of them anyone may fill.
///
/// Of the rest nobody is given more than is left free: whoever does not give its places back gets half
/// of the rest, two of that kind a third each, and however many there are, one share always stays free
/// (Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998).
/// A fixed share would be too small for one, or not small enough for two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many places there are.
    pub places: u64,
    /// How many of them anyone may fill.
    pub common: u64,
}

impl Room {
    /// A room of so many places, of which `common` (0 to 1) is the part that anyone may fill.
    pub fn new(places: u64, common: f64) -> Self {
        Self {
            places,
            common: (places as f64 * common) as u64,
        }
    }

    /// How many of the places beyond the common ones whoever has just taken one may
    /// hold, with `taken` taken in all, that one included; none where it is a common one.
    pub fn share(&self, taken: u64) -> Option<u64> {
        (taken > self.common).then(|| self.places.saturating_add(1).saturating_sub(taken))
    }
}
