//! What a person sees of pictures on a terminal, in pixels, and how it is compared with a picture file.

use std::path::Path;

use crate::pty::CELL;

/// A rectangle of pixels: left, top, width, height.
pub type Area = (usize, usize, usize, usize);

/// Sides of the raster of means by which pictures are compared.
const RASTER: usize = 12;

/// The screen in pixels, row by row.
pub struct Pixels {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// A colour where a picture is seen.
    pub colours: Vec<Option<[u8; 3]>>,
}

impl Pixels {
    /// The pixels of half-blocks: the upper half in the colour of the text, the lower one in that behind it.
    pub(crate) fn add_half_blocks(&mut self, screen: &vt100::Screen) {
        let (rows, columns) = screen.size();
        let (rows, columns) = (rows.get(), columns.get());
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let Some(cell) = screen.cell(row, column).filter(|cell| cell.contents() == "▀") else { continue };
            let halves = [cell.fgcolor(), cell.bgcolor()];
            for (half, colour) in halves.into_iter().enumerate() {
                let vt100::Color::Rgb(red, green, blue) = colour else { continue };
                let (width, height) = (usize::from(CELL.0), usize::from(CELL.1) / 2);
                let top = usize::from(row) * usize::from(CELL.1) + half * height;
                for y in top..top + height {
                    let from = y * self.width + usize::from(column) * width;
                    self.colours[from..from + width].fill(Some([red, green, blue]));
                }
            }
        }
    }

    /// The least rectangle around everything that is seen of pictures.
    pub fn area(&self) -> Option<Area> {
        self.area_where(|_| true)
    }

    /// The greatest picture: the columns and rows of which at least half of the most are seen. Bars of colours beside it do
    /// not count.
    pub fn picture(&self) -> Option<Area> {
        let (mut columns, mut rows) = (vec![0; self.width], vec![0; self.height]);
        for (at, _) in self.colours.iter().enumerate().filter(|(_, colour)| colour.is_some()) {
            columns[at % self.width] += 1;
            rows[at / self.width] += 1;
        }
        let span = |counts: &[usize]| {
            let most = *counts.iter().max()?;
            let first = counts.iter().position(|&count| count > most / 2)?;
            let last = counts.iter().rposition(|&count| count > most / 2)?;
            Some((first, last + 1 - first))
        };
        let ((left, width), (top, height)) = (span(&columns)?, span(&rows)?);
        Some((left, top, width, height))
    }

    fn area_where(&self, fits: impl Fn(usize) -> bool) -> Option<Area> {
        let seen =
            || self.colours.iter().enumerate().filter(|(at, colour)| colour.is_some() && fits(*at)).map(|(at, _)| at);
        let (left, right) = (seen().map(|at| at % self.width).min()?, seen().map(|at| at % self.width).max()?);
        let (top, bottom) = (seen().min()? / self.width, seen().max()? / self.width);
        Some((left, top, right + 1 - left, bottom + 1 - top))
    }

    /// How far an area is from a picture file stretched over it: the mean over a raster of places of the greatest difference
    /// of a colour, of 255. Places without a picture are as far as can be.
    ///
    /// # Panics
    /// When the file is no picture.
    pub fn distance(&self, (left, top, width, height): Area, file: &Path) -> f64 {
        let wanted = image::open(file).expect("a picture").to_rgb8();
        let seen = means((left, top, width, height), |x, y| self.colours[y * self.width + x]);
        let wanted = means((0, 0, wanted.width() as usize, wanted.height() as usize), |x, y| {
            Some(wanted.get_pixel(x as u32, y as u32).0)
        });
        let far = seen.iter().zip(&wanted).map(|(seen, wanted)| match (seen, wanted) {
            (Some(a), Some(b)) => (0..3).map(|i| (a[i] - b[i]).abs()).fold(0.0, f64::max),
            _ => 255.0,
        });
        far.sum::<f64>() / (RASTER * RASTER) as f64
    }
}

/// Means over the parts of an area cut into a raster; nothing where pixels of a part are missing.
fn means((left, top, width, height): Area, pixel: impl Fn(usize, usize) -> Option<[u8; 3]>) -> Vec<Option<[f64; 3]>> {
    let cut = |length: usize, i: usize| i * length / RASTER..((i + 1) * length / RASTER).max(i * length / RASTER + 1);
    let places = (0..RASTER).flat_map(|row| (0..RASTER).map(move |column| (row, column)));
    places
        .map(|(row, column)| {
            let mut sum = [0.0; 3];
            let mut count = 0.0;
            for y in cut(height, row) {
                for x in cut(width, column) {
                    let colour = pixel(left + x, top + y)?;
                    (0..3).for_each(|i| sum[i] += f64::from(colour[i]));
                    count += 1.0;
                }
            }
            Some(sum.map(|sum| sum / count))
        })
        .collect()
}
