//! Guessing how a folder of images is laid out.
