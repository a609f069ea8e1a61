//! A key map: how names in a file become names of the network.
//!
//! One rule a line, the file's name first: `backbone.conv1.weight conv1.weight`. An `=` may stand between them, quotes around
//! them, and `#` begins a comment. `encoder.* features.*` renames everything that begins so; a `-` on the right leaves the
//! tensor out. A JSON object of such pairs does too. An exact rule goes before one with a star, a longer star before a shorter.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{Result, WeightsError};

/// Largest key map: a rule for each of a million tensors.
const LARGEST: u64 = 1 << 26;
/// Leaves a tensor out.
const LEFT_OUT: &str = "-";

/// Rules that rename tensors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMap {
    file: PathBuf,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    from: String,
    to: String,
    /// `from` and `to` are beginnings.
    star: bool,
}

impl KeyMap {
    /// Reads a key map.
    ///
    /// # Errors
    /// The file cannot be read, or a line is no rule.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(WeightsError::read(path))?;
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(WeightsError::read(path))?;
        KeyMap::parse(path, &text)
    }

    /// Reads a key map from text; `path` is for errors.
    ///
    /// # Errors
    /// A line is no rule.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let wrong = |why: String| WeightsError::KeyMap { file: path.to_owned(), why };
        let mut map = KeyMap { file: path.to_owned(), rules: Vec::new() };
        if text.trim_start().starts_with('{') {
            let json: Value = serde_json::from_str(text).map_err(|e| wrong(format!("it is no JSON: {e}")))?;
            for (from, to) in json.as_object().into_iter().flatten() {
                let to = to.as_str().ok_or_else(|| wrong(format!("{from:?} is renamed to {to}, which is no text")))?;
                map.rules.push(rule(from, to).map_err(wrong)?);
            }
        } else {
            for (number, line) in text.lines().enumerate() {
                let line = line.split('#').next().unwrap_or_default().trim();
                if line.is_empty() {
                    continue;
                }
                let here = |why: String| wrong(format!("line {}: {why}", number + 1));
                let (from, to) = line
                    .split_once('=')
                    .or_else(|| line.split_once(char::is_whitespace))
                    .ok_or_else(|| here(format!("{line:?} has one name; write the file's name, then the network's")))?;
                map.rules.push(rule(unquoted(from), unquoted(to)).map_err(here)?);
            }
        }
        if map.rules.is_empty() {
            return Err(wrong("it has no rule; write the file's name, then the network's, one pair a line".to_owned()));
        }
        // The first rule that fits is taken.
        map.rules.sort_by_key(|rule| (rule.star, std::cmp::Reverse(rule.from.len())));
        Ok(map)
    }

    /// The new name: the same if no rule fits, none if it is left out.
    pub fn rename<'a>(&self, name: &'a str) -> Option<std::borrow::Cow<'a, str>> {
        for rule in &self.rules {
            let rest = match rule.star {
                true => name.strip_prefix(rule.from.as_str()),
                false => (name == rule.from).then_some(""),
            };
            if let Some(rest) = rest {
                return (rule.to != LEFT_OUT).then(|| format!("{}{rest}", rule.to).into());
            }
        }
        Some(name.into())
    }

    /// That one of the names is renamed by a rule.
    ///
    /// # Errors
    /// None is: the sides may be swapped.
    pub(super) fn check_used<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> Result<()> {
        let fits = |name: &str| {
            self.rules.iter().any(|rule| if rule.star { name.starts_with(&rule.from) } else { name == rule.from })
        };
        if names.any(fits) {
            return Ok(());
        }
        Err(WeightsError::KeyMap {
            file: self.file.clone(),
            why: format!(
                "no rule fits a name of the weights file, the first is for {:?}; the file's name stands on the left",
                self.rules.first().map_or("", |rule| rule.from.as_str())
            ),
        })
    }
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

fn rule(from: &str, to: &str) -> std::result::Result<Rule, String> {
    if from.is_empty() {
        return Err("the name on the left is empty".to_owned());
    }
    let (star_from, star_to) = (from.strip_suffix('*'), to.strip_suffix('*'));
    match (star_from, star_to) {
        (Some(from), Some(to)) => Ok(Rule { from: from.into(), to: to.into(), star: true }),
        (Some(from), None) if to == LEFT_OUT => Ok(Rule { from: from.into(), to: to.into(), star: true }),
        (None, None) if !to.is_empty() && !from.contains('*') && !to.contains('*') => {
            Ok(Rule { from: from.into(), to: to.into(), star: false })
        }
        _ => Err(format!("{from:?} to {to:?}: a star stands at the end of both names, or of none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<KeyMap> {
        KeyMap::parse(Path::new("map.txt"), text)
    }

    #[test]
    fn rules_rename_leave_out_and_keep() {
        let map = parse("# old new\nhead.weight fc.weight\n\"enc.*\" = \"*\"\nenc.deep.* layer4.*\naux.* -\n").unwrap();
        assert_eq!(map.rename("head.weight").as_deref(), Some("fc.weight"));
        assert_eq!(map.rename("enc.conv1.weight").as_deref(), Some("conv1.weight"));
        assert_eq!(map.rename("enc.deep.0.weight").as_deref(), Some("layer4.0.weight"));
        assert_eq!(map.rename("aux.bias"), None);
        assert_eq!(map.rename("bn1.bias").as_deref(), Some("bn1.bias"));
        let json = parse(r#"{"a": "b", "c.*": "d.*"}"#).unwrap();
        assert_eq!(json.rename("c.x").as_deref(), Some("d.x"));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, part) in [
            ("a b\nlonely", "line 2"),
            ("a.* b", "star"),
            ("# nothing", "no rule"),
            ("{\"a\": 3}", "no text"),
            ("{", "no JSON"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with("map.txt: ") && message.contains(part), "{message}");
        }
    }
}
