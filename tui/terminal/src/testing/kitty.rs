//! The terminal's store of kitty pictures, and files within the text.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Pixel;
use super::cells::Cells;

/// A placement: cells and layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    column: u16,
    row: u16,
    columns: u16,
    rows: u16,
    layer: i32,
}

/// Pictures by number, and where they are.
#[derive(Debug, Default)]
pub struct Pictures {
    images: BTreeMap<u32, image::RgbaImage>,
    places: BTreeMap<(u32, u32), Place>,
    /// Pictures that characters stand for, with their columns and rows.
    virtual_places: BTreeMap<u32, (u16, u16)>,
    upload: Option<(BTreeMap<String, String>, String)>,
}

impl Pictures {
    /// How many pictures are kept.
    pub fn kept(&self) -> usize {
        self.images.len()
    }

    /// The screen was cleared, with which kitty frees all pictures that have no place.
    pub fn cleared(&mut self) {
        self.places.clear();
        self.images.retain(|id, _| self.virtual_places.contains_key(id));
    }

    /// Carries a command out; the answer.
    pub fn command(&mut self, body: &[u8], cursor: (u16, u16)) -> Vec<u8> {
        let text = String::from_utf8_lossy(body).into_owned();
        let (keys, payload) = text.split_once(';').unwrap_or((&text, ""));
        assert!(payload.len() <= 4096, "a piece of {} bytes", payload.len());
        let keys: BTreeMap<String, String> =
            keys.split(',').filter_map(|key| key.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        if keys.get("a").is_some_and(|action| action == "q") {
            let id = keys.get("i").map_or("0", String::as_str);
            return format!("\x1b_Gi={id};OK\x1b\\").into_bytes();
        }
        assert_eq!(keys.get("q").map(String::as_str), Some("2"), "a command that would be answered: {keys:?}");
        let (first, mut data) = self.upload.take().unwrap_or_else(|| (keys.clone(), String::new()));
        data.push_str(payload);
        if keys.get("m").is_some_and(|more| more == "1") {
            self.upload = Some((first, data));
        } else {
            self.carry_out(&first, &data, cursor);
        }
        Vec::new()
    }

    fn carry_out(&mut self, keys: &BTreeMap<String, String>, data: &str, cursor: (u16, u16)) {
        let number = |key: &str| keys.get(key).and_then(|value| value.parse::<i64>().ok()).unwrap_or(0);
        let id = number("i") as u32;
        let size = (number("c") as u16, number("r") as u16);
        match keys.get("a").map(String::as_str) {
            Some("t" | "T") => {
                let file = STANDARD.decode(data).expect("base64");
                let image = image::load_from_memory(&file).expect("a picture file").to_rgba8();
                self.images.insert(id, image);
                if number("U") == 1 {
                    self.virtual_places.insert(id, size);
                }
            }
            Some("p") => {
                assert!(self.images.contains_key(&id), "picture {id} is not there");
                let place =
                    Place { column: cursor.0, row: cursor.1, columns: size.0, rows: size.1, layer: number("z") as i32 };
                self.places.insert((id, number("p") as u32), place);
            }
            Some("d") => self.delete(keys.get("d").map_or("a", String::as_str), id, number("p") as u32),
            other => panic!("an unknown command: {other:?}"),
        }
    }

    fn delete(&mut self, what: &str, id: u32, number: u32) {
        assert!(what.eq_ignore_ascii_case("i"), "deletes more than its own: {what}");
        self.places.retain(|(other, at), _| *other != id || (number != 0 && *at != number));
        if what == "I" {
            self.virtual_places.remove(&id);
            // kitty before 0.28 frees all pictures without a place with any that it is told to free.
            let (places, virtual_places) = (&self.places, &self.virtual_places);
            self.images.retain(|id, _| places.keys().any(|(other, _)| other == id) || virtual_places.contains_key(id));
        }
    }

    /// Paints what is seen.
    pub fn paint(&self, cells: &Cells, cell: (u16, u16), width: usize, pixels: &mut [Pixel]) {
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_by_key(|(ids, place)| (place.layer, **ids));
        for ((id, _), place) in places {
            for row in 0..place.rows {
                for column in 0..place.columns {
                    let at = (place.column + column, place.row + row);
                    self.paint_cell(*id, (column, row), (place.columns, place.rows), at, cell, width, pixels);
                }
            }
        }
        for (column, row, character) in cells.all() {
            let mut text = character.text.chars();
            if text.next() != Some('\u{10EEEE}') {
                continue;
            }
            let marks: Vec<u32> = text.map(position).collect();
            // A reader that asks between two reads of the program's bytes can find a character whose marks are still to come;
            // one that stays without them is a part of the picture that is missing.
            let [at_row, at_column, high] = marks[..] else { continue };
            let id = high << 24 | u32::from(character.colour.expect("a placeholder's colour"));
            // Within a frame the text comes before the picture.
            let Some(&size) = self.virtual_places.get(&id) else { continue };
            self.paint_cell(id, (at_column as u16, at_row as u16), size, (column, row), cell, width, pixels);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn paint_cell(
        &self,
        id: u32,
        part: (u16, u16),
        of: (u16, u16),
        at: (u16, u16),
        cell: (u16, u16),
        width: usize,
        pixels: &mut [Pixel],
    ) {
        let image = &self.images[&id];
        for y in 0..cell.1 {
            for x in 0..cell.0 {
                let u = (f32::from(part.0) + (f32::from(x) + 0.5) / f32::from(cell.0)) / f32::from(of.0);
                let v = (f32::from(part.1) + (f32::from(y) + 0.5) / f32::from(cell.1)) / f32::from(of.1);
                let point = image.get_pixel((u * image.width() as f32) as u32, (v * image.height() as f32) as u32).0;
                let (x, y) = (usize::from(at.0 * cell.0 + x), usize::from(at.1 * cell.1 + y));
                // After the window became smaller a picture may reach beyond it.
                let Some(pixel) = pixels.get_mut(y * width + x).filter(|_| x < width) else { continue };
                let alpha = f32::from(point[3]) / 255.0;
                let below = pixel.unwrap_or([0; 3]);
                *pixel = Some(std::array::from_fn(|c| {
                    (f32::from(point[c]) * alpha + f32::from(below[c]) * (1.0 - alpha)).round() as u8
                }));
            }
        }
    }
}

/// The number that a combining mark says, by the beginning of kitty's table, and for the high byte.
fn position(mark: char) -> u32 {
    const TABLE: [u32; 84] = [
        0x305, 0x30d, 0x30e, 0x310, 0x312, 0x33d, 0x33e, 0x33f, 0x346, 0x34a, 0x34b, 0x34c, 0x350, 0x351, 0x352, 0x357,
        0x35b, 0x363, 0x364, 0x365, 0x366, 0x367, 0x368, 0x369, 0x36a, 0x36b, 0x36c, 0x36d, 0x36e, 0x36f, 0x483, 0x484,
        0x485, 0x486, 0x487, 0x592, 0x593, 0x594, 0x595, 0x597, 0x598, 0x599, 0x59c, 0x59d, 0x59e, 0x59f, 0x5a0, 0x5a1,
        0x5a8, 0x5a9, 0x5ab, 0x5ac, 0x5af, 0x5c4, 0x610, 0x611, 0x612, 0x613, 0x614, 0x615, 0x616, 0x617, 0x657, 0x658,
        0x659, 0x65a, 0x65b, 0x65d, 0x65e, 0x6d6, 0x6d7, 0x6d8, 0x6d9, 0x6da, 0x6db, 0x6dc, 0x6df, 0x6e0, 0x6e1, 0x6e2,
        0x6e4, 0x6e7, 0x6e8, 0x6eb,
    ];
    TABLE
        .iter()
        .position(|entry| *entry == u32::from(mark))
        .map_or_else(|| panic!("{mark:?} is no mark"), |at| at as u32)
}

/// A file within the text, by iTerm2's sequence.
#[derive(Debug)]
pub struct InlineFile {
    /// Cells across.
    pub columns: u16,
    /// Cells down.
    pub rows: u16,
    image: image::RgbImage,
}

impl InlineFile {
    /// Parses what follows `1337;`.
    pub fn parse(body: &[u8]) -> Option<InlineFile> {
        let text = String::from_utf8_lossy(body.strip_suffix(b"\x07")?).into_owned();
        let (keys, data) = text.strip_prefix("File=")?.split_once(':')?;
        let number = |name: &str| keys.split(';').find_map(|key| key.strip_prefix(name)?.parse().ok());
        let image = image::load_from_memory(&STANDARD.decode(data).ok()?).ok()?.to_rgb8();
        Some(InlineFile { columns: number("width=")?, rows: number("height=")?, image })
    }

    /// A pixel of the file, stretched to this size.
    pub fn pixel(&self, x: usize, y: usize, width: usize, height: usize) -> Pixel {
        let (u, v) = ((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
        let (w, h) = self.image.dimensions();
        Some(self.image.get_pixel((u * w as f32) as u32, (v * h as f32) as u32).0)
    }
}
