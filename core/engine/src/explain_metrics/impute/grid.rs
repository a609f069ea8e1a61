//! The layout of a plane: row-major with one cell of zeros around it, so that no loop asks whether a neighbour exists.

/// Size of a plane and of its surrounding cell of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub width: usize,
    pub height: usize,
}

impl Grid {
    /// Distance between two rows in memory.
    pub fn stride(self) -> usize {
        self.width + 2
    }

    /// Cells in memory, the surrounding ones included.
    pub fn cells(self) -> usize {
        self.stride() * (self.height + 2)
    }

    /// Where the cell (x, y) lies in memory.
    pub fn at(self, x: usize, y: usize) -> usize {
        (y + 1) * self.stride() + x + 1
    }

    /// The grid of every second cell in both directions.
    pub fn coarser(self) -> Grid {
        Grid { width: self.width.div_ceil(2), height: self.height.div_ceil(2) }
    }

    /// A plane of zeros.
    pub fn zeros(self) -> Vec<f32> {
        vec![0.0; self.cells()]
    }
}

/// Three neighbouring rows of a plane around the row that starts at `start`, each `width + 2` long, from the column
/// before the first to the one after the last.
pub(super) fn three_rows(plane: &[f32], start: usize, stride: usize) -> [&[f32]; 3] {
    let row = |first: usize| &plane[first - 1..first - 1 + stride];
    [row(start - stride), row(start), row(start + stride)]
}
