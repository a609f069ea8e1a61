//! The arithmetic that methods on a layer's activations share, on plain slices: no plugin, no torch.
//!
//! A method turns each channel of an image into a term T_k \[h,w\], for example `w_k A_k`; the terms become one map by their
//! sum ([`Sum`]) or by their first principal component ([`Projection`]). One image is \[C, pixels\], row-major.

mod eigen;
mod gram;
mod projection;
mod sum;

pub use projection::{Projection, Sign};
pub use sum::Sum;

/// Turns the terms of an image, channel by channel, into its map.
pub trait Reduction {
    /// Fills `map` from `channels` terms of the map's length; `term(k, row)` writes term k, whole, into `row`.
    fn reduce(&mut self, channels: usize, term: &mut dyn FnMut(usize, &mut [f32]), map: &mut [f32]);
}
