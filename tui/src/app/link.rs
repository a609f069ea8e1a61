//! The connection to the daemon: one thread that listens for as long as the program runs, and comes back when a daemon
//! ended or began.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use lightbox_scheduler::protocol::{Action, Answer, News};
use lightbox_scheduler::{Client, SchedulerError};
use lightbox_store::Home;

use super::message::{Link, Message};

/// How often a daemon is looked for while there is none.
const LOOK: Duration = Duration::from_millis(1000);

/// How often the daemon is asked how it is.
const STATUS: Duration = Duration::from_secs(5);

/// Starts the thread; it ends with the loop.
pub fn start(home: Home, messages: Sender<Message>) {
    std::thread::spawn(move || {
        let mut said = None;
        loop {
            let state = match listen(&home, &messages) {
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

/// Listens until the daemon is gone; ends well when the loop is.
fn listen(home: &Home, messages: &Sender<Message>) -> Result<(), Ended> {
    let mut client = Client::connect(home)?.ok_or(Ended::NoDaemon)?;
    client.ask(Action::Subscribe)?;
    if !tell_all(&mut client, messages)? {
        return Ok(());
    }
    let mut asked = Instant::now();
    loop {
        let link = match client.news(STATUS)? {
            Some(News::Job(job)) => Some(Link::Job(job)),
            Some(News::Gone { run }) => Some(Link::Gone(run)),
            Some(News::Event { run, event }) => Some(Link::Event(run, event)),
            Some(News::Queue { paused }) => Some(Link::Paused(paused)),
            Some(News::Missed) => {
                if !tell_all(&mut client, messages)? {
                    return Ok(());
                }
                None
            }
            Some(_) | None => None,
        };
        if link.is_some_and(|link| messages.send(Message::Link(link)).is_err()) {
            return Ok(());
        }
        if asked.elapsed() >= STATUS {
            asked = Instant::now();
            if let Answer::Status(status) = client.ask(Action::Status)?
                && messages.send(Message::Link(Link::Status(status))).is_err()
            {
                return Ok(());
            }
        }
    }
}

/// Tells the whole state; false when the loop has ended.
fn tell_all(client: &mut Client, messages: &Sender<Message>) -> Result<bool, Ended> {
    let jobs = match client.ask(Action::List { only: Vec::new() })? {
        Answer::Jobs { jobs } => jobs,
        _ => Vec::new(),
    };
    let Answer::Status(status) = client.ask(Action::Status)? else { return Ok(true) };
    Ok(messages.send(Message::Link(Link::Up(jobs, status))).is_ok())
}

fn messages_are_closed(messages: &Sender<Message>) -> bool {
    // A message without effect: the loop draws only when something changed.
    messages.send(Message::Update(super::message::Update::Nothing)).is_err()
}
