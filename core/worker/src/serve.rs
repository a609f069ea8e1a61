//! The warm worker: keeps a network loaded and answers one request after the other, so that browsing feels instant.
//!
//! Requests and answers are lines of JSON on standard input and output. Plugins may write to standard output too, so that
//! is turned to standard error first and the answers go to a copy of it.

use std::fs::File;
use std::io::{BufRead, Write};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::SystemTime;

use lightbox_engine::plugin::{Registry, SearchPath};
use lightbox_store::Home;
use lightbox_store::request::{ExplainRequest, Network, WarmAnswer};

use crate::failure::{Failure, Result};
use crate::single::Loaded;
use crate::{network, plugins};

/// Answers until standard input ends.
pub fn run(home: &Home) -> Result<()> {
    let mut out = private_output()?;
    let began = libraries(home);
    let registry = plugins::registry(home)?;
    let mut server = Server { registry, kept: None };
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| Failure::failed(format!("standard input: {e}")))?;
        if libraries(home) != began {
            return say(&mut out, &WarmAnswer::Stale);
        }
        let mut forward = |answer: WarmAnswer| say(&mut out, &answer);
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| server.answer(&line, &mut forward)));
        let last = match outcome {
            Ok(Ok(())) => WarmAnswer::Done,
            Ok(Err(failure)) => WarmAnswer::Failed { message: failure.to_string(), code: i32::from(failure.code()) },
            // What a panic left half done is not trusted with another request.
            Err(_) => return Err(Failure::failed("the worker panicked; see the line above")),
        };
        say(&mut out, &last)?;
    }
    Ok(())
}

struct Server {
    registry: Registry,
    kept: Option<(Key, Loaded)>,
}

/// What decides whether a loaded network can be used again: the network, the files that it came from, and the device.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    network: Network,
    files: Vec<Stamp>,
    device: String,
}

type Stamp = (PathBuf, Option<SystemTime>, u64);

impl Server {
    fn answer(&mut self, line: &str, answer: &mut dyn FnMut(WarmAnswer) -> Result<()>) -> Result<()> {
        let request: ExplainRequest = serde_json::from_str(line)?;
        let device = network::device(&request.device.0, request.threads, false)?;
        let key = Key {
            network: request.network.clone(),
            files: files(&request.network),
            device: lightbox_engine::device::name(device),
        };
        let loaded = match self.kept.take() {
            Some((kept, loaded)) if kept == key => loaded,
            // Dropped first, so that two networks are never in memory at once.
            other => {
                drop(other);
                Loaded::load(&self.registry, &request.network, device)?
            }
        };
        let outcome = loaded.explain(&self.registry, &request, answer);
        self.kept = Some((key, loaded));
        outcome
    }
}

/// The files that a network comes from, so that one that was written anew is loaded anew.
fn files(network: &Network) -> Vec<Stamp> {
    match network {
        Network::Run { path } => vec![stamp(path.join("checkpoints/best/manifest.json"))],
        Network::Weights { file, key_map, .. } => {
            std::iter::once(file).chain(key_map).map(|path| stamp(path.clone())).collect()
        }
    }
}

/// The plugin libraries of the search path.
fn libraries(home: &Home) -> Vec<Stamp> {
    SearchPath::standard(&home.plugins_dir()).libraries().into_iter().map(stamp).collect()
}

fn stamp(path: PathBuf) -> Stamp {
    let metadata = path.metadata().ok();
    let changed = metadata.as_ref().and_then(|m| m.modified().ok());
    (path, changed, metadata.map_or(0, |m| m.len()))
}

/// A copy of standard output that nobody else knows; what others write there goes to standard error.
fn private_output() -> Result<File> {
    let copy = || -> rustix::io::Result<File> {
        let out = rustix::io::dup(rustix::stdio::stdout())?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(File::from(out))
    };
    copy().map_err(|e| Failure::failed(format!("standard output: {e}")))
}

fn say(out: &mut File, answer: &WarmAnswer) -> Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    out.write_all(&line).map_err(|e| Failure::failed(format!("standard output: {e}")))
}
