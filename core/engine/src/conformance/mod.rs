//! Does a plugin keep the promises of the ABI? What `lightbox plugins check` runs before users do.
//!
//! Each method is run on a small network made here (`toy`), each network with random weights. The checks run in a process of
//! their own (`run`), which writes a line before and after each: when it dies, the one that asked (`supervise`) knows at
//! which check.

mod growth;
mod methods;
mod models;
mod report;
mod run;
mod supervise;
mod toy;

pub use report::{Check, Report, Verdict};
pub use run::main;
pub use supervise::{CheckLimits, supervise};
