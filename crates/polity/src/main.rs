//! The one binary: reads the plan and wires the parts together.

fn main() {}
