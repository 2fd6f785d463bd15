//! Transactions, driven as a broker drives them.

mod epochs;
mod harness;
mod lifecycle;
mod simulation;
