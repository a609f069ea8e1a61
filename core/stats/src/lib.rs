//! Statistical tests and classification metrics.
