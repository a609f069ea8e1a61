//! Counted remarks: nothing is left out or repaired in silence.

use serde::Serialize;

/// How many examples a remark keeps.
const EXAMPLES: usize = 3;

/// Something that was noticed, how often, and where first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What, in the plural.
    pub message: String,
    /// How often.
    pub count: usize,
    /// The first few places.
    pub examples: Vec<String>,
}

impl std::fmt::Display for Notice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.message, self.count)?;
        if !self.examples.is_empty() {
            let more = if self.count > self.examples.len() { ", ..." } else { "" };
            let examples: Vec<String> = self.examples.iter().map(|example| printable(example)).collect();
            write!(formatter, " ({}{more})", examples.join(", "))?;
        }
        Ok(())
    }
}

/// A file name may hold line breaks and terminal commands.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }).collect()
}

/// Remarks in the order in which they first arose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Notices(Vec<Notice>);

impl Notices {
    /// Counts one more place for `message`.
    pub fn count(&mut self, message: &str, example: &str) {
        let index = self.0.iter().position(|notice| notice.message == message).unwrap_or_else(|| {
            self.0.push(Notice { message: message.to_owned(), count: 0, examples: Vec::new() });
            self.0.len() - 1
        });
        let notice = &mut self.0[index];
        notice.count += 1;
        if notice.examples.len() < EXAMPLES {
            notice.examples.push(example.to_owned());
        }
    }

    /// Takes all of `others` in.
    pub fn extend(&mut self, others: &Notices) {
        self.0.extend(others.0.iter().cloned());
    }

    /// The remarks.
    pub fn as_slice(&self) -> &[Notice] {
        &self.0
    }
}
