//! The outcome of one metric on one map.

use std::fmt;

/// Why there is a value, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// There is a value.
    Ok,
    /// All pixels of the map are equal.
    ConstantMap,
    /// The map holds NaN or infinity.
    NanMap,
    /// The metric needs a mask and the image has none.
    NoMask,
    /// The mask marks no pixel.
    EmptyMask,
    /// The network gave a probability that is not finite.
    NanScore,
}

impl Status {
    /// As it stands in `explain.csv`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::ConstantMap => "constant-map",
            Status::NanMap => "nan-map",
            Status::NoMask => "no-mask",
            Status::EmptyMask => "empty-mask",
            Status::NanScore => "nan-score",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One figure of one map.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Metric id.
    pub metric: &'static str,
    /// The figure; none where `status` says why.
    pub value: Option<f64>,
    /// Whether there is a value.
    pub status: Status,
    /// Parameters of the metric as `name=value`, joined by `;`.
    pub params: String,
}

impl Record {
    /// A figure. One that is not finite becomes [`Status::NanScore`]: only a network's scores can bring that about.
    pub fn new(metric: &'static str, value: f64, params: String) -> Record {
        if value.is_finite() {
            Record { metric, value: Some(value), status: Status::Ok, params }
        } else {
            Record::without(metric, Status::NanScore, params)
        }
    }

    /// No figure, and why.
    pub fn without(metric: &'static str, status: Status, params: String) -> Record {
        Record { metric, value: None, status, params }
    }
}
