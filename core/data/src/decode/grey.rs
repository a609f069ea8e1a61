//! From colour to grey and back, at any depth.

use super::samples::{Picture, Samples};

/// ITU-R 601 luma in 16-bit fixed point, as Pillow's mode "L": exact for 8 bits.
const RED: u32 = 19_595;
const GREEN: u32 = 38_470;
const BLUE: u32 = 7_471;
const HALF: u32 = 1 << 15;

/// The picture in one channel.
pub(crate) fn to_grey(picture: Picture) -> Samples {
    if picture.channels == 1 {
        return picture.samples;
    }
    match picture.samples {
        Samples::Byte(values) => Samples::Byte(values.as_chunks::<3>().0.iter().map(|rgb| luma(*rgb)).collect()),
        Samples::Word(values) => Samples::Word(values.as_chunks::<3>().0.iter().map(|rgb| luma_word(*rgb)).collect()),
        Samples::Real { values, full } => {
            let grey = |[r, g, b]: &[f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
            Samples::Real { values: values.as_chunks::<3>().0.iter().map(grey).collect(), full }
        }
    }
}

/// Luma of an 8-bit pixel.
pub(crate) fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * RED + u32::from(g) * GREEN + u32::from(b) * BLUE + HALF) >> 16) as u8
}

fn luma_word([r, g, b]: [u16; 3]) -> u16 {
    let sum = u64::from(r) * u64::from(RED) + u64::from(g) * u64::from(GREEN) + u64::from(b) * u64::from(BLUE);
    ((sum + u64::from(HALF)) >> 16) as u16
}

/// Each grey value three times.
pub(crate) fn thrice(values: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 3);
    for value in values {
        out.extend_from_slice(&[*value; 3]);
    }
    out
}
