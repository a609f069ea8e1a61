//! Scores of an explanation: does the map mark what the network uses, and where the finding is?
//!
//! A metric looks at one map of one image and gives one [`Record`]. Some ask the network ([`Scorer`]), some compare with
//! a mask, none knows a network, a method or a file. [`METRICS`] declares each: id, direction, range and needs. Formulas
//! and sources: `docs/metrics-explanations.md`.
//!
//! * [`road`] removes pixels and fills them in from their neighbours ([`impute`]);
//! * [`confidence`] multiplies the image with the map;
//! * [`curves`] deletes and inserts pixels step by step;
//! * [`localise`] compares the map with a mask;
//! * [`similarity`] compares two maps, for sanity checks;
//! * [`measure`](measure::measure) computes several of them for one image at once.
//!
//! A map that is constant or not finite ranks no pixel above another. Every metric then gives a status, no value.

pub mod confidence;
pub mod curves;
mod describe;
mod error;
pub mod impute;
pub mod localise;
pub mod measure;
pub mod noise;
pub mod order;
mod record;
pub mod road;
pub mod similarity;
mod subject;

pub use describe::{Direction, METRICS, MetricDescriptor, Needs, Outcome, descriptor};
pub use error::{MetricError, ScoreError};
pub use record::{Record, Status};
pub use subject::{Image, Map, Scorer};
