//! benches.
fn main() {}
