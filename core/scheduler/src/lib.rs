//! Runs jobs as worker processes.
