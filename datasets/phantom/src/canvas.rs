//! From a function over the plane to bytes.

use crate::noise::{Noise, mix};
use crate::stream::{Stream, between, normal};

/// A finished picture.
pub(crate) struct Drawing {
    pub pixels: Vec<u8>,
    pub mask: Option<Vec<u8>>,
}

/// Calls `paint` at the centre of every pixel, in coordinates from -1 to 1 (x to the right, y down), row by row.
pub(crate) fn scan<T>(size: usize, mut paint: impl FnMut(f32, f32) -> T) -> Vec<T> {
    let mut out = Vec::with_capacity(size * size);
    let place = |at: usize| (2.0 * at as f32 + 1.0) / size as f32 - 1.0;
    for row in 0..size {
        for column in 0..size {
            out.push(paint(place(column), place(row)));
        }
    }
    out
}

/// The mask where `inside` says so; `None` for a lesion that covers no pixel.
pub(crate) fn mask(size: usize, mut inside: impl FnMut(f32, f32) -> bool) -> Option<Vec<u8>> {
    let mask = scan(size, |x, y| if inside(x, y) { 255 } else { 0 });
    mask.contains(&255).then_some(mask)
}

/// How a picture was taken: the same tissue gives other grey values in every picture.
pub(crate) struct Exposure {
    gain: f32,
    offset: f32,
    gamma: f32,
    shading: f32,
    shade: Noise,
    noise: f32,
}

impl Exposure {
    /// An exposure whose brightness varies by `spread` (0 to 1), with sensor noise up to `noise`.
    pub fn new(stream: &mut Stream, spread: f32, noise: f32) -> Self {
        Self {
            gain: 1.0 + spread * between(stream, -0.6, 0.4),
            offset: spread * between(stream, 0.0, 0.12),
            gamma: (spread * between(stream, -0.7, 0.7)).exp(),
            shading: spread * between(stream, 0.05, 0.45),
            shade: Noise::new(stream),
            noise: between(stream, 0.25 * noise, noise),
        }
    }

    /// The value seen for tissue of brightness `value` (0 to 1), before noise.
    pub fn see(&self, x: f32, y: f32, value: f32) -> f32 {
        let shading = 1.0 + self.shading * self.shade.at(0.7 * x + 3.0, 0.7 * y + 3.0);
        self.offset + self.gain * value.clamp(0.0, 1.0).powf(self.gamma) * shading
    }

    /// Sensor noise added to a value, as a byte.
    pub fn byte(&self, stream: &mut Stream, value: f32) -> u8 {
        ((value + self.noise * normal(stream)).clamp(0.0, 1.0) * 255.0).round() as u8
    }

    /// Noise as in the magnitude of a complex signal (Rice), which lifts black.
    pub fn magnitude_byte(&self, stream: &mut Stream, value: f32) -> u8 {
        let (real, imaginary) = (value + self.noise * normal(stream), self.noise * normal(stream));
        (real.hypot(imaginary).clamp(0.0, 1.0) * 255.0).round() as u8
    }
}

/// Lets a value blend into another inside a soft shape: `cover` 0 outside to 1 inside.
pub(crate) fn blend(value: &mut f32, other: f32, cover: f32) {
    *value = mix(*value, other, cover.clamp(0.0, 1.0));
}

/// A position and turn, and the way from the picture into it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub x: f32,
    pub y: f32,
    pub angle: f32,
    pub scale: f32,
}

impl Frame {
    /// Coordinates of a point of the picture within the frame.
    pub fn inside(&self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = ((x - self.x) / self.scale, (y - self.y) / self.scale);
        let (sin, cos) = self.angle.sin_cos();
        (dx * cos + dy * sin, dy * cos - dx * sin)
    }

    /// A small random change of place, turn and scale.
    pub fn jitter(stream: &mut Stream, shift: f32, turn: f32, zoom: f32) -> Self {
        Self {
            x: between(stream, -shift, shift),
            y: between(stream, -shift, shift),
            angle: between(stream, -turn, turn),
            scale: between(stream, 1.0 - zoom, 1.0 + zoom),
        }
    }
}
