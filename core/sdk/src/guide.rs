//! The author's guide, so that its Rust is compiled and run with the other examples.
#![doc = include_str!("../../../docs/plugins.md")]
