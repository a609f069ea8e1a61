//! Run directories: what a job was asked to do, what it did and what came of it.

mod checked;
mod config;
mod dir;
mod events;
mod explain_scores;
mod id;
mod provenance;
mod queue;
mod running_method;
mod scores;
mod split;
mod status;

pub use config::{
    Augmentation, ClassWeights, DatasetRef, DeviceChoice, EvaluateConfig, ExplainConfig, JobConfig, JobKind,
    ModelChoice, OptimizerChoice, Precision, Pretrained, Schedule, SplitRef, Target, TrainConfig,
};
pub use dir::{FORMAT, hostname};
pub use dir::{NewRun, Owner, RunDir, list_runs, resolve};
pub use events::{Event, EventKind, EventReader, EventWriter, FailureCause};
pub use explain_scores::{ExplainScore, ExplainScores, Word};
pub use id::{GroupId, RunId};
pub use provenance::{PluginUsed, Provenance};
pub use queue::{Placement, QueueEntry, Wish};
pub use running_method::RunningMethod;
pub use scores::{ExplainRow, PredictionRow, Predictions, read_predictions, write_explain, write_predictions};
pub use split::{Part, SplitRows};
pub use status::RunStatus;
pub use status::process_start;
