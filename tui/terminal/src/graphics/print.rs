//! A single picture at the cursor, for commands that print and end.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use ratatui::layout::Rect;
use ratatui::style::Color;

use super::cells::Block;
use super::{Colours, Graphics, Picture, Protocol};
use super::{compose, fit, half_blocks, iterm2, kitty, kitty_placeholders, picture_file, sixel};
use crate::probe::{WindowSize, through_tmux};

/// Rows that stay free for the prompt and what was typed.
const FREE_ROWS: u16 = 2;

/// The columns and rows that a picture takes when it is printed.
pub fn printed_size(picture: &Picture, graphics: &Graphics, window: WindowSize) -> (u16, u16) {
    let rows = window.rows.saturating_sub(FREE_ROWS).max(1);
    let most = (graphics.protocol == Protocol::Sixel).then_some(sixel::MOST_PIXELS);
    let area = Rect::new(0, 0, window.columns.max(1), rows);
    let rect = fit::fitted(area, picture.width, picture.height, graphics.cell, most);
    (rect.width, rect.height)
}

/// Prints a picture, as wide and high as the window allows, and a line end after it.
///
/// # Errors
///
/// Those of `out`, and `InvalidInput` for a picture whose bytes do not fit its size.
pub fn print(picture: &Picture, graphics: &Graphics, window: WindowSize, out: &mut dyn Write) -> io::Result<()> {
    if !picture.is_whole() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the picture's bytes do not fit its size"));
    }
    let (columns, rows) = printed_size(picture, graphics, window);
    let pixels = (u32::from(columns) * u32::from(graphics.cell.0), u32::from(rows) * u32::from(graphics.cell.1));
    let sent =
        if picture.width <= pixels.0 && picture.height <= pixels.1 { (picture.width, picture.height) } else { pixels };
    let bytes = match graphics.protocol {
        Protocol::KittyLayered => {
            let mut bytes = Vec::new();
            let keys = format!("a=T,f=100,c={columns},r={rows}");
            kitty::command(&mut bytes, &keys, &picture_file::png(&compose::scaled(picture, sent.0, sent.1)), false);
            bytes
        }
        Protocol::KittyPlaceholders => {
            let file = picture_file::png(&compose::scaled(picture, sent.0, sent.1));
            let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_micros());
            kitty_placeholders::lines(&file, (columns, rows), moment, graphics.tmux)
        }
        Protocol::Sixel => sixel::encode(&compose::scaled(picture, pixels.0, (pixels.1 / 6 * 6).max(6))),
        Protocol::Iterm2 => {
            let bytes = iterm2::sequence(&iterm2::file(&compose::scaled(picture, sent.0, sent.1)), columns, rows);
            if graphics.tmux { through_tmux(&bytes) } else { bytes }
        }
        Protocol::HalfBlocks => return blocks(picture, graphics.colours, columns, rows, out),
        Protocol::None => format!("{} x {} pixels; pictures are off", picture.width, picture.height).into_bytes(),
    };
    out.write_all(&bytes)?;
    out.write_all(b"\r\n")?;
    out.flush()
}

fn blocks(picture: &Picture, colours: Colours, columns: u16, rows: u16, out: &mut dyn Write) -> io::Result<()> {
    let pixels = compose::scaled(picture, u32::from(columns), 2 * u32::from(rows));
    let mut text = String::new();
    for row in half_blocks::blocks(&pixels, colours).chunks(usize::from(columns)) {
        for Block { symbol, fg, bg } in row {
            if colours != Colours::NoColour {
                text.push_str(&format!("\x1b[{};{}m", code(*fg, 30), code(*bg, 40)));
            }
            text.push(*symbol);
        }
        text.push_str(if colours == Colours::NoColour { "\n" } else { "\x1b[m\n" });
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The parameters that choose a colour; `base` is 30 for characters and 40 for what is behind them.
fn code(colour: Color, base: u8) -> String {
    const BRIGHT: u8 = 60;
    let plain = |number: u8| (base + number).to_string();
    match colour {
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(number) => format!("{};5;{number}", base + 8),
        Color::Black => plain(0),
        Color::Red => plain(1),
        Color::Green => plain(2),
        Color::Yellow => plain(3),
        Color::Blue => plain(4),
        Color::Magenta => plain(5),
        Color::Cyan => plain(6),
        Color::Gray => plain(7),
        Color::DarkGray => plain(BRIGHT),
        Color::LightRed => plain(BRIGHT + 1),
        Color::LightGreen => plain(BRIGHT + 2),
        Color::LightYellow => plain(BRIGHT + 3),
        Color::LightBlue => plain(BRIGHT + 4),
        Color::LightMagenta => plain(BRIGHT + 5),
        Color::LightCyan => plain(BRIGHT + 6),
        Color::White => plain(BRIGHT + 7),
        Color::Reset => plain(9),
    }
}
