//! Jobs on a Slurm cluster. Its commands may take long or fail for a while, so a thread of its own calls them; the daemon
//! only passes on what shall happen and hears what did.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use lightbox_store::RunDir;
use lightbox_store::run::{Placement, RunId};

use super::executor::{Force, Launch, Notice};
use super::slots::Needs;
use super::verdict::Ended;
use crate::slurm::{Client, JobState, SlurmError, SlurmSettings, Submission};

/// How often the cluster is asked how its jobs are.
const POLL: Duration = Duration::from_secs(2);

/// How long is waited after the cluster could not be reached.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of a job that is being submitted: whether it was is found out by its name.
const UNKNOWN: u64 = 0;

/// What shall happen.
enum Order {
    Submit(Box<Launch>),
    TakeUp(RunId, RunDir, u64),
    /// The worker was asked to stop; one that waits for a machine will not hear it.
    Asked(RunId),
    Cancel(RunId),
}

/// The daemon's end of the thread.
#[derive(Debug)]
pub struct Cluster {
    orders: Sender<Order>,
    notices: Receiver<Notice>,
}

impl Cluster {
    /// Starts the thread.
    pub fn new(settings: SlurmSettings, worker: PathBuf, home: PathBuf) -> Self {
        let (orders, inbox) = channel();
        let (out, notices) = channel();
        let keeper = Keeper {
            gpus: settings.gres.as_deref() != Some(""),
            client: Client::new(settings),
            worker,
            home,
            jobs: HashMap::new(),
            waiting: Vec::new(),
            out,
        };
        // Without a thread the orders' channel closes, and each order is answered below.
        let _ = std::thread::Builder::new().name("slurm".into()).spawn(move || keeper.serve(&inbox));
        Self { orders, notices }
    }

    /// The placement of a job from the moment at which it may have been submitted.
    pub fn intent() -> Placement {
        Placement::Slurm { job: UNKNOWN }
    }

    fn order(&self, order: Order) {
        // The thread ends only with the daemon.
        let _ = self.orders.send(order);
    }

    /// Submits a job.
    pub fn launch(&self, launch: Launch) {
        self.order(Order::Submit(Box::new(launch)));
    }

    /// Watches a job that an earlier daemon submitted, or perhaps submitted.
    pub fn take_up(&self, run: &RunId, dir: &RunDir, job: u64) {
        self.order(Order::TakeUp(run.clone(), dir.clone(), job));
    }

    /// Takes a job that has no machine yet out of the cluster's queue.
    pub fn asked_to_stop(&self, run: &RunId) {
        self.order(Order::Asked(run.clone()));
    }

    /// Cancels a job; Slurm sends SIGTERM and later SIGKILL.
    pub fn force(&self, run: &RunId, _how: Force) {
        self.order(Order::Cancel(run.clone()));
    }

    /// What happened since the last call.
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.try_iter().collect()
    }
}

struct Keeper {
    client: Client,
    worker: PathBuf,
    home: PathBuf,
    gpus: bool,
    jobs: HashMap<RunId, u64>,
    /// Orders that the cluster could not take for now.
    waiting: Vec<Order>,
    out: Sender<Notice>,
}

impl Keeper {
    fn serve(mut self, inbox: &Receiver<Order>) {
        let mut asked = Instant::now();
        let mut again = Instant::now();
        loop {
            match inbox.recv_timeout(POLL.saturating_sub(asked.elapsed()).max(Duration::from_millis(20))) {
                Ok(order) => self.obey(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if again.elapsed() >= PATIENCE {
                again = Instant::now();
                std::mem::take(&mut self.waiting).into_iter().for_each(|order| self.obey(order));
            }
            if asked.elapsed() >= POLL {
                self.look();
                asked = Instant::now();
            }
        }
    }

    fn say(&self, notice: Notice) {
        let _ = self.out.send(notice);
    }

    fn obey(&mut self, order: Order) {
        let outcome = match &order {
            Order::Submit(launch) => self.submit(launch),
            Order::TakeUp(run, dir, UNKNOWN) => self.find(run, dir),
            Order::TakeUp(run, _, job) => {
                self.jobs.insert(run.clone(), *job);
                Ok(())
            }
            Order::Asked(run) => self.cancel_if_pending(run),
            Order::Cancel(run) => self.jobs.get(run).map_or(Ok(()), |job| self.client.cancel(*job)),
        };
        let Err(error) = outcome else { return };
        self.say(Notice::Remark(error.to_string()));
        match order {
            order if error.is_transient() => self.waiting.push(order),
            Order::Submit(launch) => self.say(Notice::Ended(launch.run, Ended::NotStarted(error.to_string()))),
            Order::TakeUp(run, ..) => self.say(Notice::Ended(run, Ended::Unseen)),
            Order::Asked(_) | Order::Cancel(_) => {}
        }
    }

    fn submit(&mut self, launch: &Launch) -> Result<(), SlurmError> {
        // The answer to an earlier try may have been lost on its way.
        let job = match self.client.find(&launch.dir)? {
            Some(job) => job,
            None => self.client.submit(&Submission {
                run: &launch.dir,
                name: &launch.label,
                worker: &self.worker,
                home: &self.home,
                gpu: self.gpus && launch.needs != Needs::Cpu,
                threads: launch.threads,
            })?,
        };
        self.placed(&launch.run, job);
        Ok(())
    }

    fn find(&mut self, run: &RunId, dir: &RunDir) -> Result<(), SlurmError> {
        match self.client.find(dir)? {
            Some(job) => self.placed(run, job),
            None => self.say(Notice::Back(run.clone())),
        }
        Ok(())
    }

    fn placed(&mut self, run: &RunId, job: u64) {
        self.jobs.insert(run.clone(), job);
        self.say(Notice::Placed(run.clone(), Placement::Slurm { job }));
    }

    fn cancel_if_pending(&mut self, run: &RunId) -> Result<(), SlurmError> {
        let Some(job) = self.jobs.get(run).copied() else { return Ok(()) };
        match self.client.states(&[job])?.get(&job) {
            Some(JobState::Pending { .. } | JobState::Requeued) => self.client.cancel(job),
            _ => Ok(()),
        }
    }

    fn look(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let numbers: Vec<u64> = self.jobs.values().copied().collect();
        let states = match self.client.states(&numbers) {
            Ok(states) => states,
            Err(error) => return self.say(Notice::Remark(error.to_string())),
        };
        let ended: Vec<(RunId, Ended)> =
            self.jobs.iter().filter_map(|(run, job)| Some((run.clone(), how(states.get(job)?)?))).collect();
        for (run, ended) in ended {
            self.jobs.remove(&run);
            self.say(Notice::Ended(run, ended));
        }
    }
}

/// How a job ended; none when it did not. One that Slurm queues again under the same number has not.
fn how(state: &JobState) -> Option<Ended> {
    let lost = |word: &str| Some(Ended::Lost(word.to_owned()));
    match state {
        JobState::Pending { .. } | JobState::Running { .. } | JobState::Requeued => None,
        JobState::Completed => Some(Ended::Exit(0)),
        JobState::Failed { signal: Some(signal), .. } => Some(Ended::Signal(*signal)),
        JobState::Failed { exit_code, signal: None } => Some(Ended::Exit(*exit_code)),
        JobState::OutOfMemory => Some(Ended::OutOfMemory),
        JobState::TimedOut => lost("its time limit passed"),
        JobState::NodeLost => lost("its node was lost"),
        JobState::Preempted => lost("it had to make room for another job"),
        JobState::Cancelled => Some(Ended::Cancelled),
        JobState::Unknown => Some(Ended::Unseen),
    }
}
