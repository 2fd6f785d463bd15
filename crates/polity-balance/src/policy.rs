//! The algorithms, one in each file.

pub(crate) mod least_connections;
pub(crate) mod power_of_two;
pub(crate) mod round_robin;
