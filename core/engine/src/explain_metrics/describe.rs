//! What each metric is: id, direction, range, needs and source.

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
    /// A description of the image, not of the map's quality.
    Neither,
}

/// What a metric needs beside the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The network's confidence on perturbed images.
    Scores,
    /// A mask of the finding.
    Mask,
}

/// What kind of value an image gets, which decides the statistical test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A number.
    Number,
    /// 1 for yes, 0 for no.
    YesOrNo,
}

/// Declaration of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricDescriptor {
    /// As on the command line and in `explain.csv`.
    pub id: &'static str,
    /// As on screen.
    pub name: &'static str,
    /// Which way is better.
    pub direction: Direction,
    /// Smallest and largest possible value.
    pub range: (f64, f64),
    /// What it needs beside the map.
    pub needs: Needs,
    /// Kind of value.
    pub outcome: Outcome,
    /// Where the formula comes from.
    pub source: &'static str,
}

const GRAD_CAM_PACKAGE: &str = "grad-cam 1.5.7, pytorch_grad_cam.metrics.cam_mult_image";
const GRAD_CAM_PLUS_PLUS: &str = "Chattopadhay et al., Grad-CAM++, WACV 2018";
const RISE: &str = "Petsiuk et al., RISE, BMVC 2018";

/// All metrics.
pub const METRICS: &[MetricDescriptor] = &[
    MetricDescriptor {
        id: "road",
        name: "ROAD (LeRF - MoRF)/2",
        direction: Direction::Higher,
        range: (-0.5, 0.5),
        needs: Needs::Scores,
        outcome: Outcome::Number,
        source: "Rong et al., ROAD, ICML 2022; grad-cam 1.5.7, ROADCombined",
    },
    MetricDescriptor {
        id: "confidence-change",
        name: "Confidence change (image x map)",
        direction: Direction::Higher,
        range: (-1.0, 1.0),
        needs: Needs::Scores,
        outcome: Outcome::Number,
        source: GRAD_CAM_PACKAGE,
    },
    MetricDescriptor {
        id: "drop",
        name: "Drop in confidence (absolute)",
        direction: Direction::Lower,
        range: (0.0, 1.0),
        needs: Needs::Scores,
        outcome: Outcome::Number,
        source: GRAD_CAM_PACKAGE,
    },
    MetricDescriptor {
        id: "increase",
        name: "Increase in confidence (yes or no)",
        direction: Direction::Higher,
        range: (0.0, 1.0),
        needs: Needs::Scores,
        outcome: Outcome::YesOrNo,
        source: GRAD_CAM_PACKAGE,
    },
    MetricDescriptor {
        id: "average-drop",
        name: "Average drop (relative)",
        direction: Direction::Lower,
        range: (0.0, 1.0),
        needs: Needs::Scores,
        outcome: Outcome::Number,
        source: GRAD_CAM_PLUS_PLUS,
    },
    MetricDescriptor {
        id: "deletion",
        name: "Deletion (area under the curve)",
        direction: Direction::Lower,
        range: (0.0, 1.0),
        needs: Needs::Scores,
        outcome: Outcome::Number,
        source: RISE,
    },
    MetricDescriptor {
        id: "insertion",
        name: "Insertion (area under the curve)",
        direction: Direction::Higher,
        range: (0.0, 1.0),
        needs: Needs::Scores,
        outcome: Outcome::Number,
        source: RISE,
    },
    MetricDescriptor {
        id: "energy",
        name: "Energy inside",
        direction: Direction::Higher,
        range: (0.0, 1.0),
        needs: Needs::Mask,
        outcome: Outcome::Number,
        source: "Wang et al., Score-CAM (energy-based pointing game), CVPR workshops 2020",
    },
    MetricDescriptor {
        id: "pointing",
        name: "Pointing game (hit)",
        direction: Direction::Higher,
        range: (0.0, 1.0),
        needs: Needs::Mask,
        outcome: Outcome::YesOrNo,
        source: "Zhang et al., Excitation Backprop, IJCV 2018; tolerance 0",
    },
    MetricDescriptor {
        id: "iou",
        name: "IoU of the top pixels",
        direction: Direction::Higher,
        range: (0.0, 1.0),
        needs: Needs::Mask,
        outcome: Outcome::Number,
        source: "Intersection over union with as many top pixels as the mask has",
    },
    MetricDescriptor {
        id: "auprc",
        name: "Average precision of the pixels",
        direction: Direction::Higher,
        range: (0.0, 1.0),
        needs: Needs::Mask,
        outcome: Outcome::Number,
        source: "Average precision as scikit-learn's average_precision_score",
    },
    MetricDescriptor {
        id: "area-fraction",
        name: "Mask area",
        direction: Direction::Neither,
        range: (0.0, 1.0),
        needs: Needs::Mask,
        outcome: Outcome::Number,
        source: "Share of the image inside the mask: what a random map scores in energy and auprc",
    },
];

/// The metric of this id.
pub fn descriptor(id: &str) -> Option<&'static MetricDescriptor> {
    METRICS.iter().find(|metric| metric.id == id)
}
