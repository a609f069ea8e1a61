//! The terminal's character cells: as much of a terminal as ratatui's frames need.

/// A character with its combining marks, and the number of its indexed colour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Character {
    /// The text, empty for a blank cell.
    pub text: String,
    /// The foreground, where it is one of the 256 colours.
    pub colour: Option<u8>,
}

/// The cells and the cursor.
#[derive(Debug)]
pub struct Cells {
    columns: u16,
    rows: u16,
    cells: Vec<Character>,
    cursor: (u16, u16),
    saved: (u16, u16),
    colour: Option<u8>,
    cleared: bool,
    /// The first row that scrolls and the one after the last.
    scrolls: (u16, u16),
}

impl Cells {
    /// Blank cells.
    pub fn new(columns: u16, rows: u16) -> Cells {
        let cells = vec![Character::default(); usize::from(columns) * usize::from(rows)];
        Cells { columns, rows, cells, cursor: (0, 0), saved: (0, 0), colour: None, cleared: false, scrolls: (0, rows) }
    }

    /// Column and row of the cursor.
    pub fn cursor(&self) -> (u16, u16) {
        self.cursor
    }

    /// Whether the screen was cleared since this was asked last.
    pub fn was_cleared(&mut self) -> bool {
        std::mem::take(&mut self.cleared)
    }

    /// A row's text.
    pub fn text(&self, row: u16) -> String {
        (0..self.columns)
            .filter_map(|column| self.at(column, row))
            .map(|cell| if cell.text.is_empty() { " " } else { &cell.text })
            .collect()
    }

    /// A cell.
    pub fn at(&self, column: u16, row: u16) -> Option<&Character> {
        self.cells.get(usize::from(row) * usize::from(self.columns) + usize::from(column))
    }

    /// All cells that hold something, with their places.
    pub fn all(&self) -> impl Iterator<Item = (u16, u16, &Character)> {
        let places = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (column, row)));
        places.zip(&self.cells).map(|((column, row), cell)| (column, row, cell))
    }

    /// Takes one whole sequence or character; gives the places whose text was written.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<(u16, u16)> {
        match bytes {
            b"\x1b7" => self.saved = self.cursor,
            b"\x1b8" => self.cursor = self.saved,
            [0x1b, b'[', body @ .., last] => return self.control(body, *last),
            b"\x1bM" if self.cursor.1 == self.scrolls.0 => self.scroll(|rows, width| {
                rows.rotate_right(width);
                rows[..width].fill(Character::default());
            }),
            b"\x1bM" => self.cursor.1 = self.cursor.1.saturating_sub(1),
            [0x1b, ..] => {}
            b"\r" => self.cursor.0 = 0,
            b"\n" if self.cursor.1 + 1 == self.scrolls.1 => self.scroll(|rows, width| {
                rows.rotate_left(width);
                let kept = rows.len() - width;
                rows[kept..].fill(Character::default());
            }),
            b"\n" => self.cursor.1 = (self.cursor.1 + 1).min(self.rows - 1),
            _ => return self.print(&String::from_utf8_lossy(bytes)),
        }
        Vec::new()
    }

    fn print(&mut self, text: &str) -> Vec<(u16, u16)> {
        let mark = text.chars().all(|c| matches!(u32::from(c), 0x300..=0x36f | 0x483..=0x487 | 0x592..=0x5c4 | 0x610..=0x61a
            | 0x657..=0x65e | 0x6d6..=0x6ec | 0x730..=0x74a | 0x7eb..=0x7f3 | 0x816..=0x82d | 0x951..=0x954 | 0x1dc0..=0x1dff
            | 0x20d0..=0x20f0 | 0xfe20..=0xfe2f));
        let (column, row) = self.cursor;
        let column = if mark { column.saturating_sub(1) } else { column };
        let colour = self.colour;
        let at = usize::from(row) * usize::from(self.columns) + usize::from(column);
        let Some(cell) = self.cells.get_mut(at) else { return Vec::new() };
        if mark {
            cell.text.push_str(text);
        } else {
            *cell = Character { text: text.to_owned(), colour };
            self.cursor.0 = (column + 1).min(self.columns);
        }
        vec![(column, row)]
    }

    fn control(&mut self, body: &[u8], last: u8) -> Vec<(u16, u16)> {
        let text = String::from_utf8_lossy(body);
        let numbers: Vec<u16> = text.split(';').map(|part| part.parse().unwrap_or(0)).collect();
        match last {
            b'H' => {
                let place = |n: Option<&u16>, most: u16| n.copied().unwrap_or(1).max(1).min(most) - 1;
                self.cursor = (place(numbers.get(1), self.columns), place(numbers.first(), self.rows));
            }
            b'r' => {
                let end = numbers.get(1).copied().unwrap_or(self.rows).min(self.rows);
                self.scrolls = (numbers[0].max(1) - 1, end);
                self.cursor = (0, 0);
            }
            b'G' => self.cursor.0 = numbers[0].clamp(1, self.columns) - 1,
            b'J' if text == "2" => self.clear(),
            b'h' | b'l' if text == "?1049" => self.clear(),
            b'X' => {
                let (column, row) = self.cursor;
                let end = (column + numbers[0].max(1)).min(self.columns);
                return (column..end)
                    .flat_map(|column| {
                        self.cursor = (column, row);
                        self.print(" ")
                    })
                    .collect();
            }
            b'm' => self.style(&numbers),
            _ => {}
        }
        Vec::new()
    }

    fn scroll(&mut self, by_one: impl Fn(&mut [Character], usize)) {
        let width = usize::from(self.columns);
        let (top, end) = self.scrolls;
        by_one(&mut self.cells[usize::from(top) * width..usize::from(end) * width], width);
    }

    fn clear(&mut self) {
        self.cells.fill(Character::default());
        self.cleared = true;
    }

    fn style(&mut self, numbers: &[u16]) {
        let mut rest = numbers;
        while let [first, after @ ..] = rest {
            rest = match (first, after) {
                (38, [5, colour, after @ ..]) => {
                    self.colour = u8::try_from(*colour).ok();
                    after
                }
                (48, [5, _, after @ ..]) => after,
                (38 | 48, [2, _, _, _, after @ ..]) => {
                    if *first == 38 {
                        self.colour = None;
                    }
                    after
                }
                (0 | 30..=39, after) => {
                    self.colour = None;
                    after
                }
                (_, after) => after,
            };
        }
    }
}
