//! What all screens know and may ask for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lightbox_scheduler::Client;
use lightbox_scheduler::protocol::{Action, Answer, JobState, JobView, Status};
use lightbox_store::Home;
use lightbox_store::index::RunRow;
use lightbox_terminal::probe::Graphics;

use super::catalogue::Catalogue;
use super::gauges::Gauge;
use super::message::Update;
use super::popup::Popup;
use super::tasks::{CommandRun, Purpose, Tasks};
use crate::screens::Goal;
use crate::theme::Theme;

/// How long a remark stays in the footer.
const REMARK: Duration = Duration::from_secs(8);

/// Something that is read beside the loop.
#[derive(Clone, Debug, Default)]
pub enum Loaded<T> {
    /// Nobody asked yet.
    #[default]
    No,
    /// On its way.
    Coming,
    /// Here.
    Here(T),
    /// It cannot be had: the sentence.
    Failed(String),
}

impl<T> Loaded<T> {
    /// What is here.
    pub fn get(&self) -> Option<&T> {
        if let Self::Here(value) = self { Some(value) } else { None }
    }

    /// What came of reading.
    pub fn of(result: Result<T, String>) -> Self {
        match result {
            Ok(value) => Self::Here(value),
            Err(sentence) => Self::Failed(sentence),
        }
    }
}

/// How the daemon is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// Not known yet.
    #[default]
    Unknown,
    /// Connected.
    Up,
    /// There is none.
    Down,
    /// There is one that cannot be used.
    Trouble(String),
}

/// The queue as the daemon last described it.
#[derive(Clone, Debug, Default)]
pub struct QueueState {
    /// Whether there is a daemon.
    pub link: LinkState,
    /// Jobs in the order in which they will run; settled ones last.
    pub jobs: Vec<JobView>,
    /// How the daemon is.
    pub status: Option<Status>,
    /// Grows with each change.
    pub generation: u64,
}

impl QueueState {
    /// How many jobs run.
    pub fn running(&self) -> usize {
        self.jobs.iter().filter(|j| matches!(j.state, JobState::Running | JobState::Stopping)).count()
    }

    /// How many jobs wait for something.
    pub fn waiting(&self) -> usize {
        self.jobs.iter().filter(|j| matches!(j.state, JobState::Queued | JobState::Waiting | JobState::Paused)).count()
    }
}

/// A remark in the footer.
#[derive(Clone, Debug)]
pub struct Remark {
    /// The sentence.
    pub text: String,
    /// Whether something went wrong.
    pub bad: bool,
    since: Instant,
}

/// What a screen asks of the program.
pub enum Wish {
    /// Show a screen, with something on it.
    Go(Goal),
    /// Open a popup.
    Open(Box<dyn Popup>),
    /// Put text into the terminal's clipboard.
    Copy(String),
    /// Leave the terminal to an editor for this file, then come back.
    Edit(PathBuf),
    /// Read the list of runs anew.
    Reload,
    /// Go on with another home.
    Home(Home),
    /// End the program.
    Quit,
}

/// What all screens know and may ask for.
pub struct Shared {
    /// The home.
    pub home: Home,
    /// This program, for commands and for starting a daemon.
    pub program: PathBuf,
    /// True under `--readonly`.
    pub readonly: bool,
    /// The home whose newcomer asked for the demo, in the demo's own home.
    pub demo_of: Option<Home>,
    /// Styles.
    pub theme: Theme,
    /// What the terminal can show.
    pub graphics: Graphics,
    /// All runs, by the index.
    pub runs: Arc<Vec<RunRow>>,
    /// Why the list of runs is not current, if it is not.
    pub runs_trouble: Option<String>,
    /// The queue.
    pub queue: QueueState,
    /// How busy the GPUs are; empty without NVIDIA's library.
    pub gauges: Vec<Gauge>,
    /// Plugins.
    pub catalogue: Loaded<Arc<Catalogue>>,
    /// The command that waits until the plugins are known; another key takes its place.
    pub waiting: Option<&'static str>,
    /// Work beside the loop.
    pub tasks: Tasks,
    /// What screens asked for, taken up after each message.
    pub wishes: Vec<Wish>,
    remark: Option<Remark>,
}

impl Shared {
    /// Everything that is known at the start.
    pub fn new(home: Home, program: PathBuf, readonly: bool, theme: Theme, graphics: Graphics, tasks: Tasks) -> Self {
        Self {
            home,
            program,
            readonly,
            demo_of: None,
            theme,
            graphics,
            runs: Arc::default(),
            runs_trouble: None,
            queue: QueueState::default(),
            gauges: Vec::new(),
            catalogue: Loaded::No,
            waiting: None,
            tasks,
            wishes: Vec::new(),
            remark: None,
        }
    }

    /// Tells the user something.
    pub fn say(&mut self, text: impl Into<String>) {
        self.remark = Some(Remark { text: text.into(), bad: false, since: Instant::now() });
    }

    /// Tells the user that something cannot be done or went wrong.
    pub fn say_bad(&mut self, text: impl Into<String>) {
        self.remark = Some(Remark { text: text.into(), bad: true, since: Instant::now() });
    }

    /// The remark of now.
    pub fn remark(&self) -> Option<&Remark> {
        self.remark.as_ref()
    }

    /// Takes an old remark away; returns when the present one is to go.
    pub fn age_remark(&mut self) -> Option<Duration> {
        let left = REMARK.checked_sub(self.remark.as_ref()?.since.elapsed());
        if left.is_none() {
            self.remark = None;
        }
        left
    }

    /// Takes the remark away.
    pub fn hush(&mut self) {
        self.remark = None;
    }

    /// Shows a screen with something on it.
    pub fn go(&mut self, goal: Goal) {
        self.wishes.push(Wish::Go(goal));
    }

    /// Opens a popup.
    pub fn open(&mut self, popup: impl Popup + 'static) {
        self.wishes.push(Wish::Open(Box::new(popup)));
    }

    /// Asks the daemon, which is started when there is none; the answer becomes a remark.
    pub fn ask_daemon(&self, action: Action, done: &'static str) {
        let (home, program) = (self.home.clone(), self.program.clone());
        self.tasks.spawn_long(move |tell| tell.update(Update::Asked(ask(&home, &program, &action, done))));
    }

    /// Runs a command of this program beside the loop.
    pub fn run_command(&mut self, arguments: Vec<String>, done: &str, purpose: Purpose) {
        let run = CommandRun {
            program: self.program.clone(),
            home: self.home.root().to_path_buf(),
            arguments,
            done: done.to_owned(),
            purpose,
        };
        self.say(format!("{} …", run.as_typed()));
        self.tasks.run_command(run);
    }

    /// The plugins for a command. While the worker is asked for them there are none, and the command is given again as
    /// soon as they are known.
    pub fn plugins_for(&mut self, command: &'static str) -> Option<Arc<Catalogue>> {
        self.need_catalogue();
        match &self.catalogue {
            Loaded::Here(catalogue) => Some(Arc::clone(catalogue)),
            Loaded::Failed(sentence) => {
                let sentence = format!("the plugins are not known: {sentence}");
                self.say_bad(sentence);
                None
            }
            Loaded::No | Loaded::Coming => {
                self.waiting = Some(command);
                self.say("asking the worker which plugins there are …");
                None
            }
        }
    }

    /// Asks for the plugins once.
    pub fn need_catalogue(&mut self) {
        if matches!(self.catalogue, Loaded::No) {
            self.catalogue = Loaded::Coming;
            let home = self.home.clone();
            self.tasks.spawn_long(move |tell| tell.update(Update::Catalogue(Catalogue::ask(&home).map(Arc::new))));
        }
    }
}

fn ask(home: &Home, program: &std::path::Path, action: &Action, done: &str) -> Result<String, String> {
    match Client::ask_once(home, program, action).map_err(|e| e.to_string())? {
        Answer::Done { jobs, remarks } => {
            let mut said = match jobs.len() {
                0 => String::new(),
                1 => format!("{done}: {}", jobs[0]),
                n => format!("{done}: {n} jobs"),
            };
            for remark in remarks {
                said.push_str(if said.is_empty() { "" } else { "; " });
                said.push_str(&remark);
            }
            Ok(said)
        }
        _ => Ok(done.to_owned()),
    }
}
