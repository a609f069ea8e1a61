//! Training of one network on one split.
//!
//! [`train`] takes a [`Network`], images and [`TrainSettings`], and runs epochs of: order the images, gather a batch of
//! bytes ([`source`]), move it to the device, augment and normalise it there ([`augment`], [`pixels`]), forward, loss,
//! backward, clip, optimizer step. The validation part alone decides the best epoch and when to stop.
//!
//! Every random number is derived from (seed, epoch, step, stream) when it is needed ([`random`]), so a checkpoint
//! ([`checkpoint`]) holds weights, optimizer and position and no generator: a resumed run has the same bits as one that
//! was never stopped.

pub mod augment;
pub mod checkpoint;
mod epoch;
mod error;
mod event;
pub mod loss;
mod network;
pub mod optimizer;
pub mod order;
pub mod pixels;
mod progress;
pub mod random;
mod run;
pub mod schedule;
mod settings;
pub mod source;
mod step;

pub use error::TrainError;
pub use event::Event;
pub use network::{Network, NetworkError, prepare};
pub use progress::{Best, EpochRecord, Progress, Stop};
pub use run::{TrainData, TrainOutcome, train};
pub use settings::{Augmentation, ClassWeights, OptimizerSettings, Precision, Schedule, TrainSettings};
pub use source::ImageSource;
pub(crate) use step::forward;
