//! End-to-end tests and oracles.
