//! The answers of a terminal, parsed from whole sequences.

/// An answer of the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// DA1, which every terminal gives: what it can do.
    DeviceAttributes {
        /// It draws sixel pictures (attribute 4).
        sixel: bool,
        /// All attributes, the class of the terminal first.
        attributes: Vec<u16>,
    },
    /// An answer by the kitty graphics protocol.
    Kitty {
        /// The picture that it is about.
        id: u32,
        /// The text is `OK`.
        ok: bool,
        /// The text.
        text: String,
    },
    /// The terminal's name and version (XTVERSION).
    Version(String),
    /// The size of one character cell in pixels.
    CellSize {
        /// Width.
        w: u16,
        /// Height.
        h: u16,
    },
    /// The size of the text area in pixels.
    WindowPixels {
        /// Width.
        w: u32,
        /// Height.
        h: u32,
    },
    /// The background colour (OSC 11): red, green, blue.
    Background(u8, u8, u8),
    /// How many colours a sixel picture may have.
    SixelColours(u32),
    /// The terminal is well (DSR), which is asked as the last of some questions.
    Ready,
    /// Something that is no key and means nothing here.
    Unknown,
}

/// Parses a whole sequence as a reply; `None` where it is a key or another event.
pub fn parse(sequence: &[u8]) -> Option<Reply> {
    match sequence {
        [0x1b, b'[', body @ ..] => control(body),
        [0x1b, b'P', body @ ..] => Some(device(content(body))),
        [0x1b, b'_', body @ ..] => Some(application(content(body))),
        [0x1b, b']', body @ ..] => Some(operating_system(content(body))),
        _ => None,
    }
}

/// A control string without its terminator.
fn content(body: &[u8]) -> &[u8] {
    body.strip_suffix(b"\x1b\\").or_else(|| body.strip_suffix(b"\x07")).unwrap_or(body)
}

fn control(body: &[u8]) -> Option<Reply> {
    let (last, parameters) = body.split_last()?;
    let private = parameters.first().is_some_and(|byte| matches!(byte, b'?' | b'>' | b'='));
    let numbers = || numbers(if private { &parameters[1..] } else { parameters });
    match (parameters.first(), *last) {
        (Some(b'?'), b'c') => {
            let attributes: Vec<u16> = numbers().iter().map(|n| u16::try_from(*n).unwrap_or(u16::MAX)).collect();
            Some(Reply::DeviceAttributes { sixel: attributes.iter().skip(1).any(|n| *n == 4), attributes })
        }
        (Some(b'?'), b'S') => match numbers()[..] {
            [1, 0, colours, ..] => Some(Reply::SixelColours(colours)),
            _ => Some(Reply::Unknown),
        },
        _ if private => Some(Reply::Unknown),
        (Some(b'0'..=b'9'), b't') => Some(window(&numbers())),
        // Cursor positions look like F3 with a modifier; nobody here asks for them, so only that key remains.
        (Some(b'0'..=b'9'), b'R') => match numbers()[..] {
            [1, 2..=16] => None,
            _ => Some(Reply::Unknown),
        },
        (Some(b'0'), b'n') => Some(Reply::Ready),
        (_, b'c' | b'n' | b't' | b'x' | b'y') => Some(Reply::Unknown),
        _ => None,
    }
}

fn window(numbers: &[u32]) -> Reply {
    match numbers {
        [6, h, w] => match (u16::try_from(*w), u16::try_from(*h)) {
            (Ok(w), Ok(h)) => Reply::CellSize { w, h },
            _ => Reply::Unknown,
        },
        [4, h, w] => Reply::WindowPixels { w: *w, h: *h },
        _ => Reply::Unknown,
    }
}

/// `1;2;3`, with 0 for what is left out and for what is no number.
pub(super) fn numbers(text: &[u8]) -> Vec<u32> {
    text.split(|byte| *byte == b';')
        .map(|part| std::str::from_utf8(part).ok().and_then(|part| part.parse().ok()).unwrap_or(0))
        .collect()
}

fn device(body: &[u8]) -> Reply {
    match body.strip_prefix(b">|") {
        Some(text) => Reply::Version(printable(text)),
        None => Reply::Unknown,
    }
}

fn application(body: &[u8]) -> Reply {
    let Some(body) = body.strip_prefix(b"G") else { return Reply::Unknown };
    let at = body.iter().position(|byte| *byte == b';').unwrap_or(body.len());
    let (keys, text) = (&body[..at], body.get(at + 1..).unwrap_or_default());
    let id = keys.split(|byte| *byte == b',').find_map(|key| key.strip_prefix(b"i="));
    match id.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok()) {
        Some(id) => Reply::Kitty { id, ok: text == b"OK", text: printable(text) },
        None => Reply::Unknown,
    }
}

fn operating_system(body: &[u8]) -> Reply {
    let colour = body.strip_prefix(b"11;").and_then(|colour| std::str::from_utf8(colour).ok()).and_then(colour);
    colour.map_or(Reply::Unknown, |(r, g, b)| Reply::Background(r, g, b))
}

/// `rgb:RRRR/GGGG/BBBB`, with 1 to 4 digits for each, or `#RRGGBB`.
fn colour(text: &str) -> Option<(u8, u8, u8)> {
    let parts: Vec<&str> = match text.strip_prefix('#') {
        Some(digits) if digits.len() == 6 && digits.is_ascii() => vec![&digits[..2], &digits[2..4], &digits[4..]],
        Some(_) => return None,
        None => text.strip_prefix("rgb:").or_else(|| text.strip_prefix("rgba:"))?.split('/').collect(),
    };
    let [r, g, b] = *parts.get(..3)? else { return None };
    Some((channel(r)?, channel(g)?, channel(b)?))
}

fn channel(digits: &str) -> Option<u8> {
    if !(1..=4).contains(&digits.len()) {
        return None;
    }
    let value = u32::from_str_radix(digits, 16).ok()?;
    let most = (1_u32 << (4 * digits.len())) - 1;
    u8::try_from((value * 255 + most / 2) / most).ok()
}

/// Text without control characters, of a bounded length.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(200).collect()
}
