//! The keys that every screen with a table has: moving, sorting, filtering, finding, marking, copying.

use crate::app::keys::Binding;
use crate::app::popup::{Ask, Choice, Choose};
use crate::app::shared::{Shared, Wish};
use crate::widgets::DataTable;

/// A screen with a table.
pub trait HasTable: 'static {
    /// The table that has the keyboard.
    fn table(&self) -> &DataTable;
    /// The same, to change it.
    fn table_mut(&mut self) -> &mut DataTable;
    /// The cursor moved.
    fn moved(&mut self, shared: &mut Shared) {
        let _ = shared;
    }
    /// Words for the table, from a popup.
    fn words(kind: Words, text: String) -> super::Goal;
}

/// What words from a popup are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Show only rows that hold them.
    Filter,
    /// Go to the next row that holds them.
    Find,
    /// Show or hide the column of this number.
    Column,
}

fn not_empty<T: HasTable>(screen: &T, _: &Shared) -> Result<(), String> {
    if screen.table().shown() > 0 { Ok(()) } else { Err("no rows".to_owned()) }
}

fn step<T: HasTable>(screen: &mut T, shared: &mut Shared, act: impl FnOnce(&mut DataTable)) {
    act(screen.table_mut());
    screen.moved(shared);
}

/// The bindings, for each kind of screen.
pub struct Movement<T>(std::marker::PhantomData<T>);

impl<T: HasTable> Movement<T> {
    /// The bindings.
    pub const BINDINGS: &'static [Binding<T>] = &[
        Binding::<T>::new(&["j", "down"], "next row", "Go to the next row.", |t, s| step(t, s, |x| x.step(1))),
        Binding::<T>::new(&["k", "up"], "previous row", "Go to the previous row.", |t, s| step(t, s, |x| x.step(-1))),
        Binding::<T>::new(&["g", "home"], "first row", "Go to the first row.", |t, s| {
            step(t, s, DataTable::go_to_start)
        }),
        Binding::<T>::new(&["G", "end"], "last row", "Go to the last row.", |t, s| step(t, s, DataTable::go_to_end)),
        Binding::<T>::new(&["ctrl-d", "pagedown"], "half a page down", "Go down by half a page.", |t, s| {
            step(t, s, |x| x.half_page(1));
        }),
        Binding::<T>::new(&["ctrl-u", "pageup"], "half a page up", "Go up by half a page.", |t, s| {
            step(t, s, |x| x.half_page(-1));
        }),
        Binding::<T>::new(&["L", "right"], "columns to the right", "Move the columns; the first one stays.", |t, _| {
            t.table_mut().shift_columns(1);
        }),
        Binding::<T>::new(&["H", "left"], "columns to the left", "Move the columns back.", |t, _| {
            t.table_mut().shift_columns(-1);
        }),
        Binding::<T>::new(&["K"], "sort by next column", "Sort by the next column.", |t, s| {
            step_sorted(t, s, |x, s| x.sort_by_neighbour(1, s));
        }),
        Binding::<T>::new(&["J"], "sort by previous column", "Sort by the previous column.", |t, s| {
            step_sorted(t, s, |x, s| x.sort_by_neighbour(-1, s));
        }),
        Binding::<T>::new(&["R"], "reverse order", "Turn the order round.", |t, s| {
            step_sorted(t, s, DataTable::reverse);
        }),
        Binding::<T>::new(&["&"], "filter", "Show only rows that hold some words.", |t, s| {
            let now = t.table().filter().to_owned();
            s.open(Ask::new(
                "Filter",
                "Rows that hold all these words, in any column. Empty: all rows.",
                &now,
                |text, s| {
                    s.go(T::words(Words::Filter, text.to_owned()));
                    Ok(())
                },
            ));
        })
        .footer(),
        Binding::<T>::new(&["/"], "find", "Go to the next row that holds some words.", |_, s| {
            s.open(Ask::new("Find", "Words of the row to go to.", "", |text, s| {
                s.go(T::words(Words::Find, text.to_owned()));
                Ok(())
            }));
        })
        .when(not_empty),
        Binding::<T>::new(&["m"], "mark", "Mark the row, for what is done to several at once.", |t, s| {
            step(t, s, DataTable::toggle_mark);
        })
        .when(not_empty),
        Binding::<T>::new(&["M"], "mark all", "Mark all rows shown, or take all marks away.", |t, _| {
            t.table_mut().toggle_all_marks();
        })
        .when(|t, s| t.table().too_many_to_mark().map_or_else(|| not_empty(t, s), Err)),
        Binding::<T>::new(&["|"], "hide columns", "Choose which columns are shown.", |t, s| {
            let columns = t.table().columns().iter().skip(1);
            let choices =
                columns.map(|c| Choice::new(c.name.clone(), if c.hidden { "hidden" } else { "shown" })).collect();
            s.open(Choose::one("Show or hide a column", choices, |index, s| {
                s.go(T::words(Words::Column, (index + 1).to_string()));
            }));
        }),
        Binding::<T>::new(
            &["y"],
            "copy row",
            "Copy the row under the cursor, or the marked ones, to the clipboard.",
            |t, s| {
                let text = row_text(t.table());
                s.wishes.push(Wish::Copy(text));
            },
        )
        .when(not_empty),
        Binding::<T>::new(&["r"], "reset table", "Sorting, filter, marks and columns as at the beginning.", |t, s| {
            step_sorted(t, s, DataTable::reset);
        }),
    ];
}

fn step_sorted<T: HasTable>(screen: &mut T, shared: &mut Shared, act: impl FnOnce(&mut DataTable, &Shared)) {
    act(screen.table_mut(), shared);
    screen.moved(shared);
}

/// Does what words from a popup are for.
pub fn take_words<T: HasTable>(screen: &mut T, kind: Words, text: &str, shared: &mut Shared) {
    match kind {
        Words::Filter => screen.table_mut().set_filter(text, shared),
        Words::Find => {
            if !screen.table_mut().find(text, shared) {
                shared.say_bad(format!("no row holds {text:?}"));
            }
        }
        Words::Column => screen.table_mut().toggle_column(text.parse().unwrap_or(0)),
    }
    screen.moved(shared);
}

/// Rows as tab-separated text: the marked ones, or the one under the cursor.
fn row_text(table: &DataTable) -> String {
    let line = |row: usize| -> String {
        let cells: Vec<String> =
            (0..table.columns().len()).map(|c| table.rows().text(row, c).replace(['\t', '\n'], " ")).collect();
        cells.join("\t")
    };
    if table.marked() == 0 {
        return table.selected().map(line).unwrap_or_default();
    }
    let chosen: std::collections::HashSet<String> = table.chosen_ids().into_iter().collect();
    let rows = table.view().iter().map(|r| *r as usize).filter(|r| chosen.contains(table.rows().id(*r).as_ref()));
    rows.map(line).collect::<Vec<_>>().join("\n")
}
