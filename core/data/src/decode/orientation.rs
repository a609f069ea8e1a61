//! The eight ways a picture can lie (EXIF orientation), and turning it upright.

/// EXIF's orientation tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orientation {
    /// 1: as stored.
    Upright,
    /// 2: mirrored left to right.
    FlipHorizontal,
    /// 3: upside down.
    Rotate180,
    /// 4: mirrored top to bottom.
    FlipVertical,
    /// 5: mirrored along the main diagonal.
    Transpose,
    /// 6: to be turned 90 degrees clockwise.
    Rotate90,
    /// 7: mirrored along the other diagonal.
    Transverse,
    /// 8: to be turned 90 degrees counter-clockwise.
    Rotate270,
}

impl Orientation {
    /// By the tag's value; values that EXIF does not define leave the picture as stored.
    pub fn new(exif: u8) -> Self {
        match exif {
            2 => Self::FlipHorizontal,
            3 => Self::Rotate180,
            4 => Self::FlipVertical,
            5 => Self::Transpose,
            6 => Self::Rotate90,
            7 => Self::Transverse,
            8 => Self::Rotate270,
            _ => Self::Upright,
        }
    }

    /// True where rows become columns.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }

    /// Width and height as shown of a picture stored as `width` x `height`.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        if self.swaps_sides() { (height, width) } else { (width, height) }
    }

    /// Where the pixel shown at (`x`, `y`) is stored, in a picture stored as `width` x `height`.
    fn stored(self, x: usize, y: usize, width: usize, height: usize) -> (usize, usize) {
        match self {
            Self::Upright => (x, y),
            Self::FlipHorizontal => (width - 1 - x, y),
            Self::Rotate180 => (width - 1 - x, height - 1 - y),
            Self::FlipVertical => (x, height - 1 - y),
            Self::Transpose => (y, x),
            Self::Rotate90 => (y, height - 1 - x),
            Self::Transverse => (width - 1 - y, height - 1 - x),
            Self::Rotate270 => (width - 1 - y, x),
        }
    }
}

/// Turns `pixels` (stored as `width` x `height`) upright; gives the new width, height and pixels.
pub(crate) fn apply<T: Copy>(
    orientation: Orientation,
    width: u32,
    height: u32,
    channels: usize,
    pixels: Vec<T>,
) -> (u32, u32, Vec<T>) {
    if orientation == Orientation::Upright {
        return (width, height, pixels);
    }
    let (shown_width, shown_height) = orientation.size(width, height);
    let mut turned = Vec::with_capacity(pixels.len());
    for y in 0..shown_height as usize {
        for x in 0..shown_width as usize {
            let (column, row) = orientation.stored(x, y, width as usize, height as usize);
            let at = (row * width as usize + column) * channels;
            turned.extend_from_slice(&pixels[at..at + channels]);
        }
    }
    (shown_width, shown_height, turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored as rows `ab`, `cd`, `ef`; the expected texts follow the EXIF standard's table (row 0 / column 0 side).
    #[test]
    fn each_orientation_turns_as_exif_defines_it() {
        let expected = [
            (1, "ab cd ef"),
            (2, "ba dc fe"),
            (3, "fe dc ba"),
            (4, "ef cd ab"),
            (5, "ace bdf"),
            (6, "eca fdb"),
            (7, "fdb eca"),
            (8, "bdf ace"),
        ];
        for (tag, text) in expected {
            let (width, _, pixels) = apply(Orientation::new(tag), 2, 3, 1, b"abcdef".to_vec());
            let rows: Vec<_> = pixels.chunks(width as usize).map(|row| String::from_utf8_lossy(row)).collect();
            assert_eq!(rows.join(" "), text, "orientation {tag}");
        }
    }
}
