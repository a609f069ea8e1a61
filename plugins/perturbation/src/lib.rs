//! Attribution methods that perturb, as plugins.
