//! Between two levels: interpolation that follows the operator, its transpose, and the coarser operator it gives.
//!
//! Every second cell in both directions is a cell of the coarser grid. The weights of the cells between come from the
//! operator itself (Dendy, Black box multigrid, J. Comput. Phys. 48, 1982): beside a known pixel they fall off, so a hole
//! of any shape is interpolated as its own equations would do it, and the coarser system, P^T A P, is again a
//! symmetric nine-point one.

use super::grid::Grid;
use super::operator::Operator;

/// A denominator below this share of the diagonal says that a cell hangs on neighbours to which it is not interpolated.
const NEGLIGIBLE: f32 = 1e-6;

/// Number, row by row, of the cell at (dx, dy) from a coarse cell among the eight around it on the finer grid.
const fn around(dx: isize, dy: isize) -> usize {
    let nine = (dy + 1) * 3 + dx + 1;
    (if nine > 4 { nine - 1 } else { nine }) as usize
}

/// Interpolation P from the coarser grid to the finer.
pub(super) struct Transfer {
    fine: Grid,
    coarse: Grid,
    /// `weights[around(dx, dy)][K]`: the share of the coarse cell K in the fine cell at its place plus (dx, dy).
    weights: [Vec<f32>; 8],
    /// One where the coarse cell has an unknown, else zero.
    active: Vec<f32>,
}

/// One where the finer cell at the coarse cell's place has an unknown.
fn active(operator: &Operator, coarse: Grid) -> Vec<f32> {
    let mut active = coarse.zeros();
    for y in 0..coarse.height {
        for x in 0..coarse.width {
            let here = operator.diagonal[operator.grid.at(2 * x, 2 * y)];
            active[coarse.at(x, y)] = if here > 0.0 { 1.0 } else { 0.0 };
        }
    }
    active
}

impl Transfer {
    /// The interpolation that suits `operator`.
    pub fn new(operator: &Operator) -> Transfer {
        let (fine, coarse) = (operator.grid, operator.grid.coarser());
        let active = active(operator, coarse);
        let mut weights: [Vec<f32>; 8] = std::array::from_fn(|_| coarse.zeros());
        let stride = fine.stride();
        let Operator { diagonal, east, south, south_west, south_east, .. } = operator;
        let safe = |numerator: f32, denominator: f32, diagonal: f32| {
            if denominator > NEGLIGIBLE * diagonal { numerator / denominator } else { 0.0 }
        };
        // On a row of the coarse grid, between two of its cells: the column is summed up.
        for y in (0..fine.height).step_by(2) {
            for x in (1..fine.width).step_by(2) {
                let f = fine.at(x, y);
                if diagonal[f] > 0.0 {
                    let rest = diagonal[f] - south[f] - south[f - stride];
                    let west = east[f - 1] + south_east[f - stride - 1] + south_west[f];
                    let to_east = east[f] + south_west[f - stride + 1] + south_east[f];
                    let (left, right) = (coarse.at(x / 2, y / 2), coarse.at(x / 2 + 1, y / 2));
                    weights[around(1, 0)][left] = safe(west, rest, diagonal[f]) * active[left];
                    weights[around(-1, 0)][right] = safe(to_east, rest, diagonal[f]) * active[right];
                }
            }
        }
        for y in (1..fine.height).step_by(2) {
            for x in (0..fine.width).step_by(2) {
                let f = fine.at(x, y);
                if diagonal[f] > 0.0 {
                    let rest = diagonal[f] - east[f] - east[f - 1];
                    let north = south[f - stride] + south_east[f - stride - 1] + south_west[f - stride + 1];
                    let to_south = south[f] + south_west[f] + south_east[f];
                    let (upper, lower) = (coarse.at(x / 2, y / 2), coarse.at(x / 2, y / 2 + 1));
                    weights[around(0, 1)][upper] = safe(north, rest, diagonal[f]) * active[upper];
                    weights[around(0, -1)][lower] = safe(to_south, rest, diagonal[f]) * active[lower];
                }
            }
            // In the middle of four: its own equation, with the cells beside it interpolated as above.
            for x in (1..fine.width).step_by(2) {
                let f = fine.at(x, y);
                if diagonal[f] > 0.0 {
                    let k = coarse.at(x / 2, y / 2);
                    let (nw, ne, sw, se) = (k, k + 1, k + coarse.stride(), k + coarse.stride() + 1);
                    let (n, s) = (south[f - stride], south[f]);
                    let (w, e) = (east[f - 1], east[f]);
                    let right = &weights[around(1, 0)];
                    let left = &weights[around(-1, 0)];
                    let under = &weights[around(0, 1)];
                    let over = &weights[around(0, -1)];
                    let of_nw = south_east[f - stride - 1] * active[nw] + n * right[nw] + w * under[nw];
                    let of_ne = south_west[f - stride + 1] * active[ne] + n * left[ne] + e * under[ne];
                    let of_sw = south_west[f] * active[sw] + s * right[sw] + w * over[sw];
                    let of_se = south_east[f] * active[se] + s * left[se] + e * over[se];
                    let inverse = 1.0 / diagonal[f];
                    weights[around(1, 1)][nw] = of_nw * inverse;
                    weights[around(-1, 1)][ne] = of_ne * inverse;
                    weights[around(1, -1)][sw] = of_sw * inverse;
                    weights[around(-1, -1)][se] = of_se * inverse;
                }
            }
        }
        Transfer { fine, coarse, weights, active }
    }

    /// out = P^T r.
    pub fn restrict(&self, r: &[f32], out: &mut [f32]) {
        let stride = self.fine.stride();
        let width = self.coarse.width;
        for y in 0..self.coarse.height {
            let start = self.coarse.at(0, y);
            let first = self.fine.at(0, 2 * y);
            let row = |shift: usize| &r[shift - 1..shift + 2 * width];
            let (above, here, below) = (row(first - stride), row(first), row(first + stride));
            let [nw, n, ne, w, e, sw, s, se] = self.rows(start);
            let out = &mut out[start..start + width];
            for j in 0..width {
                let (a, h, b) = (&above[2 * j..2 * j + 3], &here[2 * j..2 * j + 3], &below[2 * j..2 * j + 3]);
                let upper = nw[j] * a[0] + n[j] * a[1] + ne[j] * a[2];
                let lower = sw[j] * b[0] + s[j] * b[1] + se[j] * b[2];
                out[j] = h[1] + (w[j] * h[0] + e[j] * h[2]) + (upper + lower);
            }
        }
    }

    /// x += P e. `e` is zero where the coarse cell has no unknown.
    pub fn prolong(&self, e: &[f32], x: &mut [f32]) {
        let (fine_stride, stride, width) = (self.fine.stride(), self.coarse.stride(), self.coarse.width);
        for y in 0..self.coarse.height {
            let start = self.coarse.at(0, y);
            let even = self.fine.at(0, 2 * y);
            let [_, _, _, w, east, _, _, _] = self.rows_and_one(start);
            let value = &e[start..=start + width];
            let pairs = self.fine.width / 2;
            let row = &mut x[even..even + self.fine.width];
            for (j, pair) in row.chunks_mut(2).enumerate() {
                pair[0] += value[j];
                if j < pairs {
                    pair[1] += east[j] * value[j] + w[j + 1] * value[j + 1];
                }
            }
            if 2 * y + 1 < self.fine.height {
                let [_, _, _, _, _, sw, s, se] = self.rows_and_one(start);
                let [nw, n, ne, _, _, _, _, _] = self.rows_and_one(start + stride);
                let next = &e[start + stride..=start + stride + width];
                let row = &mut x[even + fine_stride..even + fine_stride + self.fine.width];
                for (j, pair) in row.chunks_mut(2).enumerate() {
                    pair[0] += s[j] * value[j] + n[j] * next[j];
                    if j < pairs {
                        let upper = se[j] * value[j] + sw[j + 1] * value[j + 1];
                        pair[1] += upper + ne[j] * next[j] + nw[j + 1] * next[j + 1];
                    }
                }
            }
        }
    }

    fn rows(&self, start: usize) -> [&[f32]; 8] {
        self.weights.each_ref().map(|plane| &plane[start..start + self.coarse.width])
    }

    fn rows_and_one(&self, start: usize) -> [&[f32]; 8] {
        self.weights.each_ref().map(|plane| &plane[start..=start + self.coarse.width])
    }

    /// P^T A P.
    pub fn coarser_operator(&self, operator: &Operator) -> Operator {
        let (fine, coarse) = (self.fine, self.coarse);
        let mut diagonal = coarse.zeros();
        let mut couplings: [Vec<f32>; 4] = std::array::from_fn(|_| coarse.zeros());
        for y in 0..coarse.height {
            for x in 0..coarse.width {
                let center = fine.at(2 * x, 2 * y);
                if operator.diagonal[center] > 0.0 {
                    let k = coarse.at(x, y);
                    let row = self.row_of_p_a(operator, center, k);
                    diagonal[k] = self.times_p(&row, k, (0, 0));
                    for (plane, neighbour) in couplings.iter_mut().zip([(1, 0), (-1, 1), (0, 1), (1, 1)]) {
                        plane[k] = -self.times_p(&row, k, neighbour);
                    }
                }
            }
        }
        Operator::coarser(coarse, diagonal, couplings)
    }

    /// The row of P^T A that belongs to the coarse cell `k` at the finer cell `center`: the 5 x 5 cells around it.
    fn row_of_p_a(&self, operator: &Operator, center: usize, k: usize) -> [[f32; 5]; 5] {
        let stride = self.fine.stride();
        let Operator { diagonal, east, south, south_west, south_east, .. } = operator;
        let mut row = [[0.0; 5]; 5];
        for y in 0..3 {
            for x in 0..3 {
                let weight = if (x, y) == (1, 1) { 1.0 } else { self.weights[AT_NINE[y * 3 + x]][k] };
                if weight == 0.0 {
                    continue;
                }
                let i = center + y * stride + x - stride - 1;
                row[y][x] -= weight * south_east[i - stride - 1];
                row[y][x + 1] -= weight * south[i - stride];
                row[y][x + 2] -= weight * south_west[i - stride + 1];
                row[y + 1][x] -= weight * east[i - 1];
                row[y + 1][x + 1] += weight * diagonal[i];
                row[y + 1][x + 2] -= weight * east[i];
                row[y + 2][x] -= weight * south_west[i];
                row[y + 2][x + 1] -= weight * south[i];
                row[y + 2][x + 2] -= weight * south_east[i];
            }
        }
        row
    }

    /// The product of `row`, around the coarse cell `k`, with the column of P of the cell `neighbour` away from `k`.
    fn times_p(&self, row: &[[f32; 5]; 5], k: usize, (dx, dy): (isize, isize)) -> f32 {
        let other = k.wrapping_add_signed(dy * self.coarse.stride() as isize + dx);
        let mut sum = 0.0;
        for y in -1..=1isize {
            for x in -1..=1isize {
                let (column, line) = (2 + 2 * dx + x, 2 + 2 * dy + y);
                if (0..5).contains(&column) && (0..5).contains(&line) {
                    let weight = match (x, y) {
                        (0, 0) => self.active[other],
                        _ => self.weights[around(x, y)][other],
                    };
                    sum += row[line as usize][column as usize] * weight;
                }
            }
        }
        sum
    }
}

/// [`around`] by position in the 3 x 3 block; the middle is not used.
const AT_NINE: [usize; 9] = [0, 1, 2, 3, 0, 4, 5, 6, 7];
