//! Keys by name, and the tables that say what each key does. One table drives what is done, the footer, the help page and
//! the command palette, so that none of them can say what another does not.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::shared::Shared;

/// What a key does on a screen.
pub struct Binding<T: 'static> {
    /// Names of its keys; the first is shown.
    pub keys: &'static [&'static str],
    /// A word or two, for the footer and the palette.
    pub name: &'static str,
    /// A sentence, for the help page.
    pub help: &'static str,
    /// Whether it stands in the footer.
    pub footer: bool,
    /// Whether it changes anything outside the screen, which `--readonly` forbids.
    pub writes: bool,
    /// Why it cannot be done now, if it cannot.
    pub when: fn(&T, &Shared) -> Result<(), String>,
    /// Does it.
    pub run: fn(&mut T, &mut Shared),
}

/// A binding as the footer, the help page and the palette see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names of its keys.
    pub keys: &'static [&'static str],
    /// Its name.
    pub name: &'static str,
    /// Its sentence.
    pub help: &'static str,
    /// Whether it stands in the footer.
    pub footer: bool,
    /// Why it cannot be done now.
    pub disabled: Option<String>,
}

/// Always possible.
pub fn always<T>(_: &T, _: &Shared) -> Result<(), String> {
    Ok(())
}

impl<T> Binding<T> {
    /// A binding without conditions, which is in the help and not in the footer.
    pub const fn new(
        keys: &'static [&'static str],
        name: &'static str,
        help: &'static str,
        run: fn(&mut T, &mut Shared),
    ) -> Self {
        Self { keys, name, help, footer: false, writes: false, when: always::<T>, run }
    }

    /// The same, in the footer.
    pub const fn footer(mut self) -> Self {
        self.footer = true;
        self
    }

    /// The same, forbidden under `--readonly`.
    pub const fn writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// The same, with a condition.
    pub const fn when(mut self, when: fn(&T, &Shared) -> Result<(), String>) -> Self {
        self.when = when;
        self
    }

    fn refusal(&self, target: &T, shared: &Shared) -> Option<String> {
        if self.writes && shared.readonly {
            return Some("started with --readonly".to_owned());
        }
        (self.when)(target, shared).err()
    }

    /// What others see of it.
    pub fn entry(&self, target: &T, shared: &Shared) -> Entry {
        let Self { keys, name, help, footer, .. } = *self;
        Entry { keys, name, help, footer, disabled: self.refusal(target, shared) }
    }

    /// Does it, or says why not.
    fn attempt(&self, target: &mut T, shared: &mut Shared) {
        match self.refusal(target, shared) {
            Some(reason) => shared.say_bad(format!("{}: {reason}", self.name)),
            None => (self.run)(target, shared),
        }
    }
}

/// Does what a key stands for; false when it stands for nothing here.
pub fn press<T>(bindings: &[Binding<T>], target: &mut T, key: &KeyEvent, shared: &mut Shared) -> bool {
    let name = name_of(key);
    let Some(binding) = bindings.iter().find(|b| b.keys.contains(&name.as_str())) else { return false };
    binding.attempt(target, shared);
    true
}

/// Does what a name of the palette stands for; false when nothing is called so here.
pub fn invoke<T>(bindings: &[Binding<T>], target: &mut T, name: &str, shared: &mut Shared) -> bool {
    let Some(binding) = bindings.iter().find(|b| b.name == name) else { return false };
    binding.attempt(target, shared);
    true
}

/// The name of a key: `a`, `A`, `ctrl-d`, `enter`, `backtab`, `f1`.
pub fn name_of(key: &KeyEvent) -> String {
    let plain = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => c.to_ascii_lowercase().to_string(),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::F(n) => format!("f{n}"),
        KeyCode::BackTab => "backtab".to_owned(),
        KeyCode::PageUp => "pageup".to_owned(),
        KeyCode::PageDown => "pagedown".to_owned(),
        other => format!("{other:?}").to_ascii_lowercase(),
    };
    let mut name = String::new();
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        name.push_str("ctrl-");
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        name.push_str("alt-");
    }
    name + &plain
}

/// How a key is written on screen.
pub fn shown(key: &str, ascii: bool) -> String {
    match key {
        "enter" => "Enter".to_owned(),
        "esc" => "Esc".to_owned(),
        "space" => "Space".to_owned(),
        "tab" => "Tab".to_owned(),
        "backtab" => "Shift-Tab".to_owned(),
        "pageup" => "PgUp".to_owned(),
        "pagedown" => "PgDn".to_owned(),
        "up" | "down" | "left" | "right" if ascii => key.to_owned(),
        "up" => "↑".to_owned(),
        "down" => "↓".to_owned(),
        "left" => "←".to_owned(),
        "right" => "→".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_name_each() {
        let key = |code, modifiers| name_of(&KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('J'), KeyModifiers::SHIFT), "J");
        assert_eq!(key(KeyCode::Char('D'), KeyModifiers::CONTROL), "ctrl-d");
        assert_eq!(key(KeyCode::Enter, KeyModifiers::NONE), "enter");
        assert_eq!(key(KeyCode::Char('x'), KeyModifiers::ALT), "alt-x");
        assert_eq!(key(KeyCode::F(1), KeyModifiers::NONE), "f1");
        assert_eq!(key(KeyCode::PageDown, KeyModifiers::NONE), "pagedown");
    }
}
