//! From answers to a way to draw.

use std::fmt;
use std::str::FromStr;

use super::{Answers, Environment, WindowSize};
use crate::tty::is_cell;

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// kitty graphics: base picture and overlay are sent apart, and the terminal blends them.
    KittyLayered,
    /// kitty graphics at the place of characters, which tmux moves as it moves text.
    KittyPlaceholders,
    /// Sixel graphics.
    Sixel,
    /// Pictures within the text by iTerm2's sequence.
    Iterm2,
    /// Two pixels in each character cell.
    HalfBlocks,
    /// No pictures.
    None,
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Protocol::KittyLayered => "kitty graphics",
            Protocol::KittyPlaceholders => "kitty graphics by placeholders",
            Protocol::Sixel => "sixel graphics",
            Protocol::Iterm2 => "iTerm2 pictures",
            Protocol::HalfBlocks => "half-blocks",
            Protocol::None => "no pictures",
        })
    }
}

/// What the user chose (`--graphics`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The best that the terminal offers.
    #[default]
    Auto,
    /// kitty graphics.
    Kitty,
    /// Sixel graphics.
    Sixel,
    /// iTerm2's pictures.
    Iterm,
    /// Half-blocks.
    Blocks,
    /// No pictures.
    Off,
}

/// A word that is no [`Choice`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way to draw; use auto, kitty, sixel, iterm2, blocks or off")]
pub struct UnknownChoice(String);

impl Choice {
    /// All words that [`FromStr`] takes.
    pub const WORDS: [&str; 6] = ["auto", "kitty", "sixel", "iterm2", "blocks", "off"];
}

impl FromStr for Choice {
    type Err = UnknownChoice;

    fn from_str(word: &str) -> Result<Choice, UnknownChoice> {
        Ok(match word {
            "auto" => Choice::Auto,
            "kitty" => Choice::Kitty,
            "sixel" => Choice::Sixel,
            "iterm2" | "iterm" => Choice::Iterm,
            "blocks" => Choice::Blocks,
            "off" => Choice::Off,
            _ => return Err(UnknownChoice(word.to_owned())),
        })
    }
}

/// The colours of text and half-blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// 24 bits.
    TrueColour,
    /// The 256 of xterm.
    Indexed256,
    /// The 16 of old.
    Sixteen,
    /// None, by `NO_COLOR` or for want of any.
    NoColour,
}

/// How to draw on this terminal, and why so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graphics {
    /// How pictures are drawn.
    pub protocol: Protocol,
    /// Width and height of a character cell in pixels; a guess where the terminal does not tell.
    pub cell: (u16, u16),
    /// Inside tmux.
    pub tmux: bool,
    /// The colours of text and half-blocks.
    pub colours: Colours,
    /// The background is dark, if that is known.
    pub dark: Option<bool>,
    /// What was found, as sentences.
    pub reasons: Vec<String>,
}

/// A cell whose size is not known: twice as high as wide, which most fonts come close to.
const GUESSED_CELL: (u16, u16) = (10, 20);

/// Decides how to draw.
pub fn decide(choice: Choice, environment: &Environment, answers: &Answers, window: WindowSize) -> Graphics {
    let mut reasons = Vec::new();
    let colours = colours(environment, answers, &mut reasons);
    let protocol = match choice {
        Choice::Auto => best(environment, answers, colours, &mut reasons),
        chosen => {
            reasons.push("The way to draw was chosen by hand.".into());
            match chosen {
                Choice::Kitty if environment.in_tmux() => Protocol::KittyPlaceholders,
                Choice::Kitty => Protocol::KittyLayered,
                Choice::Sixel => Protocol::Sixel,
                Choice::Iterm => Protocol::Iterm2,
                Choice::Blocks | Choice::Auto => Protocol::HalfBlocks,
                Choice::Off => Protocol::None,
            }
        }
    };
    let cell = cell(answers, window, &mut reasons);
    let dark = background(environment, answers);
    Graphics { protocol, cell, tmux: environment.in_tmux(), colours, dark, reasons }
}

fn best(environment: &Environment, answers: &Answers, colours: Colours, reasons: &mut Vec<String>) -> Protocol {
    if !answers.complete() {
        reasons.push("The terminal did not answer in time.".into());
    }
    let kitty = answers.kitty == Some(true);
    if kitty && !environment.in_tmux() {
        reasons.push("The terminal answered that it draws kitty graphics.".into());
        return Protocol::KittyLayered;
    }
    if environment.in_tmux() {
        return best_in_tmux(environment, answers, colours, reasons);
    }
    if answers.sixel {
        reasons.push("The terminal says that it draws sixel graphics (DA1, attribute 4).".into());
        return Protocol::Sixel;
    }
    if let Some(name) = iterm(environment, answers) {
        reasons.push(format!("{name} draws iTerm2 pictures."));
        return Protocol::Iterm2;
    }
    if environment.in_screen() {
        reasons.push("GNU screen passes no pictures through; tmux does.".into());
    } else {
        reasons.push("The terminal offers no graphics, so pictures are drawn with half-blocks.".into());
    }
    Protocol::HalfBlocks
}

fn best_in_tmux(environment: &Environment, answers: &Answers, colours: Colours, reasons: &mut Vec<String>) -> Protocol {
    let client = environment.tmux_client.clone().unwrap_or_default();
    let outer = answers.versions.iter().find(|name| !name.starts_with("tmux")).unwrap_or(&client.version);
    if answers.kitty == Some(true) {
        if colours == Colours::NoColour {
            reasons.push("Kitty placeholders need colours, which NO_COLOR turns off.".into());
        } else if draws_placeholders(outer) {
            reasons.push(format!("{outer} answered through tmux that it draws kitty graphics."));
            return Protocol::KittyPlaceholders;
        } else {
            let name = if outer.is_empty() { "The terminal around tmux" } else { outer };
            reasons.push(format!(
                "{name} draws kitty graphics, but inside tmux that takes kitty 0.28 or newer, or ghostty \
                 (`--graphics kitty` if it is)."
            ));
        }
    }
    // tmux says so (DA1) whatever is around it, and draws crosses there.
    if answers.sixel && client.features.split(',').any(|feature| feature == "sixel") {
        reasons.push("tmux and the terminal around it draw sixel graphics.".into());
        return Protocol::Sixel;
    }
    if answers.kitty.is_none() {
        reasons.push(match environment.passes_through() {
            true => "Inside tmux no terminal answered that it draws kitty graphics.".into(),
            false => "tmux passes no graphics through; `tmux set -g allow-passthrough on` lets it.".into(),
        });
    }
    Protocol::HalfBlocks
}

/// Whether this name and version is of a terminal that draws pictures at the place of characters.
fn draws_placeholders(version: &str) -> bool {
    if version.to_lowercase().starts_with("ghostty") {
        return true;
    }
    let Some(rest) = version.strip_prefix("kitty") else { return false };
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (0, 28),
        _ => false,
    }
}

/// The name of the terminal, where it draws iTerm2's pictures.
fn iterm(environment: &Environment, answers: &Answers) -> Option<String> {
    if let Some(version) = answers.versions.first() {
        return (version.starts_with("iTerm2") || version.starts_with("WezTerm")).then(|| version.clone());
    }
    let program = environment.get("TERM_PROGRAM").filter(|name| matches!(*name, "iTerm.app" | "WezTerm"));
    program.or_else(|| environment.get("LC_TERMINAL").filter(|name| *name == "iTerm2")).map(str::to_owned)
}

fn colours(environment: &Environment, answers: &Answers, reasons: &mut Vec<String>) -> Colours {
    let term = environment.term();
    if environment.no_colour() {
        reasons.push("NO_COLOR is set.".into());
        return Colours::NoColour;
    }
    if matches!(term, "" | "dumb") || term.starts_with("vt") {
        reasons.push(format!("TERM={term} has no colours."));
        return Colours::NoColour;
    }
    let said = environment.get("COLORTERM").is_some_and(|value| matches!(value, "truecolor" | "24bit"));
    let named = term.ends_with("-direct")
        || ["kitty", "ghostty", "wezterm", "foot", "alacritty"].iter().any(|name| term.contains(name));
    let known = ["kitty", "ghostty", "WezTerm", "foot", "iTerm2", "Konsole", "XTerm", "contour", "mintty"];
    let answered = answers.versions.first().is_some_and(|version| known.iter().any(|name| version.starts_with(name)));
    let passed = environment.tmux_client.as_ref().is_some_and(|client| client.features.split(',').any(|f| f == "RGB"));
    if said || named || answered || passed {
        Colours::TrueColour
    } else if term.contains("256") {
        Colours::Indexed256
    } else {
        Colours::Sixteen
    }
}

fn cell(answers: &Answers, window: WindowSize, reasons: &mut Vec<String>) -> (u16, u16) {
    let of = |(w, h): (u32, u32)| {
        let (w, h) = (u16::try_from(w).ok()?, u16::try_from(h).ok()?);
        WindowSize { px_w: w, px_h: h, ..window }.cell()
    };
    // The window's size follows a change of font, the answers do not.
    let told = answers.cell.filter(|cell| is_cell(*cell));
    let found = window.cell().or(told).or_else(|| answers.window.and_then(of));
    if found.is_none() {
        reasons.push("The size of a character cell is not known; 10x20 pixels are assumed.".into());
    }
    found.unwrap_or(GUESSED_CELL)
}

/// Dark below half of the brightness; `COLORFGBG` names one of the 16 colours.
fn background(environment: &Environment, answers: &Answers) -> Option<bool> {
    if let Some((r, g, b)) = answers.background {
        return Some(2126 * u32::from(r) + 7152 * u32::from(g) + 722 * u32::from(b) < 10_000 * 128);
    }
    let named: u8 = environment.get("COLORFGBG")?.rsplit(';').next()?.parse().ok()?;
    Some(named != 7 && named != 15 && named < 16)
}
