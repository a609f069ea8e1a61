//! Homes, run directories and study files.
