//! Transactions, driven as a broker drives them.

mod epochs;
mod hanging;
mod harness;
mod lifecycle;
mod memory;
mod simulation;
