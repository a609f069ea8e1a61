//! What the host and its tools know of a plugin, as data.
