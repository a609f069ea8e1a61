//! Resampling by group: paired permutation, and the BCa bootstrap. Same answer on any number of threads.

mod bootstrap;
mod permutation;

pub use bootstrap::{BcaParts, bca_ends, bootstrap_by_group};
pub use permutation::permutation_by_group;
pub(crate) use permutation::permutation_with;
