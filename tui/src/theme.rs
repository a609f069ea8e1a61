//! Colours and borders. A colour never says anything that a sign or a word does not say too.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

/// Which look the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ThemeChoice {
    /// Dark or light as the terminal says.
    #[default]
    Auto,
    /// For dark backgrounds.
    Dark,
    /// For light backgrounds.
    Light,
    /// The terminal's own 16 colours.
    Ansi,
    /// The terminal's own colours, and no character outside ASCII for borders.
    Ascii,
    /// No colours at all.
    Mono,
}

/// How much colour the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The 16 of the terminal.
    Sixteen,
    /// None.
    None,
}

/// The styles that screens draw with.
#[derive(Clone, Debug)]
pub struct Theme {
    /// What is under everything: plain text, and a background where the terminal's own does not fit the look.
    pub base: Style,
    /// Plain text.
    pub text: Style,
    /// What matters less.
    pub dim: Style,
    /// Titles and keys.
    pub accent: Style,
    /// Headings of columns.
    pub heading: Style,
    /// The row or cell under the cursor.
    pub selected: Style,
    /// The same where the keyboard is elsewhere.
    pub selected_idle: Style,
    /// Good outcomes.
    pub good: Style,
    /// Bad outcomes.
    pub bad: Style,
    /// What needs attention.
    pub warn: Style,
    /// Frames.
    pub border: Style,
    /// Frame of what has the keyboard.
    pub border_focus: Style,
    /// Lines of charts, in order; each line also has its name beside it.
    pub series: [Color; 6],
    /// Characters of frames.
    pub frame: border::Set<'static>,
    /// True when only ASCII may be used for signs of our own.
    pub ascii: bool,
}

const ASCII_FRAME: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// Colours of a look with 24 bits.
struct Palette {
    background: Color,
    text: Color,
    dim: Color,
    accent: Color,
    selection: Color,
    selection_idle: Color,
    good: Color,
    bad: Color,
    warn: Color,
    border: Color,
    series: [Color; 6],
}

const fn rgb(value: u32) -> Color {
    Color::Rgb((value >> 16) as u8, (value >> 8) as u8, value as u8)
}

/// The series are those of Okabe and Ito, which people with colour blindness can tell apart.
const DARK: Palette = Palette {
    background: rgb(0x111418),
    text: rgb(0xd8dee9),
    dim: rgb(0x8a93a3),
    accent: rgb(0x7cc7ff),
    selection: rgb(0x2f4a6d),
    selection_idle: rgb(0x2a313c),
    good: rgb(0x6fcf97),
    bad: rgb(0xff8a80),
    warn: rgb(0xf2c14e),
    border: rgb(0x4c566a),
    series: [rgb(0x56b4e9), rgb(0xe69f00), rgb(0x009e73), rgb(0xcc79a7), rgb(0xf0e442), rgb(0xd55e00)],
};

const LIGHT: Palette = Palette {
    background: rgb(0xfafbfc),
    text: rgb(0x1f2933),
    dim: rgb(0x616e7c),
    accent: rgb(0x005fa3),
    selection: rgb(0xbcdcf5),
    selection_idle: rgb(0xe4e7eb),
    good: rgb(0x1b7a43),
    bad: rgb(0xb3261e),
    warn: rgb(0x8a5a00),
    border: rgb(0xb0b8c1),
    series: [rgb(0x0072b2), rgb(0xd55e00), rgb(0x00805c), rgb(0xa8508a), rgb(0x8f7a00), rgb(0x333333)],
};

impl Theme {
    /// The look for a choice, a terminal's colours, and whether its background is dark (when it said so).
    pub fn pick(choice: ThemeChoice, depth: Depth, dark: Option<bool>) -> Self {
        match (choice, depth) {
            (ThemeChoice::Mono, _) | (_, Depth::None) => Self::mono(choice == ThemeChoice::Ascii),
            (ThemeChoice::Ansi, _) | (ThemeChoice::Auto, Depth::Sixteen) => Self::ansi(false),
            (ThemeChoice::Ascii, _) => Self::ansi(true),
            (ThemeChoice::Dark, _) => Self::of(&DARK).on(&DARK, dark == Some(true)),
            (ThemeChoice::Light, _) => Self::of(&LIGHT).on(&LIGHT, dark == Some(false)),
            (ThemeChoice::Auto, Depth::True) => Self::of(if dark == Some(false) { &LIGHT } else { &DARK }),
        }
    }

    fn of(palette: &Palette) -> Self {
        let fg = |color| Style::new().fg(color);
        Self {
            base: fg(palette.text),
            text: fg(palette.text),
            dim: fg(palette.dim),
            accent: fg(palette.accent).add_modifier(Modifier::BOLD),
            heading: fg(palette.dim).add_modifier(Modifier::BOLD),
            selected: Style::new().bg(palette.selection).add_modifier(Modifier::BOLD),
            selected_idle: Style::new().bg(palette.selection_idle),
            good: fg(palette.good),
            bad: fg(palette.bad),
            warn: fg(palette.warn),
            border: fg(palette.border),
            border_focus: fg(palette.accent),
            series: palette.series,
            frame: border::ROUNDED,
            ascii: false,
        }
    }

    /// With the look's own background, unless the terminal's is known to fit.
    fn on(self, palette: &Palette, fits: bool) -> Self {
        if fits { self } else { Self { base: self.base.bg(palette.background), ..self } }
    }

    fn ansi(ascii: bool) -> Self {
        let fg = |color| Style::new().fg(color);
        Self {
            base: Style::new(),
            text: Style::new(),
            dim: Style::new().add_modifier(Modifier::DIM),
            accent: fg(Color::Cyan).add_modifier(Modifier::BOLD),
            heading: Style::new().add_modifier(Modifier::BOLD),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            selected_idle: Style::new().add_modifier(Modifier::UNDERLINED),
            good: fg(Color::Green),
            bad: fg(Color::Red),
            warn: fg(Color::Yellow),
            border: Style::new().add_modifier(Modifier::DIM),
            border_focus: fg(Color::Cyan),
            series: [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red],
            frame: if ascii { ASCII_FRAME } else { border::ROUNDED },
            ascii,
        }
    }

    fn mono(ascii: bool) -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let dim = Style::new().add_modifier(Modifier::DIM);
        Self {
            accent: bold,
            good: Style::new(),
            bad: bold,
            warn: bold,
            border_focus: bold,
            border: dim,
            series: [Color::Reset; 6],
            ..Self::ansi(ascii)
        }
    }

    /// One of two signs, by whether only ASCII may be used.
    pub fn sign(&self, usual: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { usual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_chosen_against_the_terminals_background_brings_its_own() {
        let under = |choice, dark| Theme::pick(choice, Depth::True, dark).base.bg;
        assert_eq!(under(ThemeChoice::Auto, Some(false)), None);
        assert_eq!(under(ThemeChoice::Light, Some(false)), None);
        assert_eq!(under(ThemeChoice::Light, Some(true)), Some(LIGHT.background));
        assert_eq!(under(ThemeChoice::Dark, None), Some(DARK.background));
        assert_eq!(under(ThemeChoice::Ansi, Some(true)), None);
    }
}
