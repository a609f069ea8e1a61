//! Dermoscopy: skin with hairs, gel bubbles, ink, vignette and uneven light, and one pigmented lesion on it.
//!
//! Colour and darkness of the pigment are drawn from the same range for all classes. What differs is the structure: a
//! nevus is symmetric with an even network; a melanoma has a ragged, asymmetric outline, blotches and a blue-white
//! veil; a keratosis has a sharp, lobed edge, a waxy grain and small white cysts.

use rand::Rng;

use crate::canvas::{Drawing, Exposure, Frame, mask, scan};
use crate::noise::{Noise, mix, step};
use crate::stream::{Stream, between};

/// Absorption of red, green and blue by melanin, relative to each other.
const MELANIN: [f32; 3] = [0.55, 1.0, 1.35];
/// The colour of pigment that lies deep.
const VEIL: [f32; 3] = [0.52, 0.56, 0.68];

struct Lesion {
    place: Frame,
    aspect: f32,
    edge: Noise,
    inner: Noise,
    blotches: Noise,
    /// How far the outline strays, and with how fine a detail.
    ragged: f32,
    detail: f32,
    /// Width of the fading edge, as a share of the radius.
    fading: f32,
    density: f32,
    warm: f32,
    structure: Structure,
}

enum Structure {
    Network { mesh: f32 },
    Blotches { veil: f32 },
    Waxy { cysts: Vec<(f32, f32, f32)> },
}

/// Bubbles in the contact gel and the surgeon's ink, which bring white and blue into pictures of every class.
struct Gel {
    bubbles: Vec<(f32, f32, f32)>,
    ink: Option<Ink>,
}

/// A stroke of a marker, beside the lesion more often than on it.
struct Ink {
    place: Frame,
    width: f32,
    strength: f32,
    grain: Noise,
}

/// A hair as an arc.
struct Hair {
    x: f32,
    y: f32,
    angle: f32,
    bend: f32,
    width: f32,
    dark: f32,
}

pub(crate) fn draw(class: &str, size: usize, subject: &mut Stream, view: &mut Stream) -> Drawing {
    let tone = between(subject, 0.0, 1.0);
    let skin = [mix(0.93, 0.66, tone), mix(0.74, 0.46, tone), mix(0.64, 0.34, tone)];
    let pores = Noise::new(subject);
    let blush = Noise::new(subject);
    let lesion = Lesion::new(class, subject);

    let mut pose = Frame::jitter(view, 0.20, std::f32::consts::PI, 0.18);
    pose.scale *= between(view, 0.85, 1.1);
    let exposure = Exposure::new(view, 0.6, 0.025);
    let balance = [between(view, 0.92, 1.05), 1.0, between(view, 0.90, 1.08)];
    let hairs: Vec<Hair> = (0..view.random_range(0..9)).map(|_| Hair::new(view)).collect();
    let gel = Gel::new(view);
    let vignette = between(view, 0.0, 1.0).powi(2);
    let pixel = 2.0 / size as f32;

    let colours = scan(size, |x, y| {
        let (u, v) = pose.inside(x, y);
        let grain = 0.05 * pores.rough(13.0 * u, 13.0 * v, 3) + 0.10 * blush.at(1.6 * u, 1.6 * v);
        let mut colour = skin.map(|value| value * (1.0 + grain));
        lesion.paint(&mut colour, u, v, pixel);
        gel.paint(&mut colour, x, y, pixel);
        let hair = hairs.iter().map(|hair| hair.cover(x, y, pixel)).fold(0.0, f32::max);
        let corner = 1.0 - vignette * step(0.95, 1.38, x.hypot(y));
        std::array::from_fn(|channel| {
            let value = mix(colour[channel], 0.10, hair) * balance[channel] * corner;
            exposure.see(x, y, value)
        })
    });
    let pixels =
        colours.into_iter().flat_map(|colour: [f32; 3]| colour).map(|value| exposure.byte(view, value)).collect();
    let mask = mask(size, |x, y| {
        let (u, v) = pose.inside(x, y);
        lesion.depth(u, v) > 0.0
    });
    Drawing { pixels, mask }
}

impl Lesion {
    fn new(class: &str, stream: &mut Stream) -> Self {
        let place = Frame {
            x: between(stream, -0.15, 0.15),
            y: between(stream, -0.15, 0.15),
            angle: between(stream, 0.0, std::f32::consts::TAU),
            scale: between(stream, 0.32, 0.58),
        };
        // So that structures of all classes are equally dark in the mean.
        let strength = match class {
            "melanoma" => 1.2,
            "keratosis" => 1.02,
            _ => 0.86,
        };
        let (ragged, detail, fading, structure) = match class {
            "melanoma" => {
                let veil = between(stream, 0.25, 0.60);
                (between(stream, 0.45, 0.7), 2.4, 0.10, Structure::Blotches { veil })
            }
            "keratosis" => {
                let count = stream.random_range(9..20);
                let cyst = |stream: &mut Stream| {
                    let (angle, radius) = (between(stream, 0.0, std::f32::consts::TAU), between(stream, 0.1, 0.8));
                    (radius * angle.cos(), radius * angle.sin(), between(stream, 0.045, 0.09))
                };
                let cysts = (0..count).map(|_| cyst(stream)).collect();
                (between(stream, 0.16, 0.26), 3.2, 0.03, Structure::Waxy { cysts })
            }
            _ => (between(stream, 0.04, 0.12), 1.3, 0.22, Structure::Network { mesh: between(stream, 5.0, 7.0) }),
        };
        Self {
            place,
            aspect: between(stream, 0.72, 1.0),
            edge: Noise::new(stream),
            inner: Noise::new(stream),
            blotches: Noise::new(stream),
            ragged,
            detail,
            fading,
            density: between(stream, 0.4, 1.45) * strength,
            warm: between(stream, 0.8, 1.25),
            structure,
        }
    }

    /// Above 0 inside, rising to about 1 in the middle.
    fn depth(&self, u: f32, v: f32) -> f32 {
        let (a, b) = self.place.inside(u, v);
        let radius = a.hypot(b / self.aspect);
        1.0 - radius + self.ragged * self.edge.rough(self.detail * a, self.detail * b, 3)
    }

    fn paint(&self, colour: &mut [f32; 3], u: f32, v: f32, pixel: f32) {
        let depth = self.depth(u, v);
        let soft = self.fading.max(1.2 * pixel / self.place.scale);
        let cover = step(-0.5 * soft, soft, depth);
        if cover == 0.0 {
            return;
        }
        let (a, b) = self.place.inside(u, v);
        let grain = self.inner.rough(3.0 * a, 3.0 * b, 3);
        let mut pigment = self.density * cover;
        let mut pale = 0.0;
        let mut veiled = 0.0;
        match &self.structure {
            Structure::Network { mesh } => {
                // Lines where a field changes sign: a mesh without a beat.
                let line = |shift: f32| self.inner.at(mesh * a + shift, mesh * b - shift).abs();
                let lines = line(0.0).min(line(31.0));
                pigment *= 0.72 + 0.62 * step(0.30, 0.06, lines) + 0.10 * grain;
            }
            Structure::Blotches { veil } => {
                let blotch = self.blotches.rough(1.8 * a + 4.0, 1.8 * b, 2);
                pigment *= 0.95 + 1.35 * blotch + 0.2 * grain;
                veiled = veil * step(0.12, 0.42, self.blotches.at(1.9 * a - 8.0, 1.9 * b)) * cover;
            }
            Structure::Waxy { cysts } => {
                pigment *= 0.92 + 0.35 * self.inner.rough(7.0 * a, 7.0 * b, 2);
                let cyst = |(x, y, radius): &(f32, f32, f32)| step(1.25, 0.7, (a - x).hypot(b - y) / radius);
                pale = cysts.iter().map(cyst).fold(0.0, f32::max) * cover;
            }
        }
        let pigment = pigment.max(0.0);
        for (channel, value) in colour.iter_mut().enumerate() {
            let absorption = mix(1.0, MELANIN[channel], self.warm.min(1.0)) * self.warm.max(1.0).sqrt();
            let dark = *value * (-pigment * absorption).exp();
            *value = mix(mix(dark, VEIL[channel], 0.7 * veiled), 0.93 - 0.05 * channel as f32, 0.75 * pale);
        }
    }
}

impl Gel {
    fn new(stream: &mut Stream) -> Self {
        let bubble = |stream: &mut Stream| {
            (between(stream, -1.0, 1.0), between(stream, -1.0, 1.0), between(stream, 0.012, 0.045))
        };
        let count = if stream.random_bool(0.6) { stream.random_range(1..22) } else { 0 };
        let bubbles = (0..count).map(|_| bubble(stream)).collect();
        let ink = stream.random_bool(0.55).then(|| {
            let (angle, distance) = (between(stream, 0.0, std::f32::consts::TAU), between(stream, 0.65, 0.95));
            Ink {
                place: Frame { x: distance * angle.cos(), y: distance * angle.sin(), angle: angle + 1.57, scale: 1.0 },
                width: between(stream, 0.06, 0.16),
                strength: between(stream, 0.3, 0.8),
                grain: Noise::new(stream),
            }
        });
        Self { bubbles, ink }
    }

    fn paint(&self, colour: &mut [f32; 3], x: f32, y: f32, pixel: f32) {
        if let Some(ink) = &self.ink {
            let (along, across) = ink.place.inside(x, y);
            let ragged = 0.5 * ink.grain.rough(5.0 * along, 5.0 * across, 3);
            let cover = step(1.15, 0.75, across.abs() / ink.width + ragged) * step(0.6, 0.4, along.abs());
            for (value, veil) in colour.iter_mut().zip(VEIL) {
                *value = mix(*value, veil * (0.85 + 0.3 * ragged), ink.strength * cover);
            }
        }
        for (bubble_x, bubble_y, radius) in &self.bubbles {
            let distance = (x - bubble_x).hypot(y - bubble_y) / radius.max(0.8 * pixel);
            let shine = step(1.2, 0.7, distance) * (0.45 + 0.55 * step(0.3, 0.9, distance));
            for value in colour.iter_mut() {
                *value = mix(*value, 0.93, 0.75 * shine);
            }
        }
    }
}

impl Hair {
    fn new(stream: &mut Stream) -> Self {
        Self {
            x: between(stream, -1.0, 1.0),
            y: between(stream, -1.0, 1.0),
            angle: between(stream, 0.0, std::f32::consts::PI),
            bend: between(stream, -0.5, 0.5),
            width: between(stream, 0.006, 0.016),
            dark: between(stream, 0.5, 0.95),
        }
    }

    fn cover(&self, x: f32, y: f32, pixel: f32) -> f32 {
        let (sin, cos) = self.angle.sin_cos();
        let (dx, dy) = (x - self.x, y - self.y);
        let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let distance = (across - self.bend * along * along).abs();
        let half = self.width.max(0.5 * pixel);
        self.dark * step(half + pixel, half - pixel, distance) * step(1.1, 0.8, along.abs())
    }
}
