//! What reaches the loop: input, news of the daemon, finished work, signals.

use std::sync::Arc;

use lightbox_scheduler::protocol::{JobView, Status};
use lightbox_store::RunId;
use lightbox_store::index::RunRow;
use lightbox_store::run::Event;
use lightbox_terminal::input::Incoming;
use lightbox_terminal::screen::Signal;

use super::catalogue::Catalogue;
use super::gauges::Gauge;
use super::tasks::CommandDone;
use crate::screens::{data, queue, results, studies, viewer};

/// One thing for the loop to take in.
pub enum Message {
    /// From the terminal.
    Terminal(Incoming),
    /// From the operating system.
    Signal(Signal),
    /// From the daemon's connection.
    Link(Link),
    /// Work that is done.
    Update(Update),
    /// How busy the GPUs are.
    Gauges(Vec<Gauge>),
    /// A picture is ready to be drawn.
    Picture,
}

/// What the connection to the daemon says.
pub enum Link {
    /// There is a daemon: its jobs and how it is.
    Up(Vec<JobView>, Box<Status>),
    /// A job changed.
    Job(Box<JobView>),
    /// A job left the list.
    Gone(RunId),
    /// A worker wrote an event.
    Event(RunId, Event),
    /// The whole queue was paused or resumed.
    Paused(bool),
    /// There is no daemon, which is fine while nothing is queued.
    Down,
    /// The daemon cannot be used: the sentence.
    Trouble(String),
}

/// What came of work beside the loop.
pub enum Update {
    /// Nothing that concerns anyone.
    Nothing,
    /// The list of runs, read anew.
    Runs(Result<Arc<Vec<RunRow>>, String>),
    /// What plugins there are.
    Catalogue(Result<Arc<Catalogue>, String>),
    /// A table was put in order.
    Order {
        /// Which table.
        table: u64,
        /// Which of its wishes this answers.
        generation: u64,
        /// Rows in the order shown.
        view: Arc<Vec<u32>>,
    },
    /// A row of a long table was searched for.
    Found {
        /// Which table.
        table: u64,
        /// The order in which it was searched.
        generation: u64,
        /// What the row was to hold.
        words: String,
        /// Where it is in the order shown, if anywhere.
        place: Option<usize>,
    },
    /// A command ended.
    Command(CommandDone),
    /// A line that a running command wrote.
    CommandLine(String),
    /// The daemon was asked for something: what to tell the user.
    Asked(Result<String, String>),
    /// For the studies screen.
    Studies(studies::Update),
    /// For the queue screen.
    Queue(queue::Update),
    /// For the results screen.
    Results(Box<results::Update>),
    /// For the viewer.
    Viewer(Box<viewer::Update>),
    /// For the data screen.
    Data(Box<data::Update>),
}
