//! The C ABI between Lightbox and its plugins.
