//! The levels of one mask, and the V-cycle over them that the solver is preconditioned with.

use super::grid::Grid;
use super::operator::Operator;
use super::transfer::Transfer;

/// Cells of the grid on which the system is solved directly.
const COARSEST_CELLS: usize = 16;
/// A pivot below this share of the largest diagonal says that an equation depends on the others.
const SINGULAR: f64 = 1e-12;

/// The levels of one mask; all channels share them.
pub(super) struct Hierarchy {
    levels: Vec<Operator>,
    /// `transfers[i]` leads from level i + 1 to level i.
    transfers: Vec<Transfer>,
    coarsest: Cholesky,
}

/// What a V-cycle writes on: for each level a right side, a solution and a spare plane.
pub(super) struct Planes {
    levels: Vec<[Vec<f32>; 3]>,
}

impl Hierarchy {
    /// All levels under the system of a mask.
    pub fn new(finest: Operator) -> Hierarchy {
        let mut levels = vec![finest];
        let mut transfers = Vec::new();
        while let Some(last) = levels.last()
            && last.grid.width * last.grid.height > COARSEST_CELLS
        {
            let transfer = Transfer::new(last);
            let coarser = transfer.coarser_operator(last);
            transfers.push(transfer);
            levels.push(coarser);
        }
        let coarsest = Cholesky::new(&levels[levels.len() - 1]);
        Hierarchy { levels, transfers, coarsest }
    }

    /// The system of the mask.
    pub fn finest(&self) -> &Operator {
        &self.levels[0]
    }

    /// Planes for [`Self::precondition`].
    pub fn planes(&self) -> Planes {
        let levels = self.levels.iter().map(|l| std::array::from_fn(|_| l.grid.zeros())).collect();
        Planes { levels }
    }

    /// z = M r: one V-cycle with one sweep down and one up, a symmetric approximation of A^-1.
    pub fn precondition(&self, r: &[f32], z: &mut Vec<f32>, planes: &mut Planes) {
        planes.levels[0][0].copy_from_slice(r);
        self.cycle(0, &mut planes.levels);
        std::mem::swap(z, &mut planes.levels[0][1]);
    }

    fn cycle(&self, level: usize, planes: &mut [[Vec<f32>; 3]]) {
        let Some((here, below)) = planes.split_first_mut() else { return };
        let [b, x, spare] = here;
        let operator = &self.levels[level];
        let Some(transfer) = self.transfers.get(level) else {
            self.coarsest.solve(operator.grid, b, x);
            return;
        };
        operator.smooth_from_zero(b, x);
        operator.residual(b, x, spare);
        transfer.restrict(spare, &mut below[0][0]);
        self.cycle(level + 1, below);
        transfer.prolong(&below[0][1], x);
        operator.smooth(b, x, spare);
        std::mem::swap(x, spare);
    }
}

/// The factor of the coarsest system, in f64: with few known pixels it is nearly singular.
struct Cholesky {
    size: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    fn new(operator: &Operator) -> Cholesky {
        let Grid { width, height } = operator.grid;
        let size = width * height;
        let mut a = vec![0.0; size * size];
        for y in 0..height {
            for x in 0..width {
                let (i, cell) = (y * width + x, operator.grid.at(x, y));
                a[i * size + i] = f64::from(operator.diagonal[cell]);
                let mut couple = |inside: bool, j: usize, value: f32| {
                    if inside {
                        a[j * size + i] = -f64::from(value);
                    }
                };
                couple(x + 1 < width, i + 1, operator.east[cell]);
                couple(y + 1 < height, i + width, operator.south[cell]);
                couple(y + 1 < height && x + 1 < width, i + width + 1, operator.south_east[cell]);
                couple(y + 1 < height && x > 0, (i + width).saturating_sub(1), operator.south_west[cell]);
            }
        }
        let largest = (0..size).map(|i| a[i * size + i]).fold(0.0, f64::max);
        for j in 0..size {
            let pivot = a[j * size + j] - (0..j).map(|k| a[j * size + k].powi(2)).sum::<f64>();
            // No unknown here, or one that the others determine: its correction is left to the smoother above.
            let kept = pivot > SINGULAR * largest;
            a[j * size + j] = if kept { pivot.sqrt() } else { f64::INFINITY };
            for i in j + 1..size {
                let sum: f64 = (0..j).map(|k| a[i * size + k] * a[j * size + k]).sum();
                a[i * size + j] = (a[i * size + j] - sum) / a[j * size + j];
            }
        }
        Cholesky { size, lower: a }
    }

    fn solve(&self, grid: Grid, b: &[f32], x: &mut [f32]) {
        let (size, l) = (self.size, &self.lower);
        let cell = |i: usize| grid.at(i % grid.width, i / grid.width);
        let mut y = vec![0.0; size];
        for i in 0..size {
            let sum: f64 = (0..i).map(|k| l[i * size + k] * y[k]).sum();
            y[i] = (f64::from(b[cell(i)]) - sum) / l[i * size + i];
        }
        for i in (0..size).rev() {
            let sum: f64 = (i + 1..size).map(|k| l[k * size + i] * y[k]).sum();
            y[i] = (y[i] - sum) / l[i * size + i];
        }
        for (i, value) in y.into_iter().enumerate() {
            x[cell(i)] = value as f32;
        }
    }
}
