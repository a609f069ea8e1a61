//! A table with a cursor: sorted, filtered, searched, marked, with columns that can be hidden and a first column that stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::order::{self, Rows, Wanted};
use super::{Canvas, Hit, text};
use crate::app::message::Update;
use crate::app::shared::Shared;
use crate::theme::Theme;

/// Rows up to which a table is put in order at once; longer ones beside the loop, which never waits.
const AT_ONCE: usize = 20_000;

/// Rows whose content is measured before they are in sight.
const MEASURED: usize = 1000;

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// Widest that it becomes.
    pub widest: u16,
    /// Figures stand to the right.
    pub right: bool,
    /// Whether it stands to the left all the same, where figures of one length are followed by marks.
    pub to_left: bool,
    /// Whether the user hid it.
    pub hidden: bool,
}

impl Column {
    /// A column of text.
    pub fn text(name: impl Into<String>, widest: u16) -> Self {
        Self { name: name.into(), widest, right: false, to_left: false, hidden: false }
    }

    /// A column of figures.
    pub fn figure(name: impl Into<String>, widest: u16) -> Self {
        Self { right: true, ..Self::text(name, widest) }
    }

    fn stands_right(&self) -> bool {
        self.right && !self.to_left
    }

    /// The same, standing to the left.
    pub fn on_the_left(self) -> Self {
        Self { to_left: true, ..self }
    }
}

/// How a cell is drawn.
pub type CellStyle = fn(&dyn Rows, usize, usize, &Theme) -> Style;

/// A table with a cursor.
pub struct DataTable {
    /// By which answers and clicks find it.
    pub id: u64,
    columns: Vec<Column>,
    rows: Arc<dyn Rows>,
    view: Arc<Vec<u32>>,
    wanted: Wanted,
    generation: u64,
    ordering: bool,
    cursor: usize,
    offset: usize,
    first_column: usize,
    marks: BTreeSet<String>,
    style: CellStyle,
    page: usize,
    chosen_column: usize,
    shows_choice: bool,
    /// The widest content of each column so far: columns that jump while rows scroll are hard to read, and slow on a slow
    /// link.
    widths: Vec<u16>,
}

struct NoRows;

impl Rows for NoRows {
    fn len(&self) -> usize {
        0
    }
    fn text(&self, _: usize, _: usize) -> std::borrow::Cow<'_, str> {
        "".into()
    }
}

fn plain(_: &dyn Rows, _: usize, _: usize, theme: &Theme) -> Style {
    theme.text
}

impl DataTable {
    /// An empty table.
    pub fn new(columns: Vec<Column>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Atomic::Relaxed),
            columns,
            rows: Arc::new(NoRows),
            view: Arc::default(),
            wanted: Wanted::default(),
            generation: 0,
            ordering: false,
            cursor: 0,
            offset: 0,
            first_column: 1,
            marks: BTreeSet::new(),
            style: plain,
            page: 10,
            chosen_column: 0,
            shows_choice: false,
            widths: Vec::new(),
        }
    }

    /// Draws cells by this.
    pub fn styled(mut self, style: CellStyle) -> Self {
        self.style = style;
        self
    }

    /// Takes new rows. The cursor stays on the row of the same name.
    pub fn set_rows(&mut self, rows: Arc<dyn Rows>, shared: &Shared) {
        let under = self.selected_id();
        self.rows = rows;
        self.widths.clear();
        self.measure(0..self.rows.len().min(MEASURED));
        self.put_in_order(shared);
        if let Some(id) = under.filter(|_| self.view.len() <= AT_ONCE) {
            self.select_id(&id);
        }
        self.keep_cursor_inside();
    }

    /// Takes other columns, for tables whose columns are only known with their rows.
    pub fn set_columns(&mut self, columns: Vec<Column>) {
        if columns.len() != self.columns.len() {
            self.wanted.sort = self.wanted.sort.filter(|(column, _)| *column < columns.len());
            self.chosen_column = self.chosen_column.min(columns.len().saturating_sub(1));
            self.first_column = 1;
        }
        self.columns = columns;
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// All rows, shown or not.
    pub fn rows(&self) -> &dyn Rows {
        &*self.rows
    }

    /// How many rows are shown.
    pub fn shown(&self) -> usize {
        self.view.len()
    }

    /// Rows in the order shown.
    pub fn view(&self) -> &[u32] {
        &self.view
    }

    /// The rows and the order in which they are shown, for work beside the loop.
    pub fn snapshot(&self) -> (Arc<dyn Rows>, Arc<Vec<u32>>) {
        (Arc::clone(&self.rows), Arc::clone(&self.view))
    }

    /// The row under the cursor.
    pub fn selected(&self) -> Option<usize> {
        self.view.get(self.cursor).map(|row| *row as usize)
    }

    /// What the row under the cursor is known by.
    pub fn selected_id(&self) -> Option<String> {
        self.selected().filter(|row| *row < self.rows.len()).map(|row| self.rows.id(row).into_owned())
    }

    /// Where the cursor is in the order shown.
    pub fn position(&self) -> usize {
        self.cursor
    }

    /// Puts the cursor on the row of a name; false when it is not shown.
    pub fn select_id(&mut self, id: &str) -> bool {
        let found = self.view.iter().position(|row| self.rows.id(*row as usize) == id);
        self.cursor = found.unwrap_or(self.cursor);
        found.is_some()
    }

    /// Puts the cursor on a place in the order shown.
    pub fn select_position(&mut self, position: usize) {
        self.cursor = position;
        self.keep_cursor_inside();
    }

    /// Names of the marked rows, or of the one under the cursor.
    pub fn chosen_ids(&self) -> Vec<String> {
        if self.marks.is_empty() {
            self.selected_id().into_iter().collect()
        } else {
            self.marks.iter().cloned().collect()
        }
    }

    /// Moves the cursor.
    pub fn step(&mut self, by: isize) {
        self.cursor = self.cursor.saturating_add_signed(by);
        self.keep_cursor_inside();
    }

    /// Moves the cursor by a share of a page.
    pub fn half_page(&mut self, direction: isize) {
        self.step(direction * (self.page as isize / 2).max(1));
    }

    /// To the first row.
    pub fn go_to_start(&mut self) {
        self.cursor = 0;
    }

    /// To the last row.
    pub fn go_to_end(&mut self) {
        self.cursor = self.view.len().saturating_sub(1);
    }

    /// Moves the columns under the fixed first one.
    pub fn shift_columns(&mut self, by: isize) {
        let last = self.columns.iter().filter(|c| !c.hidden).count().saturating_sub(1).max(1);
        self.first_column = self.first_column.saturating_add_signed(by).clamp(1, last);
    }

    /// Puts the cursor's column on this one, shows it in the heading and brings it into sight.
    pub fn set_chosen(&mut self, column: usize) {
        self.chosen_column = column;
        self.shows_choice = true;
        if column <= self.first_column {
            self.first_column = column.max(1);
        }
    }

    /// Marks or unmarks the row under the cursor and moves on.
    pub fn toggle_mark(&mut self) {
        if let Some(id) = self.selected_id() {
            if !self.marks.remove(&id) {
                self.marks.insert(id);
            }
            self.step(1);
        }
    }

    /// Takes all marks away, or marks all that is shown when there are none.
    pub fn toggle_all_marks(&mut self) {
        if self.marks.is_empty() {
            self.marks = self.view.iter().map(|row| self.rows.id(*row as usize).into_owned()).collect();
        } else {
            self.marks.clear();
        }
    }

    /// Why not all rows can be marked, if they cannot: each mark keeps the name of its row.
    pub fn too_many_to_mark(&self) -> Option<String> {
        let many = self.marks.is_empty() && self.view.len() > AT_ONCE;
        many.then(|| format!("more than {} rows; filter first", text::thousands(AT_ONCE as u64)))
    }

    /// How many rows are marked.
    pub fn marked(&self) -> usize {
        self.marks.len()
    }

    /// Sorts by the next or the previous column.
    pub fn sort_by_neighbour(&mut self, by: isize, shared: &Shared) {
        let count = self.columns.len();
        if count == 0 {
            return;
        }
        let mut column = self.chosen_column;
        for _ in 0..count {
            column = (column as isize + by).rem_euclid(count as isize) as usize;
            if !self.columns[column].hidden {
                break;
            }
        }
        let descending = self.rows.is_numeric(column);
        self.chosen_column = column;
        self.set_sort(Some((column, descending)), shared);
    }

    /// Sorts by a column; the same one again turns the order round.
    pub fn sort_by(&mut self, column: usize, shared: &Shared) {
        let descending = match self.wanted.sort {
            Some((known, descending)) if known == column => !descending,
            _ => self.rows.is_numeric(column),
        };
        self.chosen_column = column;
        self.set_sort(Some((column, descending)), shared);
    }

    /// Turns the order round.
    pub fn reverse(&mut self, shared: &Shared) {
        let sort = self.wanted.sort.map_or((self.chosen_column, true), |(column, descending)| (column, !descending));
        self.set_sort(Some(sort), shared);
    }

    fn set_sort(&mut self, sort: Option<(usize, bool)>, shared: &Shared) {
        self.wanted.sort = sort;
        self.put_in_order(shared);
    }

    /// Shows only rows that hold these words.
    pub fn set_filter(&mut self, filter: &str, shared: &Shared) {
        if self.wanted.filter != filter {
            filter.clone_into(&mut self.wanted.filter);
            self.put_in_order(shared);
        }
    }

    /// The words of the filter.
    pub fn filter(&self) -> &str {
        &self.wanted.filter
    }

    /// Hides the column that the table is sorted by, or shows all again when none is left to hide.
    pub fn toggle_column(&mut self, column: usize) {
        if let Some(column) = self.columns.get_mut(column).filter(|_| column > 0) {
            column.hidden = !column.hidden;
        }
    }

    /// Sorting, filter, marks and hidden columns as at the beginning.
    pub fn reset(&mut self, shared: &Shared) {
        self.wanted = Wanted::default();
        self.marks.clear();
        self.columns.iter_mut().for_each(|c| c.hidden = false);
        self.first_column = 1;
        self.put_in_order(shared);
    }

    /// Puts the cursor on the next row after it that holds the words, from the top again after the last; false when none
    /// does. What is far away in a long table is found beside the loop, which tells it by [`Update::Found`].
    pub fn find(&mut self, words: &str, shared: &Shared) -> bool {
        let (count, from) = (self.view.len(), self.cursor + 1);
        let search = {
            let (rows, view) = (Arc::clone(&self.rows), Arc::clone(&self.view));
            let (columns, words) = (self.columns.len(), words.to_owned());
            let turn = move |i: usize| (from + i) % count;
            move |count| order::first(&*rows, columns, &words, count, |i| view[turn(i)]).map(turn)
        };
        if let Some(place) = search(count.min(AT_ONCE)) {
            self.cursor = place;
            return true;
        }
        if count <= AT_ONCE {
            return false;
        }
        let (table, generation, words) = (self.id, self.generation, words.to_owned());
        shared.tasks.spawn(move || Update::Found { table, generation, words, place: search(count) });
        true
    }

    /// Takes an order that was made beside the loop, or a row that was found there; true when the cursor is on another row then.
    pub fn update(&mut self, update: &Update) -> bool {
        let before = self.selected();
        if let Update::Found { table, generation, place: Some(place), .. } = update
            && *table == self.id
            && *generation == self.generation
        {
            self.select_position(*place);
        }
        if let Update::Order { table, generation, view } = update
            && *table == self.id
            && *generation == self.generation
        {
            let under = self.selected_id();
            self.view = Arc::clone(view);
            self.ordering = false;
            if let Some(id) = under.filter(|_| self.view.len() <= AT_ONCE) {
                self.select_id(&id);
            }
            self.keep_cursor_inside();
        }
        self.selected() != before
    }

    fn put_in_order(&mut self, shared: &Shared) {
        self.generation += 1;
        let (rows, columns, wanted) = (Arc::clone(&self.rows), self.columns.len(), self.wanted.clone());
        if rows.len() <= AT_ONCE || wanted == Wanted::default() {
            self.view = Arc::new(order::view(&*rows, columns, &wanted));
            self.ordering = false;
        } else {
            let (table, generation) = (self.id, self.generation);
            // Until the order is there, rows that exist no more must not be drawn.
            Arc::make_mut(&mut self.view).retain(|row| (*row as usize) < rows.len());
            self.ordering = true;
            shared.tasks.spawn(move || Update::Order {
                table,
                generation,
                view: Arc::new(order::view(&*rows, columns, &wanted)),
            });
        }
        self.keep_cursor_inside();
    }

    fn keep_cursor_inside(&mut self) {
        self.cursor = self.cursor.min(self.view.len().saturating_sub(1));
    }

    /// A line of what is shown: filter, marks, place.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if !self.wanted.filter.is_empty() {
            parts.push(format!("filter: {}", self.wanted.filter));
        }
        if !self.marks.is_empty() {
            parts.push(format!("{} marked", self.marks.len()));
        }
        if self.ordering {
            parts.push("sorting …".to_owned());
        }
        let place = if self.view.is_empty() { 0 } else { self.cursor + 1 };
        parts.push(format!("{} of {}", text::thousands(place as u64), text::thousands(self.view.len() as u64)));
        parts.join(" · ")
    }

    /// Draws headings and the rows around the cursor.
    pub fn draw(&mut self, canvas: &mut Canvas<'_, '_>, area: Rect, focus: bool, theme: &Theme) {
        if area.height < 2 || area.width < 4 {
            return;
        }
        self.page = usize::from(area.height - 1);
        self.offset = self.offset.clamp((self.cursor + 1).saturating_sub(self.page), self.cursor);
        self.offset = self.offset.min(self.view.len().saturating_sub(self.page));
        let rows: Vec<usize> = self
            .view
            .iter()
            .skip(self.offset)
            .take(self.page)
            .map(|row| *row as usize)
            .filter(|r| *r < self.rows.len())
            .collect();
        self.measure(rows.iter().copied());
        let columns = self.layout_with_choice(area.width);
        self.draw_heading(canvas, area, &columns, theme);
        for (i, row) in rows.iter().enumerate() {
            let line = Rect { y: area.y + 1 + i as u16, height: 1, ..area };
            let position = self.offset + i;
            let mark = self.marks.contains(self.rows.id(*row).as_ref());
            let cursor = position == self.cursor;
            let sign = match (cursor, mark) {
                (true, true) => theme.sign("▶", "*"),
                (true, false) => theme.sign("▸", ">"),
                (false, true) => theme.sign("●", "+"),
                (false, false) => " ",
            };
            let mut spans = vec![Span::styled(sign, theme.accent)];
            for (column, width) in &columns {
                let style = (self.style)(&*self.rows, *row, *column, theme);
                spans.push(Span::styled(
                    padded(&self.rows.text(*row, *column), *width, self.columns[*column].stands_right()),
                    style,
                ));
                spans.push(Span::raw("  "));
            }
            canvas.line(Line::from(spans), line);
            if cursor {
                canvas.paint(line, if focus { theme.selected } else { theme.selected_idle });
            }
            canvas.hit(line, Hit::Row { table: self.id, row: position });
        }
    }

    fn draw_heading(&self, canvas: &mut Canvas<'_, '_>, area: Rect, columns: &[(usize, u16)], theme: &Theme) {
        let mut spans = vec![Span::raw(" ")];
        let mut x = area.x + 1;
        for (column, width) in columns {
            let arrow = match self.wanted.sort {
                Some((sorted, true)) if sorted == *column => theme.sign(" ↓", " v"),
                Some((sorted, false)) if sorted == *column => theme.sign(" ↑", " ^"),
                _ => "",
            };
            let name = format!("{}{arrow}", self.columns[*column].name);
            let chosen = self.shows_choice && *column == self.chosen_column;
            let style = if chosen { theme.accent.patch(theme.selected) } else { theme.heading };
            spans.push(Span::styled(padded(&name, *width, self.columns[*column].stands_right()), style));
            spans.push(Span::raw("  "));
            let heading = Rect { x, y: area.y, width: *width, height: 1 };
            canvas.hit(heading.intersection(area), Hit::Column { table: self.id, column: *column });
            x = x.saturating_add(width + 2);
        }
        canvas.line(Line::from(spans), Rect { height: 1, ..area });
        let last = (0..self.columns.len()).rfind(|column| !self.columns[*column].hidden);
        if columns.last().map(|(column, _)| *column) < last {
            let edge = Rect { x: area.right().saturating_sub(1), y: area.y, width: 1, height: 1 };
            canvas.line(Line::styled(theme.sign("›", ">"), theme.accent), edge);
        }
    }

    /// The columns that fit, moved so far that the chosen one is among them.
    fn layout_with_choice(&mut self, room: u16) -> Vec<(usize, u16)> {
        let mut columns = self.layout(room);
        while self.shows_choice
            && self.first_column < self.chosen_column
            && !columns.iter().any(|(column, _)| *column == self.chosen_column)
        {
            self.first_column += 1;
            columns = self.layout(room);
        }
        columns
    }

    /// Takes in how wide the content of these rows is.
    fn measure(&mut self, rows: impl Iterator<Item = usize> + Clone) {
        self.widths.resize(self.columns.len(), 0);
        for (column, widest) in self.widths.iter_mut().enumerate() {
            let content = rows.clone().map(|row| text::width(&self.rows.text(row, column))).max().unwrap_or(0);
            *widest = (*widest).max(content.min(usize::from(u16::MAX)) as u16);
        }
    }

    /// The columns that fit, each as wide as its heading and the rows seen so far need; the first one always stays.
    fn layout(&self, room: u16) -> Vec<(usize, u16)> {
        let shown: Vec<usize> = (0..self.columns.len()).filter(|c| !self.columns[*c].hidden).collect();
        let mut left = room.saturating_sub(1);
        let mut columns = Vec::new();
        for (place, column) in shown.iter().enumerate() {
            if place > 0 && place < self.first_column {
                continue;
            }
            let sorted = self.wanted.sort.is_some_and(|(c, _)| c == *column);
            let heading = text::width(&self.columns[*column].name) + if sorted { 2 } else { 0 };
            let content = self.widths.get(*column).copied().unwrap_or(0);
            let wanted = (heading as u16).max(content).min(self.columns[*column].widest.max(heading as u16));
            // A figure without its end says something else; a text may be cut.
            let least = if self.columns[*column].right { wanted } else { wanted.min(6) };
            if left == 0 || (columns.len() > 1 && left < least) {
                break;
            }
            let width = wanted.min(left);
            columns.push((*column, width));
            left = left.saturating_sub(width + 2);
        }
        columns
    }
}

/// A cell's content in its column's width.
fn padded(content: &str, width: u16, right: bool) -> String {
    let width = usize::from(width);
    let cut = text::cut(content, width);
    let padding = " ".repeat(width.saturating_sub(text::width(&cut)));
    if right { padding + &cut } else { cut + &padding }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbered rows.
    struct Numbered(usize);

    impl Rows for Numbered {
        fn len(&self) -> usize {
            self.0
        }
        fn text(&self, row: usize, _: usize) -> std::borrow::Cow<'_, str> {
            row.to_string().into()
        }
    }

    fn table(rows: usize) -> DataTable {
        let mut table = DataTable::new(vec![Column::text("row", 9)]);
        table.rows = Arc::new(Numbered(rows));
        table.view = Arc::new((0..rows as u32).collect());
        table
    }

    #[test]
    fn what_comes_from_beside_the_loop_says_whether_the_cursor_is_on_another_row() {
        let mut long = table(AT_ONCE + 1);
        let found = |table: &DataTable, place, generation| Update::Found {
            table: table.id,
            generation,
            words: String::new(),
            place,
        };
        let update = found(&long, Some(7), 0);
        assert!(long.update(&update));
        assert_eq!(long.selected(), Some(7));
        assert!(!long.update(&update), "it is there already");
        for update in [found(&long, None, 0), found(&long, Some(9), 5)] {
            assert!(!long.update(&update), "nothing found, or in rows that are no more");
        }
        let turned = |table: &DataTable| Update::Order {
            table: table.id,
            generation: 0,
            view: Arc::new(table.view.iter().rev().copied().collect()),
        };
        let update = turned(&long);
        assert!(long.update(&update), "a long table keeps the place and not the row");
        let mut short = table(3);
        let update = turned(&short);
        assert!(!short.update(&update));
        assert_eq!(short.selected(), Some(0));
    }
}
