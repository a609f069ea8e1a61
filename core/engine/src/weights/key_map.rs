//! A key map: which tensor of a file is which variable of the network.
//!
//! One rule a line, the network's name first: `conv1.weight = backbone.conv1.weight`. Names may stand in quotes, and `#` begins
//! a comment. `features.* = encoder.*` renames everything that begins with `encoder.`; `- = head.*` leaves tensors of the file
//! out. A JSON object `{network: file}` does too, with a list of the file's names under `-`. An exact rule goes before one with
//! a star, a longer star before a shorter. Names that no rule is for stay as they are.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{Result, WeightsError};

/// Largest key map: a rule for each of a million tensors.
const LARGEST: u64 = 1 << 26;
/// Stands for the network where a tensor of the file is left out.
const LEFT_OUT: &str = "-";
/// What a rule looks like.
const FORM: &str = "`network.name = file.name`";

/// Rules that rename tensors of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMap {
    file: PathBuf,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// The network's name, or [`LEFT_OUT`].
    network: String,
    /// The weights file's name.
    file: String,
    /// Both are beginnings.
    star: bool,
}

impl Rule {
    /// What follows the rule's beginning, if it is for this name of the file.
    fn rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self.star {
            true => name.strip_prefix(self.file.as_str()),
            false => (name == self.file).then_some(""),
        }
    }
}

impl KeyMap {
    /// Reads a key map.
    ///
    /// # Errors
    /// The file cannot be read, or a line is no rule.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(WeightsError::read(path))?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(WeightsError::read(path))?;
        let wrong = |why: &str| WeightsError::KeyMap { file: path.to_owned(), why: why.to_owned() };
        if bytes.len() as u64 > LARGEST {
            return Err(wrong("it is far larger than a key map; is it the weights file?"));
        }
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is no text; is it the weights file?"))?;
        KeyMap::parse(path, &text)
    }

    /// Reads a key map from text; `path` is for errors.
    ///
    /// # Errors
    /// A line is no rule, or two rules are for one name.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let wrong = |why: String| WeightsError::KeyMap { file: path.to_owned(), why };
        let rules = if text.trim_start().starts_with('{') { json_rules(text) } else { line_rules(text) };
        let mut rules = rules.map_err(wrong)?;
        if rules.is_empty() {
            return Err(wrong(format!("it has no rule; write {FORM}, one a line")));
        }
        let mut files = HashSet::new();
        let mut networks = HashSet::new();
        for rule in &rules {
            let star = if rule.star { "*" } else { "" };
            if !files.insert((&rule.file, rule.star)) {
                return Err(wrong(format!("two rules are for `{}{star}` of the weights file; keep one", rule.file)));
            }
            if rule.network != LEFT_OUT && !rule.star && !networks.insert(&rule.network) {
                return Err(wrong(format!("two rules are for `{}` of the network; keep one", rule.network)));
            }
        }
        // The first rule that fits is taken.
        rules.sort_by_key(|rule| (rule.star, std::cmp::Reverse(rule.file.len())));
        Ok(KeyMap { file: path.to_owned(), rules })
    }

    /// The network's name for a name of the file: the same if no rule is for it, none if it is left out.
    pub fn rename<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        for rule in &self.rules {
            if let Some(rest) = rule.rest(name) {
                return (rule.network != LEFT_OUT).then(|| format!("{}{rest}", rule.network).into());
            }
        }
        Some(name.into())
    }

    /// Whether a rule is for this name of the file.
    pub(super) fn is_for(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.rest(name).is_some())
    }

    /// That a rule is for one of the names of a weights file.
    ///
    /// # Errors
    /// None is: the sides may be swapped.
    pub(super) fn check_used<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<()> {
        let mut swapped = false;
        for name in names {
            if self.is_for(name) {
                return Ok(());
            }
            swapped |= self.rules.iter().any(|rule| match rule.star {
                true => !rule.network.is_empty() && name.starts_with(&rule.network),
                false => name == rule.network,
            });
        }
        let first = self.rules.first().map_or("", |rule| rule.file.as_str());
        let hint =
            if swapped { "the sides are swapped" } else { "see the file's names with `lightbox weights inspect`" };
        let why = format!(
            "no tensor of the weights file has the name on the right of a rule, such as `{first}`; {hint}; write {FORM}"
        );
        Err(WeightsError::KeyMap { file: self.file.clone(), why })
    }
}

fn line_rules(text: &str) -> std::result::Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let here = |why: String| format!("line {}: {why}", number + 1);
        let (network, file) = line.split_once('=').ok_or_else(|| here(format!("{line:?} has no `=`; write {FORM}")))?;
        rules.push(rule(unquoted(network), unquoted(file)).map_err(here)?);
    }
    Ok(rules)
}

fn json_rules(text: &str) -> std::result::Result<Vec<Rule>, String> {
    let json: Value = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
    let mut rules = Vec::new();
    for (network, file) in json.as_object().into_iter().flatten() {
        let files = match file {
            Value::Array(files) if network == LEFT_OUT => files.as_slice(),
            one => std::slice::from_ref(one),
        };
        for file in files {
            let file = file.as_str().ok_or_else(|| format!("{network:?} is {file}, which is no name of a tensor"))?;
            rules.push(rule(network, file)?);
        }
    }
    Ok(rules)
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

fn rule(network: &str, file: &str) -> std::result::Result<Rule, String> {
    for (name, side) in [(network, "left"), (file, "right")] {
        if name.is_empty() {
            return Err(format!("the name on the {side} is empty; write {FORM}"));
        }
    }
    if file == LEFT_OUT {
        return Err(format!(
            "`{LEFT_OUT}` stands on the left: `{LEFT_OUT} = {network}` leaves out `{network}` of the file"
        ));
    }
    let made = |network: &str, file: &str, star| Rule { network: network.to_owned(), file: file.to_owned(), star };
    match (network.strip_suffix('*'), file.strip_suffix('*')) {
        (Some(network), Some(file)) if !network.contains('*') && !file.contains('*') => Ok(made(network, file, true)),
        (None, Some(file)) if network == LEFT_OUT && !file.contains('*') => Ok(made(network, file, true)),
        (None, None) if !network.contains('*') && !file.contains('*') => Ok(made(network, file, false)),
        _ => Err(format!("`{network} = {file}`: a star stands at the end of both names, or of none")),
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
        let lines = "# network = file\nfc.weight = head.weight\n\"*\" = 'enc.*'\nlayer4.*=enc.deep.* # deeper\n- = aux.*\n- = best\n";
        let map = parse(lines).unwrap();
        assert_eq!(map.rename("head.weight").as_deref(), Some("fc.weight"));
        assert_eq!(map.rename("enc.conv1.weight").as_deref(), Some("conv1.weight"));
        assert_eq!(map.rename("enc.deep.0.weight").as_deref(), Some("layer4.0.weight"));
        assert_eq!(map.rename("aux.bias"), None);
        assert_eq!(map.rename("best"), None);
        assert_eq!(map.rename("bn1.bias").as_deref(), Some("bn1.bias"));
        let json =
            parse(r#"{"fc.weight": "head.weight", "layer4.*": "enc.deep.*", "*": "enc.*", "-": ["aux.*", "best"]}"#);
        assert_eq!(json.unwrap(), map);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, part) in [
            ("a = b\nlonely", "line 2: \"lonely\" has no `=`"),
            ("a b", "line 1"),
            ("a = ", "on the right is empty"),
            ("= a", "on the left is empty"),
            ("a.* = b", "star"),
            ("a = b*c", "star"),
            ("head.* = -", "`- = head.*` leaves out"),
            ("a = b\nc = b", "two rules are for `b` of the weights file"),
            ("a = b\na = c", "two rules are for `a` of the network"),
            ("# nothing", "no rule"),
            ("{\"a\": 3}", "\"a\" is 3"),
            ("{\"a\": [\"b\"]}", "\"a\" is"),
            ("{", "no JSON"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with("map.txt: ") && message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_map_for_another_file_is_refused() {
        let map = parse("features.* = encoder.*").unwrap();
        assert!(map.check_used(["head.weight", "encoder.0.weight"].into_iter()).is_ok());
        let swapped = map.check_used(["features.0.weight"].into_iter()).unwrap_err().to_string();
        assert!(swapped.contains("the sides are swapped") && swapped.contains("`encoder.`"), "{swapped}");
        let other = map.check_used(["stem.weight"].into_iter()).unwrap_err().to_string();
        assert!(other.contains("weights inspect"), "{other}");
    }
}
