//! Weights files: reading, loading into a network, exporting.
