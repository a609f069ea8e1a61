//! The worker: hosts plugins and libtorch, and runs one job.

fn main() {}
