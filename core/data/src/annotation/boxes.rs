//! Reading a table of lesion boxes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use image::{ImageDecoder, ImageReader};

use super::BoxFraction;
use crate::dataset::{CsvFile, Found, Lookup, Notices, Row};
use crate::error::{Error, Result};
use crate::manifest::{BoxTable, BoxUnit};

/// Boxes are often written with two digits, so that they stick out a little; more than this is said.
const ROUNDING: f64 = 0.01;

/// Reads the boxes of a table: index of the image (as in `lookup`) to its boxes, in the table's order.
/// `path_of` gives an image's file, which is opened for its size only where the boxes are in pixels.
pub(crate) fn read_boxes(
    file: &Path,
    rule: &BoxTable,
    lookup: &Lookup<'_>,
    path_of: &dyn Fn(usize) -> PathBuf,
    notices: &mut Notices,
) -> Result<HashMap<usize, Vec<BoxFraction>>> {
    let table = CsvFile::read(file)?;
    let image = table.column(&rule.image, "boxes.image")?;
    let mut columns = [0; 4];
    for (column, name) in columns.iter_mut().zip(&rule.columns) {
        *column = table.column(name, "boxes.columns")?;
    }
    let mut sizes: HashMap<usize, (f64, f64)> = HashMap::new();
    let mut boxes: HashMap<usize, Vec<BoxFraction>> = HashMap::new();
    for row in &table.rows {
        let name = row.get(image);
        let index = match lookup.find(name) {
            Some(Found::One(index)) => index,
            Some(Found::Several(..)) => {
                let problem = format!("{}: {name:?} is the name of several images", rule.image);
                return Err(table.error(row, problem, "write the path below the root"));
            }
            None => {
                notices.count("boxes of images that are not in the dataset are left out", name);
                continue;
            }
        };
        let [a, b, c, d] = numbers(&table, row, &columns)?;
        let found = match rule.unit {
            BoxUnit::Fraction => BoxFraction { x_center: a, y_center: b, width: c, height: d },
            BoxUnit::Pixel => {
                let (width, height) = match sizes.get(&index) {
                    Some(size) => *size,
                    None => *sizes.entry(index).or_insert(upright_size(&path_of(index))?),
                };
                BoxFraction {
                    x_center: (a + c / 2.0) / width,
                    y_center: (b + d / 2.0) / height,
                    width: c / width,
                    height: d / height,
                }
            }
        };
        if let Some(problem) = fraction_problem(&found) {
            let remedy = match rule.unit {
                BoxUnit::Fraction => "correct the row, or set unit = \"pixel\" under [boxes]",
                BoxUnit::Pixel => "correct the row (left, top, width, height in pixels of the upright image)",
            };
            return Err(table.error(row, format!("{name:?}: {problem}"), remedy));
        }
        let (clipped, cut) = clip(&found);
        if cut > ROUNDING {
            notices.count("boxes that stick out of their image are clipped", name);
        }
        boxes.entry(index).or_default().push(clipped);
    }
    Ok(boxes)
}

fn numbers(table: &CsvFile, row: &Row, columns: &[usize; 4]) -> Result<[f64; 4]> {
    let mut values = [0.0; 4];
    for (value, column) in values.iter_mut().zip(columns) {
        let text = row.get(*column);
        *value = text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
            let name = table.columns.get(*column).map_or("", String::as_str);
            table.error(row, format!("{name}: {text:?} is not a number"), "correct the value or remove the row")
        })?;
    }
    Ok(values)
}

/// What is wrong with a box, if anything: it needs an area, and its centre inside the image.
fn fraction_problem(found: &BoxFraction) -> Option<&'static str> {
    let inside = |value: f64| (0.0..=1.0).contains(&value);
    let extent = |value: f64| value > 0.0 && value <= 1.0 + 2.0 * ROUNDING;
    if !extent(found.width) || !extent(found.height) {
        return Some("the box has no area or is larger than the image");
    }
    if !inside(found.x_center) || !inside(found.y_center) {
        return Some("the box has its centre outside the image");
    }
    None
}

/// The part of a box inside the image, and how much was cut off at most on a side.
fn clip(found: &BoxFraction) -> (BoxFraction, f64) {
    let side = |center: f64, extent: f64| {
        let (low, high) = (center - extent / 2.0, center + extent / 2.0);
        let cut = (-low).max(high - 1.0).max(0.0);
        if cut == 0.0 {
            (center, extent, 0.0)
        } else {
            ((low.max(0.0) + high.min(1.0)) / 2.0, high.min(1.0) - low.max(0.0), cut)
        }
    };
    let (x_center, width, cut_x) = side(found.x_center, found.width);
    let (y_center, height, cut_y) = side(found.y_center, found.height);
    (BoxFraction { x_center, y_center, width, height }, cut_x.max(cut_y))
}

/// Width and height as shown, from the file's head.
fn upright_size(path: &Path) -> Result<(f64, f64)> {
    let unreadable = |error: image::ImageError| {
        Error::content(path, format!("size cannot be read: {error}"), "replace the file or remove its boxes")
    };
    let reader = ImageReader::open(path).map_err(|source| Error::io("read", path, source))?;
    let reader = reader.with_guessed_format().map_err(|source| Error::io("read", path, source))?;
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().map_err(unreadable)?.to_exif();
    let (width, height) = if orientation >= 5 { (height, width) } else { (width, height) };
    if width == 0 || height == 0 {
        return Err(Error::content(path, "has no pixels", "replace the file or remove its boxes"));
    }
    Ok((f64::from(width), f64::from(height)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_over_the_edge_is_clipped_to_its_visible_part() {
        let (inside, cut) = clip(&BoxFraction { x_center: 0.1, y_center: 0.5, width: 0.4, height: 0.5 });
        assert!((inside.width - 0.3).abs() < 1e-12 && (inside.x_center - 0.15).abs() < 1e-12);
        assert!((cut - 0.1).abs() < 1e-12);
        let whole = BoxFraction { x_center: 0.5, y_center: 0.5, width: 1.0, height: 0.2 };
        assert_eq!(clip(&whole), (whole, 0.0));
    }

    #[test]
    fn boxes_without_area_or_outside_are_refused() {
        let good = BoxFraction { x_center: 0.5, y_center: 0.5, width: 0.1, height: 0.1 };
        assert_eq!(fraction_problem(&good), None);
        assert!(fraction_problem(&BoxFraction { width: 0.0, ..good }).is_some());
        assert!(fraction_problem(&BoxFraction { height: f64::NAN, ..good }).is_some());
        assert!(fraction_problem(&BoxFraction { x_center: 40.0, ..good }).is_some());
    }
}
