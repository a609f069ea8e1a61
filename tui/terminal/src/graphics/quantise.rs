//! Few colours for a picture: median cut (Heckbert 1982) over the colours that occur, then two rounds of k-means.

use super::compose::Pixels;

/// A picture by a table of colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The table; at most 256.
    pub colours: Vec<[u8; 3]>,
    /// For each pixel its colour's place in the table.
    pub indices: Vec<u8>,
}

/// Bits of a channel in the histogram.
const BITS: u32 = 6;
const ROUNDS: usize = 2;

/// A colour of the histogram, and how often it occurs.
#[derive(Debug, Clone, Copy)]
struct Bin {
    colour: [u8; 3],
    count: u32,
}

/// At most `most` colours for a picture. A pixel takes the colour of its left or upper neighbour where no channel is off
/// by more than `tolerance`, which makes longer runs.
pub fn quantise(pixels: &Pixels, most: usize, tolerance: u8) -> Indexed {
    let bins = histogram(pixels);
    let mut colours = median_cut(&bins, most.clamp(1, 256));
    for _ in 0..ROUNDS {
        refine(&bins, &mut colours);
    }
    let indices = indices(pixels, &colours, tolerance);
    Indexed { width: pixels.width as usize, height: pixels.height as usize, colours, indices }
}

fn bin_of(pixel: &[u8]) -> usize {
    pixel.iter().take(3).fold(0, |bin, channel| bin << BITS | usize::from(channel >> (8 - BITS)))
}

/// The mean colour of each bin that occurs.
fn histogram(pixels: &Pixels) -> Vec<Bin> {
    let mut sums = vec![[0_u32; 4]; 1 << (3 * BITS)];
    for pixel in pixels.rgb.chunks_exact(3) {
        let sum = &mut sums[bin_of(pixel)];
        for (sum, channel) in sum.iter_mut().zip(pixel) {
            *sum = sum.saturating_add(u32::from(*channel));
        }
        sum[3] = sum[3].saturating_add(1);
    }
    let mean =
        |sum: &[u32; 4]| Bin { colour: std::array::from_fn(|c| (sum[c] / sum[3]).min(255) as u8), count: sum[3] };
    sums.iter().filter(|sum| sum[3] > 0).map(mean).collect()
}

fn median_cut(bins: &[Bin], most: usize) -> Vec<[u8; 3]> {
    let mut boxes: Vec<Vec<Bin>> = vec![bins.to_vec()];
    while boxes.len() < most {
        // The box whose cut helps most: wide, and full of pixels.
        let weight = |bins: &Vec<Bin>| spread(bins).1 * f64::from(count(bins)).sqrt();
        let widest = (0..boxes.len())
            .filter(|at| boxes[*at].len() > 1)
            .max_by(|a, b| weight(&boxes[*a]).total_cmp(&weight(&boxes[*b])));
        let Some(at) = widest else { break };
        let mut bins = boxes.swap_remove(at);
        let (channel, _) = spread(&bins);
        bins.sort_by_key(|bin| bin.colour[channel]);
        let half = count(&bins) / 2;
        let mut before = 0;
        let cut = bins
            .iter()
            .take_while(|bin| {
                before += bin.count;
                before <= half
            })
            .count()
            .clamp(1, bins.len() - 1);
        let upper = bins.split_off(cut);
        boxes.push(bins);
        boxes.push(upper);
    }
    boxes.iter().filter(|bins| !bins.is_empty()).map(|bins| mean(bins)).collect()
}

fn count(bins: &[Bin]) -> u32 {
    bins.iter().fold(0, |sum, bin| sum.saturating_add(bin.count))
}

/// The channel in which colours differ most, and how much. The eye sees green best and blue least.
fn spread(bins: &[Bin]) -> (usize, f64) {
    let range = |c: usize| {
        let (least, most) =
            bins.iter().fold((255, 0), |(least, most), bin| (bin.colour[c].min(least), bin.colour[c].max(most)));
        f64::from(most.saturating_sub(least)) * [0.8, 1.0, 0.6][c]
    };
    (0..3).map(|c| (c, range(c))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

fn mean(bins: &[Bin]) -> [u8; 3] {
    let total = u64::from(count(bins)).max(1);
    std::array::from_fn(|c| {
        let sum: u64 = bins.iter().map(|bin| u64::from(bin.colour[c]) * u64::from(bin.count)).sum();
        ((sum + total / 2) / total).min(255) as u8
    })
}

/// One round of k-means.
fn refine(bins: &[Bin], colours: &mut [[u8; 3]]) {
    let mut members: Vec<Vec<Bin>> = vec![Vec::new(); colours.len()];
    for bin in bins {
        members[nearest(bin.colour, colours)].push(*bin);
    }
    for (colour, members) in colours.iter_mut().zip(&members) {
        if !members.is_empty() {
            *colour = mean(members);
        }
    }
}

fn nearest(colour: [u8; 3], colours: &[[u8; 3]]) -> usize {
    (0..colours.len()).min_by_key(|at| distance(colour, colours[*at])).unwrap_or(0)
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    (0..3).map(|c| u32::from(a[c].abs_diff(b[c])).pow(2)).sum()
}

fn indices(pixels: &Pixels, colours: &[[u8; 3]], tolerance: u8) -> Vec<u8> {
    let width = pixels.width as usize;
    // Neighbouring pixels are often in the same bin: each bin's nearest colour is looked for once.
    let mut known: Vec<Option<u8>> = vec![None; 1 << (3 * BITS)];
    let mut indices: Vec<u8> = Vec::with_capacity(pixels.rgb.len() / 3);
    for (at, pixel) in pixels.rgb.chunks_exact(3).enumerate() {
        let near = |other: &u8| (0..3).all(|c| pixel[c].abs_diff(colours[usize::from(*other)][c]) <= tolerance);
        let left = (at % width > 0).then(|| indices[at - 1]);
        let above = at.checked_sub(width).map(|at| indices[at]);
        let neighbour = [left, above].into_iter().flatten().find(|other| tolerance > 0 && near(other));
        indices.push(neighbour.unwrap_or_else(|| {
            *known[bin_of(pixel)].get_or_insert_with(|| nearest([pixel[0], pixel[1], pixel[2]], colours) as u8)
        }));
    }
    indices
}
