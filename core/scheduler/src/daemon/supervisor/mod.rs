//! The daemon's mind: one thread that owns the queue, so that every action is applied once and in one order.

mod actions;
mod ends;
mod indexed;
mod launch;
mod place;
mod view;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use lightbox_store::run::{Owner, RunId};
use lightbox_store::{Home, Index, RunStatus};

use super::executor::{Executor, Notice};
use super::follow::Follow;
use super::job::{Job, Phase, Running};
use super::order::Line;
use super::slots::Slots;
use crate::Result;
use crate::protocol::{Message, News};
use crate::settings::Settings;

/// Settled jobs that are kept in the list; older ones are in `lightbox runs list`.
const SETTLED_KEPT: usize = 500;

/// The file that says that the whole queue is paused.
const PAUSED: &str = "queue.paused";

/// The number of a connection.
pub type Connection = u64;

/// One who receives news.
#[derive(Debug)]
struct Subscriber {
    to: SyncSender<Message>,
    /// It did not keep up, and was not told yet.
    missed: bool,
}

/// The queue and all that belongs to it.
pub struct Supervisor {
    home: Home,
    settings: Settings,
    executor: Box<dyn Executor>,
    slots: Slots,
    jobs: HashMap<RunId, Job>,
    line: Line,
    running: BTreeSet<RunId>,
    settled: VecDeque<RunId>,
    /// The store's index; none while it cannot be used, which only makes other commands slower.
    index: Option<Index>,
    /// Runs whose row in the index is to be read anew.
    touched: BTreeSet<RunId>,
    subscribers: HashMap<Connection, Subscriber>,
    paused: bool,
    /// Something happened since jobs were last chosen.
    dirty: bool,
    /// When the next job that was told to wait a while may start.
    next_due: Option<Instant>,
    remarks: Vec<String>,
    born: Instant,
}

impl Supervisor {
    /// Takes up the queue of a home as its run directories tell it, with the jobs that still run.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub fn new(home: Home, settings: Settings, executor: Box<dyn Executor>, slots: Slots) -> Result<Self> {
        let paused = home.root().join(PAUSED).exists();
        let mut supervisor = Self {
            home,
            settings,
            executor,
            slots,
            jobs: HashMap::new(),
            line: Line::default(),
            running: BTreeSet::new(),
            settled: VecDeque::new(),
            index: None,
            touched: BTreeSet::new(),
            subscribers: HashMap::new(),
            paused,
            dirty: true,
            next_due: None,
            remarks: Vec::new(),
            born: Instant::now(),
        };
        supervisor.remarks.extend(supervisor.slots.remarks().iter().cloned());
        supervisor.take_up()?;
        Ok(supervisor)
    }

    /// Reads all runs that were queued and are not settled, and finds those that still run.
    fn take_up(&mut self) -> Result<()> {
        for dir in self.open_index()? {
            if !matches!(dir.queue_entry(), Ok(Some(_))) {
                continue;
            }
            let settled =
                matches!(dir.status(), Ok(RunStatus::Finished | RunStatus::Failed { .. } | RunStatus::Cancelled));
            // A settled run that is still placed ended while no daemon watched.
            match Job::read(dir) {
                Ok(job) if settled && job.entry.placement.is_none() => {}
                Ok(mut job) => {
                    job.phase = Phase::Waiting;
                    self.take_up_job(job);
                }
                Err(error) => self.complain(error),
            }
        }
        Ok(())
    }

    fn take_up_job(&mut self, mut job: Job) {
        job.dir.sweep(Owner::Daemon);
        if self.executor.take_up(&job.run, &job.dir, job.entry.placement.as_ref()) {
            self.occupy(&job);
            match job.dir.config() {
                Ok(config) => {
                    let follow = Follow::new(&job.dir, &config);
                    job.phase = Phase::Running(Box::new(Running { follow, since: Instant::now(), stop: None }));
                    self.running.insert(job.run.clone());
                }
                Err(error) => self.complain(error),
            }
        }
        self.insert(job);
        self.dirty = true;
    }

    /// Puts a job in its place.
    fn insert(&mut self, job: Job) {
        if !job.settled() {
            self.line.put(&job.run, job.entry.priority, job.entry.order);
        }
        self.jobs.insert(job.run.clone(), job);
    }

    /// Does what is due: takes in what workers wrote and how they ended, uses force where asking did not help, and
    /// starts jobs.
    pub fn tick(&mut self) {
        for notice in self.executor.notices() {
            match notice {
                Notice::Placed(run, placement) => self.placed(&run, placement),
                Notice::Ended(run, ended) => self.ended(&run, &ended),
                Notice::Back(run) => self.never_started(&run),
                Notice::Remark(text) => self.complain(text),
            }
        }
        self.follow();
        self.use_force();
        self.start_jobs();
        self.update_index();
    }

    /// How long nothing need be done unless a client asks.
    pub fn patience(&self) -> Duration {
        let until = self.next_due.map(|at| at.saturating_duration_since(Instant::now()));
        let longest = if self.running.is_empty() { Duration::from_secs(5) } else { self.executor.poll_every() };
        until.map_or(longest, |until| longest.min(until.max(Duration::from_millis(10))))
    }

    /// Whether there is nothing to do and nobody listening.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.subscribers.is_empty() && !self.jobs.values().any(Job::wants_to_run)
    }

    /// Begins to send news to a connection.
    pub fn subscribe(&mut self, connection: Connection, to: SyncSender<Message>) {
        self.subscribers.insert(connection, Subscriber { to, missed: false });
    }

    /// Forgets a connection.
    pub fn disconnected(&mut self, connection: Connection) {
        self.subscribers.remove(&connection);
    }

    /// Reads the events of running jobs and passes them on.
    fn follow(&mut self) {
        let mut news = Vec::new();
        for run in &self.running {
            let Some(job) = self.jobs.get_mut(run) else { continue };
            let Phase::Running(running) = &mut job.phase else { continue };
            for event in running.follow.look() {
                job.attempt = job.attempt.max(event.attempt);
                news.push(News::Event { run: run.clone(), event });
            }
        }
        for news in news {
            self.tell(news);
        }
    }

    /// Sends news to all who subscribed. One that does not keep up is told so instead, and lists again.
    fn tell(&mut self, news: News) {
        self.subscribers.retain(|_, subscriber| {
            if subscriber.missed {
                match subscriber.to.try_send(Message::News(News::Missed)) {
                    Ok(()) => subscriber.missed = false,
                    Err(error) => return matches!(error, TrySendError::Full(_)),
                }
            }
            match subscriber.to.try_send(Message::News(news.clone())) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    subscriber.missed = true;
                    true
                }
                Err(TrySendError::Disconnected(_)) => false,
            }
        });
    }

    /// Tells all subscribers how a job is now.
    fn tell_job(&mut self, run: &RunId) {
        if self.subscribers.is_empty() {
            return;
        }
        if let Some(view) = self.view_of(run) {
            self.tell(News::Job(Box::new(view)));
        }
    }

    /// Keeps a sentence for the log and for `daemon status`.
    fn complain(&mut self, error: impl std::fmt::Display) {
        const KEPT: usize = 20;
        let text = error.to_string();
        super::log(&text);
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
        if self.remarks.len() > KEPT {
            self.remarks.remove(0);
        }
    }
}
