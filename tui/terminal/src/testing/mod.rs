//! A scripted terminal.
