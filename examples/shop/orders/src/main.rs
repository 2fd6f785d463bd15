//! The orders service of the shop.

fn main() {}
