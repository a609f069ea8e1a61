//! Training of one network on one split.
