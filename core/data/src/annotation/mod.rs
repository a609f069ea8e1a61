//! Which boxes and which mask belong to an image (what they cover in pixels is `geometry`'s business).

mod boxes;
mod masks;
mod pattern;

pub(crate) use boxes::read_boxes;
pub(crate) use masks::MaskFinder;
pub(crate) use pattern::{check_pattern, stem};
use serde::{Deserialize, Serialize};

/// A lesion box, in fractions of the upright image's width and height (after EXIF orientation).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoxFraction {
    /// Centre from the left edge, 0 to 1.
    pub x_center: f64,
    /// Centre from the top edge, 0 to 1.
    pub y_center: f64,
    /// Width, 0 to 1.
    pub width: f64,
    /// Height, 0 to 1.
    pub height: f64,
}
