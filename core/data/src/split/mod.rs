//! Train, validation and test: stratified by class, never across a group.
