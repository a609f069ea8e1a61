//! Baselines that know nothing of the network, as plugins.
