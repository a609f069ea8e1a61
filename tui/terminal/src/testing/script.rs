//! What the terminal answers.

/// Which terminal is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// kitty: its graphics, directly.
    Kitty,
    /// A newer kitty around tmux, which passes sequences through.
    KittyInTmux,
    /// xterm with sixel graphics.
    Sixel,
    /// iTerm2.
    Iterm2,
    /// A terminal without graphics.
    Plain,
    /// A terminal that answers nothing.
    Silent,
    /// A terminal whose answers are garbage.
    Garbage,
}

impl Script {
    /// The answer to one whole sequence.
    pub(super) fn reply(self, question: &[u8], size: (u16, u16), cell: (u16, u16)) -> Vec<u8> {
        let text = match (self, question) {
            (Script::Silent, _) => String::new(),
            (Script::Garbage, b"\x1b[c") => {
                return b"\x1b[?\x1b]11;rgb:zz/\x07\x1bP>|\xff\xfe\x1b\\\x1b[?;;c\x1b[99999999999t".to_vec();
            }
            (_, b"\x1b[c") => self.attributes().into(),
            (_, b"\x1b[>0q") => self.version().map_or_else(String::new, |name| format!("\x1bP>|{name}\x1b\\")),
            (Script::KittyInTmux, b"\x1b[16t" | b"\x1b[14t") => String::new(),
            (_, b"\x1b[16t") => format!("\x1b[6;{};{}t", cell.1, cell.0),
            (_, b"\x1b[14t") => {
                format!("\x1b[4;{};{}t", u32::from(cell.1) * u32::from(size.1), u32::from(cell.0) * u32::from(size.0))
            }
            (_, b"\x1b]11;?\x1b\\") => "\x1b]11;rgb:1010/1212/1616\x1b\\".into(),
            (Script::Sixel, b"\x1b[?1;1;0S") => "\x1b[?1;0;1024S".into(),
            _ => String::new(),
        };
        text.into_bytes()
    }

    /// The answer of the terminal around tmux.
    pub(super) fn outer_reply(self, question: &[u8]) -> Vec<u8> {
        match question {
            b"\x1b[>0q" => b"\x1bP>|kitty(0.41.1)\x1b\\".to_vec(),
            b"\x1b[5n" => b"\x1b[0n".to_vec(),
            _ => Vec::new(),
        }
    }

    fn attributes(self) -> &'static str {
        match self {
            Script::Sixel => "\x1b[?63;1;2;4;6;9;15;22c",
            Script::KittyInTmux => "\x1b[?1;2;4c",
            _ => "\x1b[?62;22c",
        }
    }

    fn version(self) -> Option<&'static str> {
        match self {
            Script::Kitty => Some("kitty(0.26.5)"),
            Script::KittyInTmux => Some("tmux 3.5a"),
            Script::Sixel => Some("XTerm(379)"),
            Script::Iterm2 => Some("iTerm2 3.5.0"),
            Script::Plain | Script::Silent | Script::Garbage => None,
        }
    }
}
