//! The tracker service of the shop.

fn main() {}
