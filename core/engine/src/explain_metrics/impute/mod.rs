//! Linear imputation: each removed pixel becomes the weighted mean of its neighbours, all of them at once.
//!
//! Rong et al., *A Consistent and Efficient Evaluation Strategy for Attribution Methods*, ICML 2022. A direct neighbour
//! weighs 1/6, a diagonal one 1/12; at the border of the image the weights that fall outside are left out. With U the
//! removed pixels this is one sparse, symmetric system over U and one right side per channel. It is solved by conjugate
//! gradients, preconditioned with one multigrid V-cycle, until no pixel moves by more than [`TOLERANCE`].

mod grid;
mod hierarchy;
mod operator;
mod transfer;

use hierarchy::Hierarchy;
use operator::Operator;

use super::MetricError;

/// The largest correction, in units of the normalised image, at which the solution is accepted. That last correction is
/// still applied, and leaves a small part of itself as error, so the result is within 1e-3 of the exact solution.
pub const TOLERANCE: f32 = 1e-4;

/// Iterations after which the solver gives up. Masks of all kinds need fewer than fifteen.
const MOST_ITERATIONS: usize = 100;

/// What a solution cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// V-cycles of the channel that needed most.
    pub cycles: usize,
}

/// Replaces the pixels that `keep` marks as removed, in place. `image` is [C, H, W]; `keep` is [H, W].
///
/// Where every pixel is removed there is nothing to interpolate from and the system is singular; the image becomes zero,
/// the mean colour of normalised input.
///
/// # Errors
/// When the sizes do not fit, or a pixel that is kept is not finite.
pub fn impute(image: &mut [f32], width: usize, height: usize, keep: &[bool]) -> Result<Effort, MetricError> {
    let plane = width * height;
    if plane == 0 || keep.len() != plane || !image.len().is_multiple_of(plane) {
        return Err(MetricError::Size { what: "mask", expected: plane, found: keep.len() });
    }
    let kept = keep.iter().filter(|&&k| k).count();
    if kept == plane {
        return Ok(Effort::default());
    }
    if kept == 0 {
        image.fill(0.0);
        return Ok(Effort::default());
    }
    let hierarchy = Hierarchy::new(Operator::of_mask(width, height, keep));
    let mut solver = Solver::new(&hierarchy);
    let mut effort = Effort::default();
    for channel in image.chunks_exact_mut(plane) {
        effort.cycles = effort.cycles.max(solver.solve(channel, keep, kept)?);
    }
    Ok(effort)
}

/// Preconditioned conjugate gradients on the planes of one mask.
struct Solver<'a> {
    hierarchy: &'a Hierarchy,
    planes: hierarchy::Planes,
    x: Vec<f32>,
    r: Vec<f32>,
    z: Vec<f32>,
    p: Vec<f32>,
    a_p: Vec<f32>,
}

impl<'a> Solver<'a> {
    fn new(hierarchy: &'a Hierarchy) -> Solver<'a> {
        let zeros = || hierarchy.finest().grid.zeros();
        let planes = hierarchy.planes();
        Solver { hierarchy, planes, x: zeros(), r: zeros(), z: zeros(), p: zeros(), a_p: zeros() }
    }

    /// Solves for one channel in place and says how many V-cycles it took.
    fn solve(&mut self, channel: &mut [f32], keep: &[bool], kept: usize) -> Result<usize, MetricError> {
        let operator = self.hierarchy.finest();
        let grid = operator.grid;
        let known = channel.iter().zip(keep).filter(|(_, keep)| **keep);
        // Differences from the mean are solved for: smaller numbers, smaller rounding, and a first guess.
        let mean = (known.map(|(v, _)| f64::from(*v)).sum::<f64>() / kept as f64) as f32;
        if !mean.is_finite() {
            return Err(MetricError::NotFinite { what: "image" });
        }
        self.right_side(channel, keep, mean);
        self.x.fill(0.0);
        let mut cycles = 0;
        let mut rho = 0.0;
        loop {
            self.hierarchy.precondition(&self.r, &mut self.z, &mut self.planes);
            cycles += 1;
            // z approximates the error that is left, so its largest entry bounds what a pixel can still move.
            if largest(&self.z) <= TOLERANCE {
                add_scaled(&mut self.x, 1.0, &self.z);
                break;
            }
            if cycles == MOST_ITERATIONS {
                return Err(MetricError::NotConverged { left: largest(&self.z) });
            }
            let next = dot(&self.r, &self.z);
            let beta = if cycles == 1 { 0.0 } else { (next / rho) as f32 };
            rho = next;
            for (p, z) in self.p.iter_mut().zip(&self.z) {
                *p = if beta == 0.0 { *z } else { z + beta * *p };
            }
            operator.apply(&self.p, &mut self.a_p);
            let alpha = (rho / dot(&self.p, &self.a_p)) as f32;
            add_scaled(&mut self.x, alpha, &self.p);
            add_scaled(&mut self.r, -alpha, &self.a_p);
        }
        for (y, (row, keep)) in channel.chunks_exact_mut(grid.width).zip(keep.chunks_exact(grid.width)).enumerate() {
            let start = grid.at(0, y);
            for ((pixel, keep), x) in row.iter_mut().zip(keep).zip(&self.x[start..start + grid.width]) {
                if !keep {
                    *pixel = mean + x;
                }
            }
        }
        Ok(cycles)
    }

    /// r = the weighted sum of the known neighbours, as differences from `mean`, where a pixel was removed.
    fn right_side(&mut self, channel: &[f32], keep: &[bool], mean: f32) {
        let operator = self.hierarchy.finest();
        let grid = operator.grid;
        // The known part of the image, padded, goes through the same nine-point sum as the unknown part.
        for (y, (row, keep)) in channel.chunks_exact(grid.width).zip(keep.chunks_exact(grid.width)).enumerate() {
            let start = grid.at(0, y);
            for ((known, keep), value) in self.p[start..start + grid.width].iter_mut().zip(keep).zip(row) {
                *known = if *keep { value - mean } else { 0.0 };
            }
        }
        // The diagonal is zero or meets a zero, so what is left of -A x is the sum over neighbours.
        operator.apply(&self.p, &mut self.r);
        for r in &mut self.r {
            *r = -*r;
        }
    }
}

fn largest(plane: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0.0f32; LANES];
    let chunks = plane.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            let v = v.abs();
            *lane = if v > *lane { v } else { *lane };
        }
    }
    lanes.iter().fold(rest, |m, v| m.max(*v))
}

fn add_scaled(x: &mut [f32], scale: f32, y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += scale * y;
    }
}

/// Dot product, summed in f32 over short stretches and in f64 over these.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const STRETCH: usize = 256;
    const LANES: usize = 16;
    let mut total = 0.0;
    for (a, b) in a.chunks(STRETCH).zip(b.chunks(STRETCH)) {
        let mut lanes = [0.0f32; LANES];
        let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
        for (a, b) in left.zip(right) {
            for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
                *lane += a * b;
            }
        }
        total += f64::from(lanes.iter().sum::<f32>() + rest);
    }
    total
}
