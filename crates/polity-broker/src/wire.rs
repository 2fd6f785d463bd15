//! The protocol's bytes: frames, headers and the checks that come before any decoding.

pub(crate) mod answer;
pub(crate) mod answers;
pub(crate) mod budget;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod pace;
pub(crate) mod pressure;
pub(crate) mod put;
pub(crate) mod shape;
pub(crate) mod shapes;
pub(crate) mod turn;
