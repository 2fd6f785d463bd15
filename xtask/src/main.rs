//! The project's own chores: `cargo xtask TASK`.

fn main() {}
