//! Fits a picture into an area of character cells.

use ratatui::layout::Rect;

/// The largest rectangle within `area` that has the aspect ratio of `width` x `height` pixels on cells of this size (to
/// within half a cell), centred. `most` limits it to that many pixels each way. Empty where one of them is empty.
pub fn fitted(area: Rect, width: u32, height: u32, cell: (u16, u16), most: Option<u32>) -> Rect {
    let (cell_w, cell_h) = (f64::from(cell.0.max(1)), f64::from(cell.1.max(1)));
    let limit = |cells: u16, size: f64| most.map_or(cells, |most| cells.min(1.max((f64::from(most) / size) as u16)));
    let (columns, rows) = (limit(area.width, cell_w), limit(area.height, cell_h));
    if columns == 0 || rows == 0 || width == 0 || height == 0 {
        return Rect::new(area.x, area.y, 0, 0);
    }
    let (width, height) = (f64::from(width), f64::from(height));
    let scale = (f64::from(columns) * cell_w / width).min(f64::from(rows) * cell_h / height);
    let cells = |pixels: f64, size: f64, most: u16| ((pixels * scale / size).round() as u16).clamp(1, most);
    let (columns, rows) = (cells(width, cell_w, columns), cells(height, cell_h, rows));
    Rect::new(area.x + (area.width - columns) / 2, area.y + (area.height - rows) / 2, columns, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_and_centres() {
        let area = Rect::new(2, 1, 40, 10);
        assert_eq!(fitted(area, 100, 100, (10, 20), None), Rect::new(12, 1, 20, 10));
        assert_eq!(fitted(area, 400, 100, (10, 20), None), Rect::new(2, 3, 40, 5));
        assert_eq!(fitted(area, 1, 10_000, (10, 20), None), Rect::new(21, 1, 1, 10));
        assert_eq!(fitted(area, 100, 100, (10, 20), Some(100)), Rect::new(17, 3, 10, 5));
        assert!(fitted(Rect::new(3, 3, 0, 5), 10, 10, (10, 20), None).is_empty());
        assert!(fitted(area, 0, 10, (10, 20), None).is_empty());
    }
}
