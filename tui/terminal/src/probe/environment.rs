//! What the environment says about the terminal.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The variables that are looked at.
const NAMES: [&str; 19] = [
    "TERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "COLORTERM",
    "COLORFGBG",
    "NO_COLOR",
    "KITTY_WINDOW_ID",
    "TMUX",
    "STY",
    "WEZTERM_PANE",
    "WEZTERM_EXECUTABLE",
    "ITERM_SESSION_ID",
    "LC_TERMINAL",
    "KONSOLE_VERSION",
    "VTE_VERSION",
    "GHOSTTY_RESOURCES_DIR",
    "SSH_TTY",
    "SSH_CONNECTION",
    "SSH_CLIENT",
];

/// The longest that tmux may take to say what it runs in.
const TMUX_TIME: Duration = Duration::from_millis(300);
const TMUX_FORMAT: &str = "#{client_termname}\t#{client_termtype}\t#{client_termfeatures}\t#{allow-passthrough}";

/// What tmux says about the terminal that it runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TmuxClient {
    /// `TERM` outside tmux.
    pub term: String,
    /// Name and version of that terminal, as XTVERSION gives them; empty where tmux does not know.
    pub version: String,
    /// What tmux takes it to be able to do, for example `256,RGB,title`.
    pub features: String,
    /// tmux lets sequences through to it.
    pub passthrough: bool,
}

/// The environment, as far as it says something about the terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Inside tmux: what tmux says about the terminal around it.
    pub tmux_client: Option<TmuxClient>,
}

impl Environment {
    /// The environment of this process; inside tmux, tmux is asked too.
    pub fn from_process() -> Environment {
        let found = NAMES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        let mut environment = Environment { variables: found.collect(), tmux_client: None };
        if environment.in_tmux() {
            environment.tmux_client = ask_tmux();
        }
        environment
    }

    /// An environment of these variables.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Environment { variables, tmux_client: None }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `TERM`, or nothing.
    pub fn term(&self) -> &str {
        self.get("TERM").unwrap_or_default()
    }

    /// Inside tmux.
    pub fn in_tmux(&self) -> bool {
        self.get("TMUX").is_some() || self.get("TERM_PROGRAM") == Some("tmux")
    }

    /// tmux lets sequences through, or is not known not to.
    pub(super) fn passes_through(&self) -> bool {
        self.tmux_client.as_ref().is_none_or(|client| client.passthrough)
    }

    /// Inside GNU screen.
    pub fn in_screen(&self) -> bool {
        self.get("STY").is_some() && !self.in_tmux()
    }

    /// Over SSH.
    pub fn over_ssh(&self) -> bool {
        ["SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT"].iter().any(|name| self.get(name).is_some())
    }

    /// No colours are wanted (<https://no-color.org>).
    pub fn no_colour(&self) -> bool {
        self.get("NO_COLOR").is_some()
    }

    /// A terminal that knows no sequences, such as an editor's pane.
    pub(super) fn is_dumb(&self) -> bool {
        matches!(self.term(), "" | "dumb")
    }

    /// Consoles that print or misread what they do not know: they are asked nothing but DA1.
    pub(super) fn is_simple(&self) -> bool {
        self.is_dumb() || self.term() == "linux" || self.term().starts_with("vt")
    }
}

/// Asks tmux about the terminal around it; nothing where it does not answer in time.
fn ask_tmux() -> Option<TmuxClient> {
    let mut command = Command::new("tmux");
    command
        .args(["display-message", "-p", TMUX_FORMAT])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let end = Instant::now() + TMUX_TIME;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                // It may have ended just now; in any case it is not waited for longer than that.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let mut text = String::new();
    child.stdout.take()?.take(4096).read_to_string(&mut text).ok()?;
    status.success().then(|| client(&text)).flatten()
}

/// Parses tmux' answer to `TMUX_FORMAT`.
pub(super) fn client(text: &str) -> Option<TmuxClient> {
    let mut fields = text.trim_end_matches('\n').split('\t').map(str::to_owned);
    let mut next = || fields.next();
    let (term, version, features, passthrough) = (next()?, next()?, next()?, next()?);
    Some(TmuxClient { term, version, features, passthrough: matches!(passthrough.as_str(), "on" | "all" | "1" | "2") })
}
