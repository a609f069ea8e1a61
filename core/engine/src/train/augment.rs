//! Random changes of a batch of training images, computed on the device.
//!
//! Flip, rotation and crop are one affine map for each image, sampled once (bilinear, black outside). Flips alone move
//! pixels without interpolation. The changes are drawn per image from the step's seed, so they do not depend on how a
//! batch is cut into parts.

use tch::{Kind, Tensor};

use super::error::TrainError;
use super::random::{Random, Stream, derive};
use super::settings::Augmentation;

/// What is done to one image: crop, then rotate, then mirror, in the order in which an output pixel looks for its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Mirror left and right.
    pub horizontal_flip: bool,
    /// Mirror top and bottom.
    pub vertical_flip: bool,
    /// Rotation in radians.
    pub rotation: f64,
    /// Side of the crop as a share of the image's.
    pub side: f64,
    /// Centre of the crop as a share of half the width and height, from the image's centre.
    pub centre: (f64, f64),
    /// Factor of brightness.
    pub brightness: f64,
}

/// The changes of a batch of `images` images. None when nothing is to change.
pub fn draw(settings: &Augmentation, images: usize, seed: u64, epoch: usize, step: u64) -> Option<Vec<Change>> {
    if *settings == Augmentation::NONE {
        return None;
    }
    let mut random = Random::new(derive(seed, epoch, step, Stream::Augment));
    let mut one = || {
        // Each figure is drawn whether it is used or not: switching one change on does not move the others.
        let (horizontal, vertical) = (random.coin(), random.coin());
        let rotation = random.between(-1.0, 1.0) * settings.rotation_degrees.to_radians();
        let side = random.between(settings.crop_scale, 1.0).sqrt();
        let centre = (random.between(-1.0, 1.0) * (1.0 - side), random.between(-1.0, 1.0) * (1.0 - side));
        let brightness = 1.0 + random.between(-1.0, 1.0) * settings.brightness;
        Change {
            horizontal_flip: horizontal && settings.horizontal_flip,
            vertical_flip: vertical && settings.vertical_flip,
            rotation,
            side,
            centre,
            brightness,
        }
    };
    Some((0..images).map(|_| one()).collect())
}

impl Change {
    fn moves_between_pixels(&self) -> bool {
        self.rotation != 0.0 || self.side != 1.0
    }

    /// The map from output to source in coordinates of -1 to 1, rows of \[2,3\].
    fn affine(&self, width: f64, height: f64) -> [f64; 6] {
        let (sin, cos) = self.rotation.sin_cos();
        let flip_x = if self.horizontal_flip { -1.0 } else { 1.0 };
        let flip_y = if self.vertical_flip { -1.0 } else { 1.0 };
        // A rotation in pixels, seen in coordinates that are 1 at the edge of a side of any length.
        let rotation = [cos, -sin * height / width, sin * width / height, cos];
        let scale = [self.side * flip_x, self.side * flip_y];
        let (cx, cy) = self.centre;
        [
            rotation[0] * scale[0],
            rotation[1] * scale[1],
            rotation[0] * cx + rotation[1] * cy,
            rotation[2] * scale[0],
            rotation[3] * scale[1],
            rotation[2] * cx + rotation[3] * cy,
        ]
    }
}

/// Applies one change to each image of a batch \[N,C,H,W\] of values 0 to 1.
///
/// # Errors
/// When memory is short.
pub fn apply(batch: &Tensor, changes: &[Change]) -> Result<Tensor, TrainError> {
    let size = batch.size();
    let [n, _, height, width] = size[..] else {
        return Err(TrainError::setting("images", format!("a batch has 4 dimensions, not {}", size.len())));
    };
    if n as usize != changes.len() {
        return Err(TrainError::setting("augment", format!("{} changes for {n} images", changes.len())));
    }
    let device = batch.device();
    let column = |values: Vec<f32>| -> Result<Tensor, TrainError> {
        Ok(Tensor::f_from_slice(&values)?.f_to_device(device)?.f_reshape([n, 1, 1, 1])?)
    };
    let mut x = batch.shallow_clone();
    if changes.iter().any(Change::moves_between_pixels) {
        const BILINEAR: i64 = 0;
        const ZEROS: i64 = 0;
        let theta: Vec<f32> = changes
            .iter()
            .flat_map(|change| change.affine(width as f64, height as f64))
            .map(|value| value as f32)
            .collect();
        let theta = Tensor::f_from_slice(&theta)?.f_reshape([n, 2, 3])?.f_to_device(device)?;
        let grid = Tensor::f_affine_grid_generator(&theta, &size[..], false)?;
        x = x.f_grid_sampler_2d(&grid, BILINEAR, ZEROS, false)?;
    } else {
        type Wanted = fn(&Change) -> bool;
        let axes: [(Wanted, i64); 2] = [(|c| c.horizontal_flip, 3), (|c| c.vertical_flip, 2)];
        for (wanted, axis) in axes {
            if changes.iter().any(wanted) {
                let mask = column(changes.iter().map(|c| f32::from(u8::from(wanted(c)))).collect())?;
                x = x.f_flip([axis])?.f_where_self(&mask.f_to_kind(Kind::Bool)?, &x)?;
            }
        }
    }
    if changes.iter().any(|c| c.brightness != 1.0) {
        let factor = column(changes.iter().map(|c| c.brightness as f32).collect())?;
        x = x.f_mul(&factor)?.f_clamp_(0.0, 1.0)?;
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    const STILL: Change = Change {
        horizontal_flip: false,
        vertical_flip: false,
        rotation: 0.0,
        side: 1.0,
        centre: (0.0, 0.0),
        brightness: 1.0,
    };

    fn image(rows: i64, columns: i64) -> Tensor {
        (Tensor::arange(rows * columns, (Kind::Float, Device::Cpu)) / 100.0).reshape([1, 1, rows, columns])
    }

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.size() == b.size() && f64::try_from((a - b).abs().max()).unwrap() < 1e-5
    }

    #[test]
    fn flips_alone_are_exact_and_per_image() {
        let x = Tensor::cat(&[image(3, 4), image(3, 4)], 0);
        let y = apply(&x, &[Change { horizontal_flip: true, ..STILL }, Change { vertical_flip: true, ..STILL }]);
        let y = y.unwrap();
        assert!(y.narrow(0, 0, 1).equal(&image(3, 4).flip([3])));
        assert!(y.narrow(0, 1, 1).equal(&image(3, 4).flip([2])));
    }

    #[test]
    fn quarter_turns_agree_with_rot90_on_any_sides() {
        let quarter = std::f64::consts::FRAC_PI_2;
        let square = apply(&image(5, 5), &[Change { rotation: quarter, ..STILL }]).unwrap();
        let turned = image(5, 5).rot90(1, [2, 3]);
        let back = image(5, 5).rot90(-1, [2, 3]);
        assert!(close(&square, &turned) || close(&square, &back));
        // Half a turn is both flips, also where width and height differ.
        let half = apply(&image(3, 6), &[Change { rotation: 2.0 * quarter, ..STILL }]).unwrap();
        assert!(close(&half, &image(3, 6).flip([2, 3])));
        // A quarter turn of a wide image keeps its scale: the middle row of the source stands upright in the middle.
        let wide = apply(&image(3, 5), &[Change { rotation: quarter, ..STILL }]).unwrap();
        let column = Vec::<f32>::try_from(wide.select(3, 2).flatten(0, -1)).unwrap();
        let mut sorted = column.clone();
        sorted.sort_by(f32::total_cmp);
        assert!((sorted[0] - 0.06).abs() < 1e-5 && (sorted[2] - 0.08).abs() < 1e-5, "{column:?}");
    }

    #[test]
    fn a_crop_takes_the_quarter_it_names() {
        // Half the side, centred on the upper left quarter: output pixels lie a quarter of a pixel around the sources.
        let x = Tensor::zeros([1, 1, 4, 4], (Kind::Float, Device::Cpu));
        let _ = x.narrow(2, 0, 2).narrow(3, 0, 2).fill_(1.0);
        let y = apply(&x, &[Change { side: 0.5, centre: (-0.5, -0.5), ..STILL }]).unwrap();
        assert_eq!(f64::try_from(y.select(2, 1).select(2, 1)).unwrap(), 1.0);
        let y = apply(&x, &[Change { side: 0.5, centre: (0.5, 0.5), ..STILL }]).unwrap();
        assert_eq!(f64::try_from(y.select(2, 2).select(2, 2)).unwrap(), 0.0);
    }

    #[test]
    fn draws_keep_to_their_bounds_and_to_their_step() {
        let settings = Augmentation {
            horizontal_flip: true,
            rotation_degrees: 10.0,
            crop_scale: 0.5,
            brightness: 0.2,
            ..Augmentation::NONE
        };
        let changes = draw(&settings, 200, 1, 2, 3).unwrap();
        for change in &changes {
            assert!(!change.vertical_flip);
            assert!(change.rotation.abs() <= 10_f64.to_radians());
            assert!((0.5_f64.sqrt()..=1.0).contains(&change.side));
            assert!(change.centre.0.abs() + change.side <= 1.0 + 1e-12);
            assert!((0.8..=1.2).contains(&change.brightness));
        }
        assert!(changes.iter().any(|c| c.horizontal_flip) && changes.iter().any(|c| !c.horizontal_flip));
        assert_eq!(draw(&settings, 200, 1, 2, 3), Some(changes.clone()));
        assert_ne!(draw(&settings, 200, 1, 2, 4), Some(changes.clone()));
        // The first images of a shorter batch are changed alike.
        assert_eq!(draw(&settings, 7, 1, 2, 3).unwrap(), changes[..7]);
        assert_eq!(draw(&Augmentation::NONE, 7, 1, 2, 3), None);
    }
}
