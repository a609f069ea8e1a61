//! Random streams: one for each subject and one for each of its pictures.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The random numbers of one picture or subject.
pub(crate) type Stream = ChaCha8Rng;

/// The stream of (`seed`, kind, subject, part), independent of all others.
pub(crate) fn derive(seed: u64, kind: u64, subject: u64, part: u64) -> Stream {
    let mut bytes = [0; 32];
    for (place, number) in bytes.chunks_exact_mut(8).zip([seed, kind, subject, part]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    Stream::from_seed(bytes)
}

/// A number between two.
pub(crate) fn between(stream: &mut Stream, low: f32, high: f32) -> f32 {
    low + (high - low) * stream.random::<f32>()
}

/// -1 or 1.
pub(crate) fn side(stream: &mut Stream) -> f32 {
    if stream.random::<bool>() { 1.0 } else { -1.0 }
}

/// A number of the standard normal distribution (Box and Muller).
pub(crate) fn normal(stream: &mut Stream) -> f32 {
    let radius = (-2.0 * (1.0 - stream.random::<f32>()).max(f32::MIN_POSITIVE).ln()).sqrt();
    radius * (std::f32::consts::TAU * stream.random::<f32>()).cos()
}
