//! Maps as `.npy` files: float32, [height, width], as numpy writes and reads them.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::PictureError;
use crate::write::write_whole;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Header and magic together fill a multiple of this.
const ALIGNMENT: usize = 64;
/// Longest header that is read.
const LONGEST_HEADER: usize = 4096;
/// Most values that are read: an 8192 x 8192 map.
const MOST_VALUES: usize = 1 << 26;
const BYTES_PER_VALUE: usize = size_of::<f32>();

/// A map with its size.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Row-major values.
    pub values: Vec<f32>,
    /// Height and width.
    pub size: [usize; 2],
}

/// The bytes of a `.npy` file, version 1.0.
///
/// # Errors
/// When the number of values is not height x width.
pub fn encode(values: &[f32], [height, width]: [usize; 2]) -> Result<Vec<u8>, PictureError> {
    let expected = height.saturating_mul(width);
    if values.len() != expected {
        return Err(PictureError::Size { what: "map", expected, found: values.len() });
    }
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}), }}");
    let before = MAGIC.len() + 4;
    let padding = (before + header.len() + 1).next_multiple_of(ALIGNMENT) - before - header.len() - 1;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut bytes = Vec::with_capacity(before + header.len() + BYTES_PER_VALUE * values.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    // Two numbers of at most twenty digits keep the header far below 65,536 bytes.
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    Ok(bytes)
}

/// The array in the bytes of a `.npy` file, versions 1 to 3, little-endian float32 in C order with two dimensions.
///
/// # Errors
/// A sentence on what is wrong with the bytes. It never reads past them and never takes more memory than they fill.
pub fn decode(bytes: &[u8]) -> Result<Array, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is not a .npy file")?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [version, ..] => return Err(format!("version {version} of .npy is not known, or the file is cut short")),
        [] => return Err("the file is cut short".into()),
    };
    if length > LONGEST_HEADER {
        return Err(format!("its header of {length} bytes is longer than {LONGEST_HEADER}"));
    }
    let (header, data) = rest.split_at_checked(length).ok_or("the file is cut short")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    let size = size_of_header(header)?;
    let values = size[0].checked_mul(size[1]).filter(|n| *n <= MOST_VALUES);
    let values = values.ok_or_else(|| format!("{} x {} values are too many", size[0], size[1]))?;
    if data.len() != values * BYTES_PER_VALUE {
        let needed = values * BYTES_PER_VALUE;
        return Err(format!("{} x {} values need {needed} bytes and it has {}", size[0], size[1], data.len()));
    }
    let number = |b: &[u8]| b.try_into().map(f32::from_le_bytes).unwrap_or(f32::NAN);
    Ok(Array { values: data.chunks_exact(BYTES_PER_VALUE).map(number).collect(), size })
}

/// Height and width from the header, a Python dictionary.
fn size_of_header(header: &str) -> Result<[usize; 2], String> {
    let value = |key: &str| {
        let quoted = [format!("'{key}'"), format!("\"{key}\"")];
        let after = quoted.iter().find_map(|k| header.split_once(k.as_str())).map(|(_, after)| after.trim_start());
        let after = after.and_then(|after| after.strip_prefix(':'));
        after.map(str::trim_start).ok_or_else(|| format!("its header has no {key:?}"))
    };
    let kind = value("descr")?;
    if !(kind.starts_with("'<f4'") || kind.starts_with("\"<f4\"")) {
        let kind: String = kind.chars().take_while(|c| *c != ',').take(16).collect();
        return Err(format!("its values are {kind}; little-endian float32 ('<f4') is needed"));
    }
    if !value("fortran_order")?.starts_with("False") {
        return Err("it is in Fortran order; save it in C order".into());
    }
    let shape = value("shape")?.strip_prefix('(').and_then(|s| s.split_once(')')).map(|(inside, _)| inside);
    let shape = shape.ok_or("the shape in its header is not a tuple")?;
    let sides: Option<Vec<usize>> =
        shape.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect();
    match sides.as_deref() {
        Some(&[height, width]) => Ok([height, width]),
        _ => Err(format!("its shape is ({shape}); a map has two dimensions")),
    }
}

/// Writes a map of [height, width]; the file is whole or absent.
///
/// # Errors
/// When the size does not fit or the file cannot be written.
pub fn write(path: &Path, values: &[f32], size: [usize; 2]) -> Result<(), PictureError> {
    write_whole(path, &encode(values, size)?)
}

/// Reads a map. At most 256 MiB are read.
///
/// # Errors
/// When the file cannot be read or [`decode`] refuses it.
pub fn read(path: &Path) -> Result<Array, PictureError> {
    let io = |source| PictureError::Io { action: "read", path: path.into(), source };
    let most = (LONGEST_HEADER + ALIGNMENT + MOST_VALUES * BYTES_PER_VALUE) as u64;
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(most).read_to_end(&mut bytes).map_err(io)?;
    decode(&bytes).map_err(|problem| PictureError::Content { path: path.into(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_map_comes_back_bit_for_bit(height in 0usize..9, width in 0usize..9, seed: u32) {
            let values: Vec<f32> = (0..height * width).map(|i| f32::from_bits(seed.wrapping_mul(i as u32 + 1))).collect();
            let bytes = encode(&values, [height, width]).unwrap();
            let data = BYTES_PER_VALUE * values.len();
            prop_assert_eq!((bytes.len() - data) % ALIGNMENT, 0);
            let back = decode(&bytes).unwrap();
            prop_assert_eq!(back.size, [height, width]);
            prop_assert!(back.values.iter().map(|v| v.to_bits()).eq(values.iter().map(|v| v.to_bits())));
        }

        #[test]
        fn broken_files_are_refused_and_never_panic(cut in 0usize..400, flips in prop::collection::vec((0usize..400, any::<u8>()), 0..6)) {
            let mut bytes = encode(&[0.5; 60], [6, 10]).unwrap();
            for (at, value) in flips {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(cut);
            if let Ok(array) = decode(&bytes) {
                prop_assert_eq!(array.values.len(), array.size[0] * array.size[1]);
            }
        }

        #[test]
        fn any_header_is_safe(header in "\\{?('descr'|'shape'|: ?|'<f4'|\\(|\\)|[0-9]{1,22}|,|'fortran_order'|False| ){0,16}") {
            let mut bytes = MAGIC.to_vec();
            bytes.extend([1, 0]);
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.as_bytes());
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let header = |text: &str| {
            let mut bytes = MAGIC.to_vec();
            bytes.extend([1, 0]);
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text.as_bytes());
            decode(&bytes).unwrap_err()
        };
        assert!(decode(b"PNG").unwrap_err().contains("not a .npy"));
        assert!(header("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }").contains("'<f8'"));
        assert!(header("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }").contains("Fortran"));
        assert!(header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }").contains("two dimensions"));
        assert!(
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }")
                .contains("too many")
        );
        assert!(header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }").contains("need 16 bytes"));
    }
}
