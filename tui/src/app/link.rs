//! The connection to the daemon: one thread that listens for as long as the program runs, and comes back when a daemon
//! ended or began.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use lightbox_scheduler::protocol::{Action, Answer, JobState, JobView, News};
use lightbox_scheduler::{Client, SchedulerError};
use lightbox_store::{Home, RunId};

use super::message::{Link, Message};

/// How often a daemon is looked for while there is none.
const LOOK: Duration = Duration::from_millis(1000);

/// How often the daemon is asked how far its running jobs are.
const PROGRESS: Duration = Duration::from_secs(1);

/// How long the queue must be quiet before it is listed again, so that a burst of changes is one list.
const SETTLE: Duration = Duration::from_millis(150);

/// Starts the thread; it ends with the loop.
pub fn start(home: Home, messages: Sender<Message>) {
    std::thread::spawn(move || {
        // Why there is no daemon, as it was told last; none while there is one.
        let mut said = None;
        loop {
            let state = match listen(&home, &messages, &mut said) {
                Ok(()) => return,
                Err(Ended::NoDaemon) => None,
                Err(Ended::Trouble(sentence)) => Some(sentence),
            };
            // The same trouble is told once.
            if said.as_ref() != Some(&state) {
                let link = state.clone().map_or(Link::Down, Link::Trouble);
                if messages.send(Message::Link(link)).is_err() {
                    return;
                }
                said = Some(state);
            }
            std::thread::sleep(LOOK);
            if messages_are_closed(&messages) {
                return;
            }
        }
    });
}

/// Why listening ended.
enum Ended {
    NoDaemon,
    Trouble(String),
}

impl From<SchedulerError> for Ended {
    fn from(error: SchedulerError) -> Self {
        match error {
            SchedulerError::Gone => Self::NoDaemon,
            other => Self::Trouble(other.to_string()),
        }
    }
}

/// Listens until the daemon is gone; ends well when the loop is. What was said of its absence is to be said again once it
/// was there.
fn listen(home: &Home, messages: &Sender<Message>, said: &mut Option<Option<String>>) -> Result<(), Ended> {
    let mut client = Client::connect(home)?.ok_or(Ended::NoDaemon)?;
    client.ask(Action::Subscribe)?;
    let mut known = Known::default();
    if !known.tell_all(&mut client, messages)? {
        return Ok(());
    }
    *said = None;
    let mut asked = Instant::now();
    loop {
        let patience = if known.stale { SETTLE } else { PROGRESS };
        let link = match client.news(patience)? {
            Some(News::Job(job)) => {
                known.see(&job);
                Some(Link::Job(job))
            }
            Some(News::Gone { run }) => {
                known.states.remove(&run);
                Some(Link::Gone(run))
            }
            Some(News::Event { run, event }) => Some(Link::Event(run, event)),
            Some(News::Queue { paused }) => Some(Link::Paused(paused)),
            Some(News::Missed) => {
                known.stale = true;
                None
            }
            Some(_) => None,
            None if known.stale => {
                if !known.tell_all(&mut client, messages)? {
                    return Ok(());
                }
                None
            }
            None => None,
        };
        if link.is_some_and(|link| messages.send(Message::Link(link)).is_err()) {
            return Ok(());
        }
        if asked.elapsed() >= PROGRESS && known.is_running() {
            asked = Instant::now();
            if !known.tell_progress(&mut client, messages)? {
                return Ok(());
            }
        }
    }
}

/// What was last heard of each job.
#[derive(Default)]
struct Known {
    states: HashMap<RunId, JobState>,
    /// The order of the list may be another by now.
    stale: bool,
}

impl Known {
    fn see(&mut self, job: &JobView) {
        let before = self.states.insert(job.run.clone(), job.state);
        self.stale |= before != Some(job.state);
    }

    fn is_running(&self) -> bool {
        self.states.values().any(|s| *s == JobState::Running)
    }

    /// Tells the whole state; false when the loop has ended.
    fn tell_all(&mut self, client: &mut Client, messages: &Sender<Message>) -> Result<bool, Ended> {
        let Answer::Jobs { jobs } = client.ask(Action::List { only: Vec::new() })? else { return Ok(true) };
        let Answer::Status(status) = client.ask(Action::Status)? else { return Ok(true) };
        self.states = jobs.iter().map(|job| (job.run.clone(), job.state)).collect();
        self.stale = false;
        Ok(messages.send(Message::Link(Link::Up(jobs, status))).is_ok())
    }

    /// Tells how far the running jobs are; false when the loop has ended.
    fn tell_progress(&mut self, client: &mut Client, messages: &Sender<Message>) -> Result<bool, Ended> {
        let running = self.states.iter().filter(|(_, state)| **state == JobState::Running);
        let only = running.map(|(run, _)| run.0.clone()).collect();
        let Answer::Jobs { jobs } = client.ask(Action::List { only })? else { return Ok(true) };
        for job in jobs {
            self.see(&job);
            if messages.send(Message::Link(Link::Job(Box::new(job)))).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn messages_are_closed(messages: &Sender<Message>) -> bool {
    // A message without effect: the loop draws only when something changed.
    messages.send(Message::Update(super::message::Update::Nothing)).is_err()
}
