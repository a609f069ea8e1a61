//! CAM methods that need one gradient, as plugins.
