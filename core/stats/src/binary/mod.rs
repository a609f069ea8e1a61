//! Tests of right or wrong, yes or no: McNemar, its forms for groups, and Cochran's Q.

mod clustered;
mod cochran;
mod mcnemar;

pub use clustered::{GroupForm, GroupTable, mcnemar_groups};
pub use cochran::{cochran_q, cochran_q_groups};
pub use mcnemar::{Discordant, McnemarForm, mcnemar};
