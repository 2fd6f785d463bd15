//! Groups, driven as a broker drives them.

mod consumer;
mod consumer_simulation;
mod harness;
mod joining;
mod members;
mod offsets;
mod simulation;
mod statics;
