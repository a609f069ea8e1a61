//! Decodes sixel graphics, as plainly as they are defined.

use super::Pixel;

/// A decoded picture.
#[derive(Debug)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// How many colours its table has.
    pub colours: usize,
    pixels: Vec<Pixel>,
}

impl Picture {
    /// One pixel.
    pub fn pixel(&self, x: usize, y: usize) -> Pixel {
        self.pixels.get(y * self.width + x).copied().flatten()
    }
}

/// Decodes `ESC P ... q ... ESC \`.
pub fn decode(bytes: &[u8]) -> Option<Picture> {
    let start = bytes.iter().position(|byte| *byte == b'q')? + 1;
    let data = bytes[start..].strip_suffix(b"\x1b\\")?;
    let mut numbers = Numbers { data, at: 0 };
    let mut table: Vec<[u8; 3]> = Vec::new();
    let mut picture = Picture { width: 0, height: 0, colours: 0, pixels: Vec::new() };
    let (mut x, mut band, mut colour) = (0, 0, 0);
    while let Some(byte) = numbers.byte() {
        match byte {
            b'"' => {
                let size = numbers.list();
                (picture.width, picture.height) = (*size.get(2)?, *size.get(3)?);
                picture.pixels = vec![None; picture.width * picture.height];
            }
            b'#' => match numbers.list()[..] {
                [number] => colour = number,
                [number, 2, r, g, b] => {
                    table.resize(table.len().max(number + 1), [0; 3]);
                    table[number] = [r, g, b].map(|percent| (percent * 255 / 100) as u8);
                }
                _ => return None,
            },
            b'!' => {
                let count = *numbers.list().first()?;
                let sixel = numbers.byte()?;
                (0..count).for_each(|_| put(&mut picture, &mut x, band, sixel, table.get(colour)));
            }
            b'$' => x = 0,
            b'-' => (x, band) = (0, band + 1),
            b'?'..=b'~' => put(&mut picture, &mut x, band, byte, table.get(colour)),
            _ => return None,
        }
    }
    picture.colours = table.len();
    Some(picture)
}

fn put(picture: &mut Picture, x: &mut usize, band: usize, sixel: u8, colour: Option<&[u8; 3]>) {
    for row in (0..6).filter(|row| (sixel - b'?') >> row & 1 == 1) {
        let y = 6 * band + row;
        assert!(*x < picture.width && y < picture.height, "a pixel at {x}, {y} is outside");
        picture.pixels[y * picture.width + *x] = colour.copied();
    }
    *x += 1;
}

struct Numbers<'a> {
    data: &'a [u8],
    at: usize,
}

impl Numbers<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.data.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn list(&mut self) -> Vec<usize> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        self.at += length;
        String::from_utf8_lossy(&rest[..length]).split(';').map(|part| part.parse().unwrap_or(0)).collect()
    }
}
