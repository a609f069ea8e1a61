//! What the terminal is asked, and what follows from its answers.
//!
//! Answers count more than `TERM` and its like, which an SSH session or a multiplexer may have made untrue. The question
//! that every terminal answers, DA1, is asked last: when its answer is in, nothing more will follow.

mod answers;
mod ask;
mod decide;
mod environment;
mod questions;

#[cfg(test)]
mod tests;

pub use answers::Answers;
pub use ask::ask;
pub use decide::{Choice, Colours, Graphics, Protocol, UnknownChoice, decide};
pub use environment::{Environment, TmuxClient};
pub use questions::questions;
pub(crate) use questions::through_tmux;

pub use crate::tty::WindowSize;
