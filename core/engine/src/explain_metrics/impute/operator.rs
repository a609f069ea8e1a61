//! The linear system of one level of the hierarchy: nine-point, symmetric, and its Jacobi smoother.

use super::grid::{Grid, three_rows};

/// Weight of a direct neighbour in the mean that replaces a removed pixel, in twelfths. Whole numbers make the rows of
/// the system sum to zero exactly; with 1/6 and 1/12 in f32 they do not, which shows where few pixels are known (2e-3).
const DIRECT: f32 = 2.0;
/// Weight of a diagonal neighbour, in twelfths.
const DIAGONAL: f32 = 1.0;

/// Damping of the Jacobi smoother. Off the smooth errors, the spectrum of D^-1 A lies in [2/3, 4/3] on the image and in
/// about [3/4, 3/2] on the coarser grids; these factors centre it, and one sweep leaves a third of any rough error.
const DAMPING_FINEST: f32 = 1.0;
const DAMPING_COARSER: f32 = 0.89;
/// On a grid of a single row or column the rough part of the spectrum is [1, 2].
const DAMPING_LINE: f32 = 2.0 / 3.0;

/// A symmetric nine-point system: `diagonal * x - sum of coupling * neighbour`. A cell without an unknown has a zero
/// diagonal and no couplings.
pub(super) struct Operator {
    pub grid: Grid,
    pub diagonal: Vec<f32>,
    /// Damping / diagonal; zero where there is no unknown.
    pub smoothing: Vec<f32>,
    /// Couplings of a cell to the ones east, south-west, south and south-east of it.
    pub east: Vec<f32>,
    pub south_west: Vec<f32>,
    pub south: Vec<f32>,
    pub south_east: Vec<f32>,
    /// On the finest level, one where there is an unknown and else zero: couplings need not be read there.
    uniform: Option<Vec<f32>>,
}

impl Operator {
    /// The system of the imputer: each removed pixel is the weighted mean of the neighbours that the image has.
    pub fn of_mask(width: usize, height: usize, keep: &[bool]) -> Operator {
        let grid = Grid { width, height };
        let stride = grid.stride();
        let mut removed = grid.zeros();
        for (y, row) in keep.chunks_exact(width).enumerate() {
            let start = grid.at(0, y);
            for (cell, &keep) in removed[start..start + width].iter_mut().zip(row) {
                *cell = if keep { 0.0 } else { 1.0 };
            }
        }
        let couple = |distance: usize, weight: f32| -> Vec<f32> {
            let mut out = grid.zeros();
            let pairs = removed.iter().zip(&removed[distance..]);
            for (out, (a, b)) in out.iter_mut().zip(pairs) {
                *out = weight * a * b;
            }
            out
        };
        let (east, south) = (couple(1, DIRECT), couple(stride, DIRECT));
        let (south_west, south_east) = (couple(stride - 1, DIAGONAL), couple(stride + 1, DIAGONAL));
        let mut diagonal = grid.zeros();
        for y in 0..height {
            let rows = 1 + usize::from(y > 0) + usize::from(y + 1 < height);
            for x in 0..width {
                let columns = 1 + usize::from(x > 0) + usize::from(x + 1 < width);
                // Of the 3 x 3 block, what lies in the image: `direct` neighbours and the rest, diagonal ones.
                let direct = rows - 1 + columns - 1;
                let sum = DIRECT * direct as f32 + DIAGONAL * (rows * columns - 1 - direct) as f32;
                let cell = grid.at(x, y);
                diagonal[cell] = removed[cell] * sum;
            }
        }
        let smoothing = smoothing(grid, &diagonal, DAMPING_FINEST);
        Operator { grid, diagonal, smoothing, east, south_west, south, south_east, uniform: Some(removed) }
    }

    /// A coarser system from its coefficients.
    pub fn coarser(grid: Grid, diagonal: Vec<f32>, [east, south_west, south, south_east]: [Vec<f32>; 4]) -> Operator {
        let smoothing = smoothing(grid, &diagonal, DAMPING_COARSER);
        Operator { grid, diagonal, smoothing, east, south_west, south, south_east, uniform: None }
    }

    /// out = A x.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        self.each_row(x, |start, ax| out[start..start + ax.len()].copy_from_slice(ax));
    }

    /// out = b - A x.
    pub fn residual(&self, b: &[f32], x: &[f32], out: &mut [f32]) {
        self.each_row(x, |start, ax| {
            let range = start..start + ax.len();
            for ((out, b), ax) in out[range.clone()].iter_mut().zip(&b[range]).zip(ax) {
                *out = b - ax;
            }
        });
    }

    /// out = x + smoothing (b - A x), one damped Jacobi sweep.
    pub fn smooth(&self, b: &[f32], x: &[f32], out: &mut [f32]) {
        self.each_row(x, |start, ax| {
            let range = start..start + ax.len();
            let (b, x, smoothing) = (&b[range.clone()], &x[range.clone()], &self.smoothing[range.clone()]);
            for ((((out, b), x), s), ax) in out[range].iter_mut().zip(b).zip(x).zip(smoothing).zip(ax) {
                *out = x + s * (b - ax);
            }
        });
    }

    /// The first sweep from zero: out = smoothing b.
    pub fn smooth_from_zero(&self, b: &[f32], out: &mut [f32]) {
        for ((out, b), s) in out.iter_mut().zip(b).zip(&self.smoothing) {
            *out = s * b;
        }
    }

    /// Calls `use_row(start, A x)` for each row; `start` is where the row begins in memory.
    fn each_row(&self, x: &[f32], mut use_row: impl FnMut(usize, &[f32])) {
        let (width, stride) = (self.grid.width, self.grid.stride());
        let mut ax = vec![0.0; width];
        for y in 0..self.grid.height {
            let start = self.grid.at(0, y);
            let rows = three_rows(x, start, stride);
            match &self.uniform {
                Some(weight) => uniform_row(&self.diagonal[start..], &weight[start..], rows, &mut ax),
                None => self.stencil_row(start, rows, &mut ax),
            }
            use_row(start, &ax);
        }
    }

    fn stencil_row(&self, start: usize, [above, here, below]: [&[f32]; 3], out: &mut [f32]) {
        let (width, stride) = (self.grid.width, self.grid.stride());
        let row = |first: usize| first..first + width;
        let out = &mut out[..width];
        let (diagonal, e, w) = (&self.diagonal[row(start)], &self.east[row(start)], &self.east[row(start - 1)]);
        let (s, n) = (&self.south[row(start)], &self.south[row(start - stride)]);
        let (se, nw) = (&self.south_east[row(start)], &self.south_east[row(start - stride - 1)]);
        let (sw, ne) = (&self.south_west[row(start)], &self.south_west[row(start - stride + 1)]);
        let [a0, a1, a2] = [0, 1, 2].map(|i| &above[row(i)]);
        let [h0, h1, h2] = [0, 1, 2].map(|i| &here[row(i)]);
        let [b0, b1, b2] = [0, 1, 2].map(|i| &below[row(i)]);
        for j in 0..width {
            let across = e[j] * h2[j] + w[j] * h0[j];
            let down = s[j] * b1[j] + n[j] * a1[j];
            let falling = se[j] * b2[j] + nw[j] * a0[j];
            let rising = sw[j] * b0[j] + ne[j] * a2[j];
            out[j] = diagonal[j] * h1[j] - ((across + down) + (falling + rising));
        }
    }
}

fn uniform_row(diagonal: &[f32], weight: &[f32], [above, here, below]: [&[f32]; 3], out: &mut [f32]) {
    let width = out.len();
    let row = |first: usize| first..first + width;
    let (diagonal, weight) = (&diagonal[row(0)], &weight[row(0)]);
    let [a0, a1, a2] = [0, 1, 2].map(|i| &above[row(i)]);
    let [h0, h1, h2] = [0, 1, 2].map(|i| &here[row(i)]);
    let [b0, b1, b2] = [0, 1, 2].map(|i| &below[row(i)]);
    for j in 0..width {
        let corners = (a0[j] + b0[j]) + (a2[j] + b2[j]);
        let sides = (a1[j] + b1[j]) + (h0[j] + h2[j]);
        out[j] = diagonal[j] * h1[j] - weight[j] * (DIAGONAL * corners + DIRECT * sides);
    }
}

fn smoothing(grid: Grid, diagonal: &[f32], damping: f32) -> Vec<f32> {
    let damping = if grid.width == 1 || grid.height == 1 { DAMPING_LINE } else { damping };
    diagonal.iter().map(|&d| if d > 0.0 { damping / d } else { 0.0 }).collect()
}
