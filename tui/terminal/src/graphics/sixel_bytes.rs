//! Writes indexed pictures as sixels: bands of six rows, in each band the colours one after another, in runs.

use super::quantise::Indexed;

/// Runs of empty columns longer than this end a stretch of a colour; other colours may use the place.
const GAP: usize = 3;

/// The control string that draws the picture with its upper left corner at the cursor.
pub fn write(picture: &Indexed) -> Vec<u8> {
    let mut out = format!("\x1bP0;1;0q\"1;1;{};{}", picture.width, picture.height).into_bytes();
    for (number, colour) in picture.colours.iter().enumerate() {
        let [r, g, b] = colour.map(|channel| (u32::from(channel) * 100 + 127) / 255);
        out.extend_from_slice(format!("#{number};2;{r};{g};{b}").as_bytes());
    }
    let bands = picture.indices.chunks((6 * picture.width).max(1));
    for (number, band) in bands.enumerate() {
        if number > 0 {
            out.push(b'-');
        }
        write_band(picture, band, &mut out);
    }
    out.extend_from_slice(b"\x1b\\");
    out
}

/// Part of a band in one colour: from a column on, six pixels in each byte.
struct Stretch {
    colour: usize,
    start: usize,
    sixels: Vec<u8>,
}

fn write_band(picture: &Indexed, band: &[u8], out: &mut Vec<u8>) {
    let mut left = stretches(picture, band);
    left.sort_by_key(|stretch| (stretch.start, stretch.colour));
    let mut colour = None;
    let mut first = true;
    // Each pass goes once from left to right, with all stretches that do not overlap.
    while !left.is_empty() {
        if !std::mem::replace(&mut first, false) {
            out.push(b'$');
        }
        let mut at = 0;
        let mut rest = Vec::new();
        for stretch in left {
            if stretch.start < at {
                rest.push(stretch);
                continue;
            }
            run(0, stretch.start - at, out);
            if colour.replace(stretch.colour) != Some(stretch.colour) {
                out.extend_from_slice(format!("#{}", stretch.colour).as_bytes());
            }
            at = stretch.start + stretch.sixels.len();
            runs(&stretch.sixels, out);
        }
        left = rest;
    }
}

fn stretches(picture: &Indexed, band: &[u8]) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    // The last stretch of each colour.
    let mut last: Vec<Option<usize>> = vec![None; picture.colours.len()];
    for column in 0..picture.width {
        for (row, index) in band.iter().skip(column).step_by(picture.width).enumerate() {
            let colour = usize::from(*index);
            let Some(slot) = last.get_mut(colour) else { continue };
            let near = slot.filter(|at| found[*at].start + found[*at].sixels.len() + GAP >= column);
            let at = near.unwrap_or_else(|| {
                found.push(Stretch { colour, start: column, sixels: Vec::new() });
                found.len() - 1
            });
            *slot = Some(at);
            let stretch = &mut found[at];
            let offset = column - stretch.start;
            stretch.sixels.resize((offset + 1).max(stretch.sixels.len()), 0);
            stretch.sixels[offset] |= 1 << row;
        }
    }
    found
}

fn runs(sixels: &[u8], out: &mut Vec<u8>) {
    for equal in sixels.chunk_by(|a, b| a == b) {
        run(equal[0], equal.len(), out);
    }
}

fn run(sixel: u8, length: usize, out: &mut Vec<u8>) {
    let character = b'?' + sixel;
    if length <= 3 {
        out.extend(std::iter::repeat_n(character, length));
    } else {
        out.extend_from_slice(format!("!{length}").as_bytes());
        out.push(character);
    }
}
