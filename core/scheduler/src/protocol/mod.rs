//! What a client and the daemon say to each other: JSON, one message a line, over a unix socket.
//!
//! A connection begins with a hello from each side. Then the client asks and the daemon answers, in order; a client that
//! subscribed also receives [`News`] between the answers. Messages only ever grow: a field that an older program does not
//! know is passed over, and what it cannot do without raises [`PROTOCOL`]. `tests/fixtures/protocol` holds a message of
//! every kind as each version wrote it.

mod line;

use lightbox_store::request::{ExplainRequest, Explained};
use lightbox_store::run::{Event, GroupId, RunId};
use serde::{Deserialize, Serialize};

pub use line::{LineReader, MAX_LINE, read_message, write_message};

/// Version of the protocol. Programs of different versions do not talk; they say so.
pub const PROTOCOL: u32 = 1;

/// The first message of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the protocol.
    pub protocol: u32,
    /// Version of the program.
    pub lightbox: String,
    /// The sender's process id.
    pub pid: u32,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Number that the answer repeats.
    pub id: u64,
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
}

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// How the daemon is.
    Status,
    /// Take these runs, whose directories exist, into the queue. Those already in it stay as they are.
    Enqueue {
        /// The runs.
        runs: Vec<RunId>,
    },
    /// The jobs, in the order in which they will run; settled ones last.
    List {
        /// Only these; all when empty.
        #[serde(default)]
        only: Vec<String>,
    },
    /// Hold jobs back; running ones write a checkpoint and stop. The whole queue when none is named.
    Pause {
        /// Runs, groups or studies.
        jobs: Vec<String>,
    },
    /// The opposite of pause.
    Resume {
        /// Runs, groups or studies.
        jobs: Vec<String>,
    },
    /// Take jobs out of the queue; running ones stop.
    Cancel {
        /// Runs, groups or studies.
        jobs: Vec<String>,
    },
    /// Queue failed, cancelled or interrupted jobs again; they go on from their checkpoint.
    Retry {
        /// Runs, groups or studies.
        jobs: Vec<String>,
    },
    /// Change the place of waiting jobs.
    Move {
        /// Runs, groups or studies.
        jobs: Vec<String>,
        /// Where to.
        to: Place,
    },
    /// Forget a job and close its files; its directory is about to be removed.
    Forget {
        /// Runs.
        runs: Vec<RunId>,
    },
    /// From now on, send [`News`].
    Subscribe,
    /// Explain images in a warm worker; [`News::Explained`] for each picture comes before the answer.
    Explain {
        /// The request.
        request: Box<ExplainRequest>,
    },
    /// End the daemon. Running jobs go on, and the next daemon takes them up.
    Stop {
        /// Ask running jobs to write a checkpoint and stop first.
        jobs_too: bool,
    },
}

/// Where a job is moved to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "kebab-case")]
pub enum Place {
    /// Before all others of its priority.
    First,
    /// Behind all others of its priority.
    Last,
    /// Before another job; takes on its priority.
    Before {
        /// The other job.
        job: String,
    },
    /// A priority; larger goes first. Behind the others of that priority.
    Priority {
        /// The priority, 0 to begin with.
        priority: i32,
    },
}

/// What the daemon sends: an answer or news.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// The answer to the request of this number.
    Answer {
        /// The request's number.
        id: u64,
        /// What came of it.
        #[serde(flatten)]
        answer: Answer,
    },
    /// Something happened.
    News(News),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It was done, to so many jobs; remarks for the user.
    Done {
        /// The jobs that it was done to.
        jobs: Vec<RunId>,
        /// Sentences about those to which it could not be done.
        #[serde(default)]
        remarks: Vec<String>,
    },
    /// How the daemon is.
    Status(Box<Status>),
    /// The jobs asked for.
    Jobs {
        /// In the order in which they will run.
        jobs: Vec<JobView>,
    },
    /// It was not done.
    Refused {
        /// The sentence for the user.
        message: String,
        /// Exit code: 1 failed, 2 bad input.
        code: i32,
    },
}

/// Something that happened, for those who subscribed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum News {
    /// A job came in or changed its state or place.
    Job(Box<JobView>),
    /// A job is no longer in the queue's list.
    Gone {
        /// The job.
        run: RunId,
    },
    /// A worker wrote an event.
    Event {
        /// The job.
        run: RunId,
        /// The event.
        event: Event,
    },
    /// The whole queue was paused or resumed.
    Queue {
        /// Whether it is paused.
        paused: bool,
    },
    /// A picture that an `explain` request of this connection asked for.
    Explained {
        /// The request's number.
        id: u64,
        /// The picture.
        explained: Box<Explained>,
    },
    /// A sentence about an `explain` request of this connection.
    Remark {
        /// The request's number.
        id: u64,
        /// The sentence.
        text: String,
    },
    /// This connection was too slow and missed news: list again.
    Missed,
}

/// The state of a job in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// A worker has it.
    Running,
    /// Its worker was asked to stop.
    Stopping,
    /// Its turn will come.
    Queued,
    /// Another run must be finished first.
    Waiting,
    /// Held back by its user.
    Paused,
    /// A run that it needs failed or was cancelled.
    Blocked,
    /// Done.
    Finished,
    /// It failed.
    Failed,
    /// Taken out by its user.
    Cancelled,
}

impl JobState {
    /// Nothing more will happen to it unless someone asks.
    pub fn settled(self) -> bool {
        matches!(self, Self::Blocked | Self::Finished | Self::Failed | Self::Cancelled)
    }

    /// One word for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Blocked => "blocked",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A job as clients see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// The run.
    pub run: RunId,
    /// Its group.
    pub group: GroupId,
    /// The study that queued it.
    #[serde(default)]
    pub study: Option<String>,
    /// `train`, `evaluate` or `explain-eval`.
    pub kind: String,
    /// What it does, in a few words: dataset, model, fold.
    pub label: String,
    /// Its state.
    pub state: JobState,
    /// Why it failed, is blocked or waits.
    #[serde(default)]
    pub reason: Option<String>,
    /// Larger goes first.
    pub priority: i32,
    /// Where it runs: a slot, or a job of a cluster.
    #[serde(default)]
    pub place: Option<String>,
    /// How often it was started.
    #[serde(default)]
    pub attempt: u32,
    /// Share of the work that is done, 0 to 1.
    #[serde(default)]
    pub done: Option<f64>,
    /// What it is doing.
    #[serde(default)]
    pub phase: Option<String>,
    /// Seconds until the end at the speed of now; early stopping may end a training sooner.
    #[serde(default)]
    pub eta_seconds: Option<f64>,
    /// Seconds since it was started.
    #[serde(default)]
    pub running_seconds: Option<f64>,
}

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub lightbox: String,
    /// Its process id.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// The home that it serves.
    pub home: std::path::PathBuf,
    /// Seconds since it started.
    pub up_seconds: f64,
    /// Whether the whole queue is paused.
    pub paused: bool,
    /// Where jobs run: `local` or `slurm`.
    pub executor: String,
    /// The slots of this machine.
    pub slots: Vec<SlotView>,
    /// Number of jobs in each state.
    pub jobs: std::collections::BTreeMap<String, usize>,
    /// Warm workers: what they hold.
    #[serde(default)]
    pub warm: Vec<String>,
    /// Sentences that its user should know.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// A slot as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotView {
    /// Its name: `cpu:0`, or a GPU's UUID and number.
    pub name: String,
    /// What it is: `cpu`, or the GPU's own name.
    pub device: String,
    /// The job that holds it.
    #[serde(default)]
    pub job: Option<RunId>,
}
