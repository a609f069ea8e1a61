//! Axial T1-weighted slices after contrast agent: head, cortex, ventricles, and one of three tumours or none.
//!
//! The tumours differ as in textbooks: a glioma is irregular, its rim takes up contrast and its core does not; a
//! meningioma is smooth, evenly bright and sits on the inner table; a pituitary tumour is small, two-lobed and central.

use crate::canvas::{Drawing, Exposure, Frame, blend, mask, scan};
use crate::noise::{Noise, mix, step};
use crate::stream::{Stream, between, side};

/// Where the brain ends, as a share of the head's radius.
const BRAIN: f32 = 0.86;

/// Grey values of the tissues of one patient.
struct Tissue {
    scalp: f32,
    grey: f32,
    white: f32,
    fluid: f32,
}

/// The head of one patient in one slice.
struct Head {
    half_width: f32,
    half_height: f32,
    outline: Noise,
    folds: Noise,
    texture: Noise,
    vessels: Noise,
    ventricle_width: f32,
    ventricle_height: f32,
    scalp_width: f32,
    tissue: Tissue,
}

enum Form {
    Glioma,
    Meningioma,
    Pituitary,
}

/// A tumour in head coordinates.
struct Tumour {
    form: Form,
    place: Frame,
    aspect: f32,
    ragged: f32,
    edge: Noise,
    inner: Noise,
    rim: f32,
    bright: f32,
    swelling: f32,
}

pub(crate) fn draw(class: &str, size: usize, subject: &mut Stream, view: &mut Stream) -> Drawing {
    let mut head = Head::new(subject);
    let mut tumour = Tumour::new(class, &head, subject);
    // Another slice of the same patient: ventricles open or close, the tumour is cut higher or lower.
    let level = between(view, -1.0, 1.0);
    head.ventricle_width *= 1.0 + 0.3 * level;
    head.ventricle_height *= 1.0 + 0.2 * level;
    if let Some(tumour) = &mut tumour {
        tumour.place.scale *= 1.0 - 0.25 * level.abs();
    }
    let pose = Frame::jitter(view, 0.05, 0.15, 0.07);
    let exposure = Exposure::new(view, 1.0, 0.045);
    let pixel = 2.0 / size as f32;
    let values = scan(size, |x, y| {
        let (u, v) = pose.inside(x, y);
        exposure.see(x, y, head.value(u, v, tumour.as_ref(), pixel))
    });
    let pixels = values.into_iter().map(|value| exposure.magnitude_byte(view, value)).collect();
    let mask = tumour.and_then(|tumour| {
        mask(size, |x, y| {
            let (u, v) = pose.inside(x, y);
            tumour.depth(u, v) > 0.0 && head.radius(u, v) < BRAIN
        })
    });
    Drawing { pixels, mask }
}

impl Head {
    fn new(stream: &mut Stream) -> Self {
        let grey = between(stream, 0.34, 0.46);
        Self {
            half_width: between(stream, 0.66, 0.78),
            half_height: between(stream, 0.80, 0.92),
            outline: Noise::new(stream),
            folds: Noise::new(stream),
            texture: Noise::new(stream),
            vessels: Noise::new(stream),
            ventricle_width: between(stream, 0.07, 0.17),
            ventricle_height: between(stream, 0.20, 0.34),
            scalp_width: between(stream, 0.03, 0.09),
            tissue: Tissue {
                scalp: between(stream, 0.55, 1.0),
                grey,
                white: grey + between(stream, 0.06, 0.16),
                fluid: between(stream, 0.05, 0.16),
            },
        }
    }

    /// 0 in the middle of the head, 1 on the skin.
    fn radius(&self, u: f32, v: f32) -> f32 {
        let angle = v.atan2(u);
        let uneven = 1.0 + 0.03 * self.outline.at(1.5 * angle.cos() + 5.0, 1.5 * angle.sin() + 5.0);
        (u / self.half_width).hypot(v / self.half_height) / uneven
    }

    fn value(&self, u: f32, v: f32, tumour: Option<&Tumour>, pixel: f32) -> f32 {
        let radius = self.radius(u, v);
        let soft = 1.2 * pixel;
        let inside = |edge: f32| 1.0 - step(edge - soft, edge + soft, radius);
        let mut value = 0.02;
        blend(&mut value, self.tissue.scalp * (0.85 + 0.15 * self.texture.at(20.0 * u, 20.0 * v)), inside(1.0));
        // The two tables of the skull are black, the marrow between them is not.
        blend(&mut value, 0.08, inside(1.0 - self.scalp_width));
        let marrow = (BRAIN + 1.0 - self.scalp_width) / 2.0;
        let diploe = (1.0 - ((radius - marrow) / 0.016).powi(2)).max(0.0);
        value += 0.28 * diploe * (0.6 + 0.4 * self.texture.at(9.0 * u, 9.0 * v));
        blend(&mut value, self.tissue.fluid, inside(BRAIN + 0.015));
        // The tumour pushes aside what surrounds it.
        let (su, sv) = tumour.map_or((u, v), |tumour| tumour.displace(u, v));
        blend(&mut value, self.brain(su, sv, radius), inside(BRAIN));
        if let Some(tumour) = tumour {
            tumour.paint(&mut value, u, v, inside(BRAIN), pixel, &self.tissue);
        }
        value
    }

    /// Cortex, white matter, fissure and ventricles, with vessels that take up contrast.
    fn brain(&self, u: f32, v: f32, radius: f32) -> f32 {
        let tissue = &self.tissue;
        let depth = BRAIN - radius;
        let wave = self.folds.rough(6.5 * u + 9.0, 6.5 * v, 3);
        // Folds: the lines where the field changes sign, deep at the surface and fading inwards.
        let furrow = 1.0 - step(0.02, 0.17, wave.abs());
        let cortex = step(0.30, 0.04, depth - 0.13 * wave.abs());
        let mut value = mix(tissue.white, tissue.grey, cortex);
        value += 0.035 * self.texture.rough(16.0 * u, 16.0 * v, 3);
        blend(&mut value, tissue.fluid, 0.85 * furrow * step(0.30, 0.03, depth));
        let fissure = step(0.022, 0.006, (u + 0.015 * self.folds.at(1.0, 4.0 * v)).abs());
        blend(&mut value, tissue.fluid, 0.8 * fissure * step(0.18, 0.36, v.abs()));
        // Deep grey nuclei beside the ventricles.
        let nucleus = ((u.abs() - 0.21) / 0.09).hypot((v - 0.04) / 0.19);
        blend(&mut value, tissue.grey, 0.8 * step(1.15, 0.85, nucleus));
        blend(&mut value, tissue.fluid, self.ventricles(u, v));
        let vessel = self.vessels.rough(8.0 * u, 8.0 * v, 2);
        let speck = step(0.44, 0.60, vessel) * step(0.25, 0.10, depth);
        blend(&mut value, 0.95, 0.75 * speck);
        value
    }

    /// Two horns on either side of the midline, front and back.
    fn ventricles(&self, u: f32, v: f32) -> f32 {
        let bend = 0.35 * v.abs();
        let across = (u.abs() - 0.045 - bend * self.ventricle_height) / (0.55 * self.ventricle_width);
        let along = (v + 0.02) / self.ventricle_height;
        step(1.25, 0.80, across.hypot(along))
    }
}

impl Tumour {
    fn new(class: &str, head: &Head, stream: &mut Stream) -> Option<Self> {
        let form = match class {
            "glioma" => Form::Glioma,
            "meningioma" => Form::Meningioma,
            "pituitary" => Form::Pituitary,
            _ => return None,
        };
        let angle = between(stream, 0.0, std::f32::consts::TAU);
        let at = |share: f32| (share * head.half_width * angle.cos(), share * head.half_height * angle.sin());
        let (x, y) = match form {
            Form::Glioma => at(between(stream, 0.28, 0.52)),
            Form::Meningioma => at(between(stream, 0.66, 0.74)),
            Form::Pituitary => (between(stream, -0.03, 0.03), between(stream, 0.0, 0.14)),
        };
        let scale = match form {
            Form::Glioma => between(stream, 0.17, 0.29),
            Form::Meningioma => between(stream, 0.13, 0.23),
            Form::Pituitary => between(stream, 0.10, 0.15),
        };
        Some(Self {
            place: Frame { x, y, angle: between(stream, -0.6, 0.6) + angle, scale },
            aspect: between(stream, 0.75, 1.0),
            ragged: if matches!(form, Form::Glioma) { between(stream, 0.35, 0.6) } else { 0.07 },
            edge: Noise::new(stream),
            inner: Noise::new(stream),
            rim: between(stream, 0.14, 0.26),
            bright: between(stream, 0.68, 0.9),
            swelling: side(stream) * 0.1 + between(stream, 0.25, 0.45),
            form,
        })
    }

    /// Above 0 inside the tumour, rising to about 1 in its middle.
    fn depth(&self, u: f32, v: f32) -> f32 {
        let (a, b) = self.place.inside(u, v);
        let from_middle = match self.form {
            Form::Glioma | Form::Meningioma => a.hypot(b / self.aspect),
            // A waist between two lobes, upright.
            Form::Pituitary => {
                let (a, b) = ((u - self.place.x) / self.place.scale, (v - self.place.y) / self.place.scale);
                let waist = 0.72 + 0.38 * (2.4 * (b - 0.15)).sin().powi(2);
                (a / waist).hypot(b / 1.25)
            }
        };
        1.0 - from_middle + self.ragged * self.edge.rough(1.7 * a + 7.0, 1.7 * b, 3)
    }

    fn displace(&self, u: f32, v: f32) -> (f32, f32) {
        let (du, dv) = (u - self.place.x, v - self.place.y);
        let reach = 1.8 * self.place.scale;
        let push = self.swelling * (-(du * du + dv * dv) / (reach * reach)).exp();
        (u - push * du, v - push * dv)
    }

    fn paint(&self, value: &mut f32, u: f32, v: f32, in_brain: f32, pixel: f32, tissue: &Tissue) {
        let depth = self.depth(u, v);
        let soft = 1.2 * pixel / self.place.scale;
        let cover = in_brain * step(-soft, soft, depth);
        let (a, b) = self.place.inside(u, v);
        let grain = self.inner.rough(4.0 * a, 4.0 * b, 3);
        match self.form {
            Form::Glioma => {
                // Water around it, darker than white matter and without an edge.
                let oedema = step(-0.75, 0.0, depth) * in_brain;
                blend(value, tissue.grey * 0.72, 0.7 * oedema);
                let width = self.rim * (1.0 + 0.8 * grain);
                let core = step(width * 0.7, width * 1.3, depth);
                let inside = mix(self.bright + 0.10 * grain, 0.16 + 0.12 * grain, core);
                blend(value, inside, cover);
            }
            Form::Meningioma => blend(value, self.bright + 0.025 * grain, cover),
            Form::Pituitary => blend(value, self.bright - 0.06 + 0.06 * grain, cover),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn only_tumours_have_masks_and_they_are_small() {
        for class in crate::Kind::Brain.classes() {
            for seed in 0..8 {
                let mut subject = crate::stream::derive(seed, 0, 1, 0);
                let mut view = crate::stream::derive(seed, 0, 1, 1);
                let drawing = draw(class, 64, &mut subject, &mut view);
                let inside = drawing.mask.map_or(0, |mask| mask.iter().filter(|value| **value > 0).count());
                if *class == "none" {
                    assert_eq!(inside, 0);
                } else {
                    assert!((20..64 * 64 / 8).contains(&inside), "{class} {seed}: {inside}");
                }
            }
        }
    }

    #[test]
    fn streams_of_views_leave_the_subject_alone() {
        let mut a = crate::stream::derive(1, 0, 2, 0);
        let mut b = crate::stream::derive(1, 0, 2, 0);
        assert_eq!(a.random::<u64>(), b.random::<u64>());
    }
}
