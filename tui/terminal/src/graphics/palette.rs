//! The colours of a terminal, and the nearest of them to a picture's.

use ratatui::style::Color;

use super::Colours;
use super::compose::Pixels;

/// The levels of each channel in the colour cube of the 256 colours.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The 16 colours as xterm shows them; other terminals come close enough.
const SIXTEEN: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];

/// Each pixel in a colour that the terminal has. Without colours: black or white.
pub fn colours(pixels: &Pixels, colours: Colours) -> Vec<Color> {
    match colours {
        Colours::TrueColour => pixels.rgb.chunks_exact(3).map(|p| Color::Rgb(p[0], p[1], p[2])).collect(),
        Colours::Indexed256 => {
            pixels.rgb.chunks_exact(3).map(|p| Color::Indexed(nearest_256([p[0], p[1], p[2]]))).collect()
        }
        Colours::Sixteen => diffused(pixels, &SIXTEEN),
        Colours::NoColour => diffused(pixels, &[SIXTEEN[0], SIXTEEN[15]]),
    }
}

/// The nearest of the colours 16 to 255: the cube or the greys.
fn nearest_256(colour: [u8; 3]) -> u8 {
    let level = |value: u8| (0..6_u8).min_by_key(|level| value.abs_diff(CUBE[usize::from(*level)])).unwrap_or(0);
    let [r, g, b] = colour.map(level);
    let cube = [r, g, b].map(|level| CUBE[usize::from(level)]);
    let mean = (u16::from(colour[0]) + u16::from(colour[1]) + u16::from(colour[2])) / 3;
    let step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey = [8 + 10 * step; 3];
    if distance(colour, grey) < distance(colour, cube) { 232 + step } else { 16 + 36 * r + 6 * g + b }
}

/// The squared distance, weighted by how bright the channels look.
fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let square = |at: usize| u32::from(a[at].abs_diff(b[at])).pow(2);
    3 * square(0) + 6 * square(1) + square(2)
}

/// The nearest colours, with what is lost at a pixel given to those after it (Floyd and Steinberg 1976).
fn diffused(pixels: &Pixels, palette: &[(Color, [u8; 3])]) -> Vec<Color> {
    let width = pixels.width as usize;
    let mut made = Vec::with_capacity(pixels.rgb.len() / 3);
    let mut errors = vec![[0.0_f32; 3]; width + 2];
    for row in pixels.rgb.chunks_exact((3 * width).max(3)) {
        let mut below = vec![[0.0_f32; 3]; width + 2];
        for (x, pixel) in row.chunks_exact(3).enumerate() {
            let wanted: [f32; 3] = std::array::from_fn(|c| f32::from(pixel[c]) + errors[x + 1][c]);
            let rounded = wanted.map(|value| value.round().clamp(0.0, 255.0) as u8);
            let Some((colour, got)) = palette.iter().min_by_key(|(_, other)| distance(rounded, *other)) else {
                continue;
            };
            made.push(*colour);
            for c in 0..3 {
                let error = f32::from(rounded[c]) - f32::from(got[c]);
                errors[x + 2][c] += error * 7.0 / 16.0;
                below[x][c] += error * 3.0 / 16.0;
                below[x + 1][c] += error * 5.0 / 16.0;
                below[x + 2][c] += error / 16.0;
            }
        }
        errors = below;
    }
    made
}
