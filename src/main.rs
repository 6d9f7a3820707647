//! The command `beacon_candidates`.

fn main() {}
