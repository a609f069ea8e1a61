//! Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994), as OpenCV computes it.

use super::grey::luma;
use crate::manifest::Clahe;

const BINS: usize = 256;

/// Equalises one channel of 8-bit pixels, bit for bit as `cv2.createCLAHE(clip_limit, (tiles, tiles)).apply`.
///
/// # Panics
/// Never for `pixels` of `width * height` bytes.
pub fn clahe(pixels: &[u8], width: usize, height: usize, settings: &Clahe) -> Vec<u8> {
    let tiles = settings.tiles.max(1) as usize;
    if pixels.is_empty() || pixels.len() != width * height {
        return pixels.to_vec();
    }
    let padding = |side: usize| if side.is_multiple_of(tiles) { 0 } else { tiles - side % tiles };
    // OpenCV pads both sides as soon as one does not divide, by a whole tile count where the other does.
    let (pad_x, pad_y) = if padding(width) == 0 && padding(height) == 0 {
        (0, 0)
    } else {
        (tiles - width % tiles, tiles - height % tiles)
    };
    let (tile_width, tile_height) = ((width + pad_x) / tiles, (height + pad_y) / tiles);
    let area = tile_width * tile_height;
    let clip = if settings.clip_limit > 0.0 {
        ((settings.clip_limit * area as f64 / BINS as f64) as usize).max(1)
    } else {
        usize::MAX
    };
    let mut tables = vec![[0_u8; BINS]; tiles * tiles];
    for (index, table) in tables.iter_mut().enumerate() {
        let (tile_x, tile_y) = (index % tiles, index / tiles);
        let mut counts = [0_usize; BINS];
        for y in tile_y * tile_height..(tile_y + 1) * tile_height {
            let row = reflect(y, height) * width;
            for x in tile_x * tile_width..(tile_x + 1) * tile_width {
                counts[usize::from(pixels[row + reflect(x, width)])] += 1;
            }
        }
        redistribute(&mut counts, clip);
        let scale = 255.0_f32 / area as f32;
        let mut sum = 0_usize;
        for (entry, count) in table.iter_mut().zip(counts) {
            sum += count;
            *entry = (sum as f32 * scale).round_ties_even().clamp(0.0, 255.0) as u8;
        }
    }
    interpolate(pixels, width, tiles, tile_width, tile_height, &tables)
}

/// Reflection that does not repeat the edge, as often as it takes.
fn reflect(at: usize, side: usize) -> usize {
    if side == 1 {
        return 0;
    }
    let period = 2 * (side - 1);
    let at = at % period;
    if at < side { at } else { period - at }
}

/// Clips the histogram and spreads what was cut off evenly.
fn redistribute(counts: &mut [usize; BINS], clip: usize) {
    let mut excess = 0;
    for count in counts.iter_mut() {
        if *count > clip {
            excess += *count - clip;
            *count = clip;
        }
    }
    let (each, rest) = (excess / BINS, excess % BINS);
    for count in counts.iter_mut() {
        *count += each;
    }
    let step = BINS.checked_div(rest).unwrap_or(1).max(1);
    for count in counts.iter_mut().step_by(step).take(rest) {
        *count += 1;
    }
}

/// Blends the tables of the four nearest tiles for each pixel.
fn interpolate(
    pixels: &[u8],
    width: usize,
    tiles: usize,
    tile_width: usize,
    tile_height: usize,
    tables: &[[u8; BINS]],
) -> Vec<u8> {
    // Lower tile, upper tile and the weight of the upper, along one axis.
    let neighbours = |at: usize, inverse: f32| {
        let position = at as f32 * inverse - 0.5;
        let floor = position.floor();
        let low = floor as isize;
        let last = tiles as isize - 1;
        ((low.clamp(0, last)) as usize, ((low + 1).clamp(0, last)) as usize, position - floor)
    };
    let (inverse_width, inverse_height) = (1.0 / tile_width as f32, 1.0 / tile_height as f32);
    let columns: Vec<_> = (0..width).map(|x| neighbours(x, inverse_width)).collect();
    let mut out = Vec::with_capacity(pixels.len());
    for (y, row) in pixels.chunks_exact(width).enumerate() {
        let (top, bottom, down) = neighbours(y, inverse_height);
        for (value, (left, right, across)) in row.iter().zip(&columns) {
            let at = |tile_y: usize, tile_x: usize| f32::from(tables[tile_y * tiles + tile_x][usize::from(*value)]);
            let upper = at(top, *left) * (1.0 - across) + at(top, *right) * across;
            let lower = at(bottom, *left) * (1.0 - across) + at(bottom, *right) * across;
            let blended = upper * (1.0 - down) + lower * down;
            out.push(blended.round_ties_even().clamp(0.0, 255.0) as u8);
        }
    }
    out
}

/// Equalises in place. Of a colour image the luma is equalised and its change added to each channel, so that colours
/// keep their differences and a grey image in three channels comes out as in one.
pub(super) fn apply(pixels: &mut [u8], width: usize, height: usize, channels: usize, settings: &Clahe) {
    if channels == 1 {
        let equalised = clahe(pixels, width, height, settings);
        pixels.copy_from_slice(&equalised);
        return;
    }
    let before: Vec<u8> = pixels.as_chunks::<3>().0.iter().map(|rgb| luma(*rgb)).collect();
    let after = clahe(&before, width, height, settings);
    for (rgb, (before, after)) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(before.iter().zip(&after)) {
        let change = i16::from(*after) - i16::from(*before);
        for value in rgb {
            *value = (i16::from(*value) + change).clamp(0, 255) as u8;
        }
    }
}
