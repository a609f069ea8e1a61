//! Names of runs and of the groups that hold the folds of one experiment.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

/// The name of a run and of its folder: UTC time, what it does and four random letters, so that names sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

/// The name of a group of runs that belong together (the folds and seeds of one model on one dataset).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub String);

impl RunId {
    /// A new name; `what` is the model or method, `part` the fold or empty.
    pub fn new(what: &str, part: &str) -> Self {
        let part = if part.is_empty() { String::new() } else { format!("-{part}") };
        Self(format!("{}-{}{part}-{}", stamp(), tidy(what), letters()))
    }
}

impl GroupId {
    /// A new group name; `what` is the model or method.
    pub fn new(what: &str) -> Self {
        Self(format!("g-{}-{}-{}", stamp(), tidy(what), letters()))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn stamp() -> String {
    let format = format_description!("[year][month][day]-[hour][minute][second]");
    OffsetDateTime::now_utc().format(format).unwrap_or_else(|_| "00000000-000000".into())
}

/// Four letters from the hasher keys that the standard library draws for each thread.
fn letters() -> String {
    let mut number = RandomState::new().hash_one(std::process::id());
    let mut next = || {
        let letter = b'a' + (number % 26) as u8;
        number /= 26;
        char::from(letter)
    };
    (0..4).map(|_| next()).collect()
}

fn tidy(what: &str) -> String {
    let tidy: String = what.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    tidy.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_folder_names_and_differ() {
        let (a, b) = (RunId::new("org/évil model", "f0"), RunId::new("org/évil model", "f0"));
        crate::names::check("run", &a.0).unwrap();
        assert_ne!(a, b);
    }
}
