//! RISE: the mean of random masks, weighted by the target's probability behind each: sum_i p_i M_i / (N p).
//!
//! Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018, equation 6 and
//! section 3.2: a grid of s x s cells, each kept with probability p, enlarged bilinearly to (s + 1) cells a side and cut out at a
//! random offset. The authors' code mirrors the grid at its border where this one holds its last value.

use lightbox_plugin::{
    Attribution, AttributionDescriptor, Error, Host, Layers, Maps, Needs, Output, Parameter, Parameters, Request,
    Resize, Resolution,
};

use crate::masked::{Masked, probability};

/// RISE.
pub struct Rise {
    masks: usize,
    grid: usize,
    keep: f32,
}

/// The random numbers of an image: the cells of all masks, then two offsets for each mask.
struct Draws {
    cells: Vec<f32>,
    offsets: Vec<f32>,
}

impl Rise {
    fn draw(&self, host: &Host<'_>, seed: u64) -> Result<Draws, Error> {
        let cells = self.masks * self.grid * self.grid;
        let mut numbers = vec![0.0; cells + 2 * self.masks];
        host.random_uniform(seed, &mut numbers)?;
        let offsets = numbers.split_off(cells);
        Ok(Draws { cells: numbers.into_iter().map(|u| f32::from(u8::from(u < self.keep))).collect(), offsets })
    }

    /// Fills masks \[M,H,W\] from mask `first` on.
    fn fill(
        &self,
        host: &Host<'_>,
        draws: &Draws,
        (height, width): (usize, usize),
        first: usize,
        masks: &mut [f32],
    ) -> Result<(), Error> {
        let count = masks.len() / (height * width);
        let cell = (height.div_ceil(self.grid), width.div_ceil(self.grid));
        let large = ((self.grid + 1) * cell.0, (self.grid + 1) * cell.1);
        let per_mask = self.grid * self.grid;
        let cells = &draws.cells[first * per_mask..][..count * per_mask];
        let enlarged = host.scale_and_resize(cells, [count, self.grid, self.grid], large, Resize::default())?;
        for (index, mask) in masks.chunks_exact_mut(height * width).enumerate() {
            let offset = |axis: usize, cell: usize| {
                ((draws.offsets[2 * (first + index) + axis] * cell as f32) as usize).min(cell - 1)
            };
            let (top, left) = (offset(0, cell.0), offset(1, cell.1));
            let source = &enlarged[index * large.0 * large.1..][..large.0 * large.1];
            for (row, out) in mask.chunks_exact_mut(width).enumerate() {
                out.copy_from_slice(&source[(top + row) * large.1 + left..][..width]);
            }
        }
        Ok(())
    }
}

impl Attribution for Rise {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Petsiuk, Das and Saenko 2018, arXiv:1806.07421",
            description: "The mean of random masks weighted by the target's probability behind each: sum_i p_i M_i / (N p). \
                          Masks are grids of cells, each kept with probability p, enlarged bilinearly and shifted at random.",
            needs: Needs { input: true, forward: true, ..Needs::default() },
            layers: Layers::One,
            output: Output { signed: false, resolution: Resolution::Input },
            seeded: true,
            parameters: vec![
                Parameter::int(
                    "masks",
                    2000,
                    1,
                    1_000_000,
                    "Number of masks, a pass each; the publication takes 4000 (VGG16) and 8000 (ResNet50).",
                ),
                Parameter::int("grid", 7, 1, 128, "Cells along each side of a mask before it is enlarged."),
                Parameter::float("keep", 0.5, 0.001, 0.999, "Probability p that a cell is seen."),
            ],
            ..AttributionDescriptor::new("rise", "RISE")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Rise {
            masks: usize::try_from(parameters.int("masks")?)?,
            grid: usize::try_from(parameters.int("grid")?)?,
            keep: parameters.float("keep")? as f32,
        })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let input = request.input()?;
        let size = request.input_size();
        let map = maps.map(0)?;
        for (image, out) in map.chunks_exact_mut((size.0 * size.1).max(1)).enumerate() {
            let target = request.targets()[image];
            let draws = self.draw(host, request.image_seed(image))?;
            let masked = Masked {
                host,
                image: input.image(image),
                shape: [request.input_channels(), size.0, size.1],
                baseline: 0.0,
                steps: (image * self.masks, request.images() * self.masks),
            };
            let mut sums = vec![0.0_f64; out.len()];
            masked.run(
                self.masks,
                |first, masks| self.fill(host, &draws, size, first, masks),
                |mask, logits| {
                    let seen = probability(logits, target);
                    sums.iter_mut().zip(mask).for_each(|(sum, m)| *sum += seen * f64::from(*m));
                },
            )?;
            let share = self.masks as f64 * f64::from(self.keep);
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = (sum / share) as f32);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, TensorView, Value};

    use super::*;
    use crate::masked::tests::Linear;

    fn map(masks: i64, seed: u64) -> Vec<f32> {
        // Only the left half of the image matters.
        let network = Linear((0..64).map(|place| if place % 8 < 4 { 1.0 } else { 0.0 }).collect());
        let pixels = [0.25; 64];
        let parameters = Parameters::defaults(&Rise::descriptor().parameters)
            .with("masks", Value::Int(masks))
            .with("grid", Value::Int(2));
        let request = Request::new(&[1], 2, [1, 8, 8], vec![Layer::new("layer", (1, 1), None, None)])
            .with_input(TensorView::new(&pixels, &[1, 1, 8, 8]).unwrap())
            .with_seeds(0, vec![seed]);
        let mut maps = Maps::own(1, &[(8, 8)]);
        let host = Host::new(&network, 2);
        Rise::create(&parameters).unwrap().attribute(&request, &host, &mut maps).unwrap();
        maps.map(0).unwrap().to_vec()
    }

    #[test]
    fn what_matters_stands_out_and_the_seed_decides() {
        let found = map(4000, 1);
        let half = |left: bool| -> f32 {
            found.iter().enumerate().filter(|(place, _)| (place % 8 < 4) == left).map(|(_, value)| value).sum()
        };
        assert!(half(true) > 1.02 * half(false), "{} {}", half(true), half(false));
        assert_eq!(found, map(4000, 1));
        assert_ne!(found, map(4000, 2));
    }
}
