//! A TOML complaint as one sentence: file, line, field and the nearest valid name.

use std::path::Path;

use crate::error::StoreError;
use crate::names;

/// Turns a deserialisation error into a sentence with the line, the field and, for an unknown one, the nearest name.
pub fn describe(path: &Path, text: &str, error: &toml::de::Error) -> StoreError {
    let message = error.message().trim();
    let place = error.span().map(|span| {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let source = text.lines().nth(line - 1).unwrap_or_default();
        let key = source.split('=').next().unwrap_or_default().trim();
        (line, key.to_owned())
    });
    let mut sentence = match &place {
        Some((line, _)) => format!("line {line}: "),
        None => String::new(),
    };
    match unknown_name(message) {
        Some((name, known)) => {
            sentence += &format!("unknown key {name:?}");
            match names::nearest(name, known.iter().copied()) {
                Some(near) => sentence += &format!("; did you mean {near:?}?"),
                None => sentence += &format!("; known keys: {}", known.join(", ")),
            }
        }
        None => {
            if let Some((_, key)) = place.filter(|(_, key)| !key.is_empty() && !key.starts_with('[')) {
                sentence += &format!("{key}: ");
            }
            sentence += message;
        }
    }
    StoreError::content(path, sentence)
}

/// Picks the name and the known names out of serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_name(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let name = quoted.next()?;
    Some((name, quoted.collect()))
}
