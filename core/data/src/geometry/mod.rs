//! Bringing images, masks and boxes to the network's size.
//!
//! All three are stretched from the upright image (after EXIF orientation) to the network's width and height; pixel
//! centres lie at halves, so that what is drawn over an image lands on the same pixels as what is drawn from a box.

mod lesion;
mod resize;

pub use lesion::{Lesion, boxes_to_size, lesion, mask_to_size};
pub use resize::{resize, resize_pixels};
