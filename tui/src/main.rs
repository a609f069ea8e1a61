//! The lightbox program.

fn main() {}
