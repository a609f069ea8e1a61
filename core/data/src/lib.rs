//! Datasets: manifests, decoding, caches, splits and leakage.
