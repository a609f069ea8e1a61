//! Smooth random fields: value noise on a lattice, summed over octaves.

use rand::Rng;

use crate::stream::Stream;

/// A field over the plane with values from about -1 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    key: u64,
}

impl Noise {
    /// A field drawn from a stream.
    pub fn new(stream: &mut Stream) -> Self {
        Self { key: stream.random() }
    }

    /// Features of about one unit.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let (across, down) = (ease(x - left), ease(y - top));
        let corner = |dx: i64, dy: i64| self.lattice(left as i64 + dx, top as i64 + dy);
        let upper = mix(corner(0, 0), corner(1, 0), across);
        let lower = mix(corner(0, 1), corner(1, 1), across);
        mix(upper, lower, down)
    }

    /// Features of one unit and of its halves, `octaves` times, each half as strong.
    pub fn rough(&self, x: f32, y: f32, octaves: u32) -> f32 {
        let (mut sum, mut strength, mut scale, mut total) = (0.0, 1.0, 1.0, 0.0);
        for octave in 0..octaves {
            // Shifted, so that the lattices of the octaves do not share their nodes.
            let shift = 17.3 * octave as f32;
            sum += strength * self.at(x * scale + shift, y * scale - shift);
            total += strength;
            strength *= 0.5;
            scale *= 2.0;
        }
        sum / total
    }

    /// A value from -1 to 1 at a lattice node (the finaliser of SplitMix64 as a hash).
    fn lattice(&self, x: i64, y: i64) -> f32 {
        let mut hash =
            self.key ^ (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        (hash >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// From `a` (at 0) to `b` (at 1).
pub(crate) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn step(low: f32, high: f32, value: f32) -> f32 {
    ease(((value - low) / (high - low)).clamp(0.0, 1.0))
}
