//! Which format a file is, by its content; its name's ending is not asked.

use std::path::Path;

use crate::error::{Error, Result};

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG (baseline and progressive; grey, colour and CMYK).
    Jpeg,
    /// PNG.
    Png,
    /// TIFF.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// WebP (lossy and lossless).
    WebP,
}

/// Formats known by their first bytes and refused by name.
const REFUSED: [(usize, &[u8], &str); 19] = [
    (128, b"DICM", "a DICOM file"),
    (344, b"n+1\0", "a NIfTI file"),
    (344, b"ni1\0", "a NIfTI header (.hdr of a .hdr/.img pair)"),
    (4, b"n+2\0", "a NIfTI-2 file"),
    (4, b"ni2\0", "a NIfTI-2 header (.hdr of a .hdr/.img pair)"),
    (0, b"NRRD", "an NRRD file"),
    (0, b"ObjectType", "a MetaImage file"),
    (0, b"GIF8", "a GIF file"),
    (0, b"%PDF", "a PDF file"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 code stream"),
    (0, b"\xff\x0a", "a JPEG XL file"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL file"),
    (4, b"ftyp", "a HEIF, AVIF or video file"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the image itself"),
    (0, b"<svg", "an SVG drawing"),
];

const READ: &str = "JPEG, PNG, TIFF, BMP and WebP are read";

impl Format {
    /// The format of a file that begins with `bytes`; `path` is named in errors.
    pub fn of(path: &Path, bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Err(super::damaged(path, "the file is empty"));
        }
        for (at, magic, name) in REFUSED {
            if bytes.get(at..).is_some_and(|rest| rest.starts_with(magic)) {
                return Err(refuse(path, name));
            }
        }
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            return Err(refuse(
                path,
                if name.ends_with(".nii.gz") { "a compressed NIfTI file" } else { "a gzip file" },
            ));
        }
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Self::Png),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Ok(Self::Tiff),
            [b'B', b'M', ..] if bytes.len() >= 18 => Ok(Self::Bmp),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Self::WebP),
            _ => {
                let problem = "no image format that is known, or cut off before it could be told";
                Err(Error::content(path, problem, format!("{READ}; replace the file or leave it out of the dataset")))
            }
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::WebP => "WebP",
        }
    }

    pub(super) fn for_decoder(self) -> image::ImageFormat {
        match self {
            Self::Jpeg => image::ImageFormat::Jpeg,
            Self::Png => image::ImageFormat::Png,
            Self::Tiff => image::ImageFormat::Tiff,
            Self::Bmp => image::ImageFormat::Bmp,
            Self::WebP => image::ImageFormat::WebP,
        }
    }
}

fn refuse(path: &Path, name: &str) -> Error {
    let remedy = format!("{READ}; convert it, 16-bit PNG or TIFF keeps the depth");
    Error::content(path, format!("{name}, which cannot be read as an image"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, at: usize, magic: &[u8]) -> String {
        let mut bytes = vec![0; at];
        bytes.extend_from_slice(magic);
        bytes.extend_from_slice(&[0; 64]);
        Format::of(Path::new(name), &bytes).unwrap_err().to_string()
    }

    #[test]
    fn medical_volumes_are_refused_by_name_whatever_the_ending() {
        assert!(message("scan.png", 128, b"DICM").contains("scan.png: a DICOM file"));
        assert!(message("scan.jpg", 344, b"n+1\0").contains("a NIfTI file"));
        assert!(message("scan.nii.gz", 0, &[0x1f, 0x8b, 8]).contains("a compressed NIfTI file"));
        assert!(message("scan.gz", 0, &[0x1f, 0x8b, 8]).contains("a gzip file"));
    }

    #[test]
    fn unknown_and_empty_files_are_told_apart() {
        assert!(message("a.png", 0, b"hello").contains("no image format that is known"));
        assert!(Format::of(Path::new("a.png"), b"").unwrap_err().to_string().contains("empty"));
    }
}
