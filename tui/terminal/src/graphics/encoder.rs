//! Encodes pictures on a thread of its own, and keeps what was encoded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cells::Block;
use super::{Overlay, Picture};

/// How much encoded data is kept, in bytes.
const KEPT: usize = 48 << 20;

/// What identifies something encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The picture, where it is part of it.
    pub base: Option<u64>,
    /// The overlay, where it is part of it.
    pub overlay: Option<u64>,
    /// Width and height that it is made for, in the driver's units.
    pub size: (u32, u32),
}

/// Something encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// Bytes for the terminal, or that become such.
    Bytes(Vec<u8>),
    /// Character cells, row by row.
    Blocks(Vec<Block>),
}

impl Made {
    fn size(&self) -> usize {
        match self {
            Made::Bytes(bytes) => bytes.len(),
            Made::Blocks(blocks) => std::mem::size_of_val(&blocks[..]),
        }
    }
}

/// Something to encode.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it will be found by.
    pub key: Key,
    /// The picture.
    pub base: Option<Arc<Picture>>,
    /// The overlay.
    pub overlay: Option<Arc<Overlay>>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    running: Option<Key>,
    made: HashMap<Key, (Arc<Made>, u64)>,
    bytes: usize,
    clock: u64,
    ended: bool,
    /// When to call `wake` although nothing was made.
    wake_at: Option<Instant>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread and what it has made.
pub struct Encoder {
    shared: Arc<Shared>,
}

impl Encoder {
    /// Starts a thread that encodes with `encode` and calls `wake` after each.
    pub fn start(encode: impl Fn(&Job) -> Made + Send + 'static, wake: Arc<dyn Fn() + Send + Sync>) -> Encoder {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("pictures".into());
        // Without a thread there are no pictures, which the program can do without.
        let _ = thread.spawn(move || work(&worker, encode, &*wake));
        Encoder { shared }
    }

    /// What was made for this key.
    pub fn get(&self, key: &Key) -> Option<Arc<Made>> {
        let mut state = self.shared.state();
        state.clock += 1;
        let now = state.clock;
        let (made, used) = state.made.get_mut(key)?;
        *used = now;
        Some(Arc::clone(made))
    }

    /// Wants these and nothing else: what was wanted before and has not begun is not made.
    pub fn want(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut state = self.shared.state();
        let mut queue: VecDeque<Job> = VecDeque::new();
        for job in jobs {
            let known = state.made.contains_key(&job.key) || state.running == Some(job.key);
            if !known && !queue.iter().any(|other| other.key == job.key) {
                queue.push_back(job);
            }
        }
        state.queue = queue;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Calls `wake` after this time, or soon after.
    pub fn wake_in(&self, time: Duration) {
        let at = Instant::now() + time;
        let mut state = self.shared.state();
        state.wake_at = Some(state.wake_at.map_or(at, |before| before.min(at)));
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
    }
}

/// What the thread does next.
enum Next {
    Encode(Job),
    Wake,
    End,
}

fn work(shared: &Shared, encode: impl Fn(&Job) -> Made, wake: &(dyn Fn() + Send + Sync)) {
    loop {
        match next(shared) {
            Next::End => return,
            Next::Wake => wake(),
            Next::Encode(job) => {
                let made = Arc::new(encode(&job));
                let mut state = shared.state();
                state.running = None;
                keep(&mut state, job.key, made);
                let ended = state.ended;
                drop(state);
                if !ended {
                    wake();
                }
            }
        }
    }
}

/// Waits for something to do.
fn next(shared: &Shared) -> Next {
    let mut state = shared.state();
    loop {
        if state.ended {
            return Next::End;
        }
        let now = Instant::now();
        if state.wake_at.is_some_and(|at| at <= now) {
            state.wake_at = None;
            return Next::Wake;
        }
        if let Some(job) = state.queue.pop_front() {
            state.running = Some(job.key);
            return Next::Encode(job);
        }
        state = match state.wake_at {
            Some(at) => shared.changed.wait_timeout(state, at - now).unwrap_or_else(PoisonError::into_inner).0,
            None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

/// Keeps something, and drops what was not used for longest.
fn keep(state: &mut State, key: Key, made: Arc<Made>) {
    state.clock += 1;
    state.bytes += made.size();
    let now = state.clock;
    if let Some((before, _)) = state.made.insert(key, (made, now)) {
        state.bytes -= before.size();
    }
    while state.bytes > KEPT && state.made.len() > 1 {
        let oldest = state.made.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
        let Some((gone, _)) = oldest.and_then(|key| state.made.remove(&key)) else { break };
        state.bytes -= gone.size();
    }
}
