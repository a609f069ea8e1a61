//! Frontal chest films: lungs, ribs, heart and diaphragm, and a nodule, a pneumonia or neither.
//!
//! A nodule is a round shadow; a pneumonia is a cloud without an edge that follows no border. Vessels, ribs, a tube or
//! electrodes cross both.

use rand::Rng;

use crate::canvas::{Drawing, Exposure, Frame, blend, mask, scan};
use crate::noise::{Noise, mix, step};
use crate::stream::{Stream, between, side};

/// One patient.
struct Chest {
    lung_x: f32,
    lung_width: f32,
    lung_top: f32,
    lung_bottom: f32,
    heart: f32,
    shape: Noise,
    vessels: Noise,
    tissue: Noise,
    rib_spacing: f32,
    rib_strength: f32,
    aeration: f32,
}

struct Shadow {
    place: Frame,
    edge: Noise,
    inner: Noise,
    dense: f32,
    cloud: bool,
}

/// What was left on the patient or the film.
struct Clutter {
    dots: Vec<(f32, f32, f32)>,
    line: Option<(f32, f32)>,
    marker: (f32, f32),
    border: f32,
}

pub(crate) fn draw(class: &str, size: usize, subject: &mut Stream, view: &mut Stream) -> Drawing {
    let chest = Chest::new(subject);
    let shadow = Shadow::new(class, &chest, subject);
    let mut pose = Frame::jitter(view, 0.06, 0.06, 0.07);
    pose.scale *= 1.04;
    let exposure = Exposure::new(view, 0.9, 0.03);
    let clutter = Clutter::new(view);
    let pixel = 2.0 / size as f32;
    let values = scan(size, |x, y| {
        let (u, v) = pose.inside(x, y);
        let mut value = chest.value(u, v, pixel);
        if let Some(shadow) = &shadow {
            value += (1.0 - value) * shadow.opacity(u, v, pixel) * chest.lung(u, v, 0.02);
        }
        clutter.paint(&mut value, x, y, pixel);
        exposure.see(x, y, value)
    });
    let pixels = values.into_iter().map(|value| exposure.byte(view, value)).collect();
    let mask = shadow.and_then(|shadow| {
        mask(size, |x, y| {
            let (u, v) = pose.inside(x, y);
            shadow.depth(u, v) > 0.0 && chest.lung(u, v, 0.02) > 0.5
        })
    });
    Drawing { pixels, mask }
}

impl Chest {
    fn new(stream: &mut Stream) -> Self {
        Self {
            lung_x: between(stream, 0.39, 0.45),
            lung_width: between(stream, 0.29, 0.36),
            lung_top: between(stream, -0.86, -0.74),
            lung_bottom: between(stream, 0.42, 0.66),
            heart: between(stream, 0.22, 0.36),
            shape: Noise::new(stream),
            vessels: Noise::new(stream),
            tissue: Noise::new(stream),
            rib_spacing: between(stream, 0.155, 0.2),
            rib_strength: between(stream, 0.05, 0.13),
            aeration: between(stream, 0.14, 0.34),
        }
    }

    /// 1 inside the lungs, 0 outside: two half-ovals, cut by the diaphragm below.
    fn lung(&self, u: f32, v: f32, soft: f32) -> f32 {
        let middle = (self.lung_top + self.lung_bottom) / 2.0 + 0.1;
        let half = middle - self.lung_top;
        let across = (u.abs() - self.lung_x) / (self.lung_width * (1.0 - 0.28 * step(0.1, -0.9, v)));
        let along = (v - middle).min(0.0) / half;
        let wavy = 0.04 * self.shape.at(3.0 * u, 3.0 * v);
        let oval = (across.abs().powf(2.6) + along.abs().powf(2.6)).powf(1.0 / 2.6) + wavy;
        // The right dome (left in the picture) stands higher.
        let lift = if u < 0.0 { 0.07 } else { 0.0 };
        let dome = self.lung_bottom - lift + 0.55 * (u.abs() - self.lung_x + 0.08).powi(2) * 2.0;
        step(1.0 + soft, 1.0 - soft, oval) * step(dome + soft, dome - soft, v)
    }

    fn value(&self, u: f32, v: f32, pixel: f32) -> f32 {
        // Soft tissue: the trunk and the shoulders, black air around them.
        let trunk = 0.93 + 0.05 * self.shape.at(2.0, 1.5 * v) - 0.42 * step(-0.62, -1.05, v);
        let body = step(trunk + 0.02, trunk - 0.02, u.abs());
        let fat = 0.04 * self.tissue.rough(4.0 * u, 4.0 * v, 3);
        let mut value = mix(0.03, 0.60 + fat + 0.1 * step(0.3, 0.9, v), body);
        let lung = self.lung(u, v, 0.03);
        let air = self.aeration + 0.05 * self.tissue.at(2.0 * u + 9.0, 2.0 * v);
        blend(&mut value, air, lung);
        value += lung * self.markings(u, v);
        let heart_x = (u - 0.11) / self.heart;
        let heart = heart_x.hypot((v - self.lung_bottom + 0.26) / 0.36);
        blend(
            &mut value,
            0.80 + fat,
            step(1.06, 0.94, heart) * step(self.lung_bottom + 0.3, self.lung_bottom + 0.1, v),
        );
        let spine = 0.115 + 0.02 * self.shape.at(5.0, 3.0 * v);
        let column = 0.82 + 0.05 * (v * 34.0).sin();
        blend(&mut value, column, 0.85 * step(spine + 0.03, spine - 0.03, u.abs()));
        let windpipe = step(0.045, 0.025, (u - 0.01).abs()) * step(-0.30, -0.42, v);
        blend(&mut value, 0.5, 0.7 * windpipe);
        value + (1.0 - value) * body * self.bones(u, v, pixel)
    }

    /// Vessels that fan out from the hila and thin towards the chest wall.
    fn markings(&self, u: f32, v: f32) -> f32 {
        let (du, dv) = (u.abs() - 0.16, v + 0.08);
        let distance = du.hypot(dv);
        let angle = dv.atan2(du);
        let side = if u < 0.0 { 40.0 } else { 0.0 };
        let bend = 0.5 * self.shape.at(4.0 * u + side, 4.0 * v);
        let branch = self.vessels.rough(2.6 * (angle + bend) + side, 1.6 * distance, 2).abs();
        let thin = step(0.16, 0.02, branch) * step(0.70, 0.08, distance) * step(0.0, 0.12, distance);
        0.15 * thin + 0.22 * step(0.20, 0.02, distance)
    }

    /// Ribs as arcs that fall towards the side, and the collar bones.
    fn bones(&self, u: f32, v: f32, pixel: f32) -> f32 {
        let reach = u.abs();
        let back = (v + 0.95 - 0.42 * (reach - 0.08).max(0.0).powf(1.3)) / self.rib_spacing;
        let front = (v + 0.85 + 0.75 * (reach - 0.9).abs().powf(1.4)) / (1.15 * self.rib_spacing);
        let soft = (2.0 * pixel / self.rib_spacing).max(0.12);
        let band = |phase: f32, half: f32| step(half + soft, half - soft, (phase - phase.round()).abs());
        let within = step(0.92, 0.84, reach) * step(0.95, 0.7, v) * step(0.05, 0.15, reach);
        let ribs = within * (band(back, 0.20) + 0.5 * band(front, 0.22));
        let collar = (v + 0.76 + 0.12 * (reach * 3.2).sin() - 0.05).abs();
        let collar = step(0.045 + pixel, 0.025, collar) * step(0.10, 0.16, reach) * step(0.78, 0.70, reach);
        self.rib_strength * (ribs + 1.5 * collar)
    }
}

impl Shadow {
    fn new(class: &str, chest: &Chest, stream: &mut Stream) -> Option<Self> {
        let cloud = match class {
            "pneumonia" => true,
            "nodule" => false,
            _ => return None,
        };
        let middle = between(stream, chest.lung_top + 0.38, chest.lung_bottom - 0.22);
        let x = side(stream) * (chest.lung_x + between(stream, -0.06, 0.12));
        let scale = if cloud { between(stream, 0.24, 0.36) } else { between(stream, 0.075, 0.125) };
        Some(Self {
            place: Frame { x, y: middle, angle: between(stream, -0.5, 0.5), scale },
            edge: Noise::new(stream),
            inner: Noise::new(stream),
            dense: if cloud { between(stream, 0.42, 0.65) } else { between(stream, 0.45, 0.70) },
            cloud,
        })
    }

    /// Above 0 inside, rising to about 1 in the middle.
    fn depth(&self, u: f32, v: f32) -> f32 {
        let (a, b) = self.place.inside(u, v);
        let ragged = if self.cloud { 0.55 } else { 0.06 };
        1.0 - a.hypot(b) + ragged * self.edge.rough(1.6 * a, 1.6 * b, 3)
    }

    fn opacity(&self, u: f32, v: f32, pixel: f32) -> f32 {
        let depth = self.depth(u, v);
        let (a, b) = self.place.inside(u, v);
        if self.cloud {
            let patches = 0.75 + 0.6 * self.inner.rough(3.2 * a, 3.2 * b, 3);
            self.dense * step(-0.12, 0.45, depth) * patches.clamp(0.0, 1.2)
        } else {
            let soft = (1.5 * pixel / self.place.scale).max(0.15);
            self.dense * step(-soft, soft, depth) * (0.95 + 0.1 * self.inner.at(2.0 * a, 2.0 * b))
        }
    }
}

impl Clutter {
    fn new(stream: &mut Stream) -> Self {
        let dot = |stream: &mut Stream| {
            (between(stream, -0.9, 0.9), between(stream, -0.8, 0.9), between(stream, 0.012, 0.022))
        };
        Self {
            dots: (0..stream.random_range(0..4)).map(|_| dot(stream)).collect(),
            line: stream.random_bool(0.3).then(|| (between(stream, -0.4, 0.4), between(stream, -0.5, 0.5))),
            marker: (side(stream) * between(stream, 0.78, 0.9), between(stream, -0.92, -0.8)),
            border: between(stream, 0.94, 1.06),
        }
    }

    fn paint(&self, value: &mut f32, x: f32, y: f32, pixel: f32) {
        for (dot_x, dot_y, radius) in &self.dots {
            let radius = radius.max(0.7 * pixel);
            blend(value, 0.97, step(radius + pixel, radius - pixel, (x - dot_x).hypot(y - dot_y)));
        }
        if let Some((start, slope)) = self.line {
            let distance = (x - start - slope * y - 0.1 * (3.0 * y).sin()).abs();
            blend(value, 0.9, 0.6 * step(0.012 + pixel, 0.006, distance));
        }
        let (marker_x, marker_y) = self.marker;
        let (dx, dy) = ((x - marker_x).abs(), y - marker_y);
        let letter = (dx < 0.045 && dy.abs() < 0.06) && (x - marker_x < -0.02 || dy > 0.03);
        blend(value, 0.95, if letter { 1.0 } else { 0.0 });
        blend(value, 0.02, step(self.border - pixel, self.border + pixel, x.abs().max(y.abs())));
    }
}
