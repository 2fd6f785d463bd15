//! Consumer groups: who consumes which partitions, and how far they have come.
