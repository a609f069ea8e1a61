//! Each image decoded once, into one memory-mapped file.
