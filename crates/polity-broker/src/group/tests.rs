//! Groups, driven as a broker drives them.

mod harness;
mod joining;
mod members;
mod offsets;
mod simulation;
mod statics;
