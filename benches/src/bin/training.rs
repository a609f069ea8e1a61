//! Training images per second, here and in an equivalent PyTorch script, as a ratio measured in one run.
//!
//! Both sides train the same network from scratch on the same kind of bytes with the same batch, threads, optimizer and
//! memory format (channels_last, the script's best). They take turns: a few steps here while the script waits, then a few
//! steps there, so that a machine that gets slower or faster meanwhile does so for both.
//!
//! `training [MODEL] [SIDE] [BATCH] [THREADS] [ROUNDS] [adamw|adamw-fused|sgd]`; the plugins are looked for beside the
//! executable.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lightbox_benches::{median, peer_python};
use lightbox_engine::plugin::{ModelOptions, Registry, SearchPath};
use lightbox_engine::train::{Event, ImageSource, OptimizerSettings, TrainData, TrainSettings, train};
use lightbox_engine::{Cancel, device};

/// Steps of one turn.
const TURN: usize = 3;
const CLASSES: usize = 4;

struct Noise {
    side: usize,
    bytes: Vec<u8>,
    count: usize,
}

impl ImageSource for Noise {
    fn len(&self) -> usize {
        self.count
    }
    fn image(&self, index: usize) -> &[u8] {
        let n = self.side * self.side * 3;
        &self.bytes[index * n..(index + 1) * n]
    }
    fn size(&self) -> (usize, usize) {
        (self.side, self.side)
    }
    fn channels(&self) -> usize {
        3
    }
}

/// The script, which waits for a line before each turn.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(arguments: &[String]) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("train_peer.py");
        let mut child = Command::new(peer_python()?)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("Python does not start")?;
        let input = child.stdin.take().context("no stdin")?;
        let output = BufReader::new(child.stdout.take().context("no stdout")?);
        Ok(Self { child, input, output })
    }

    /// Seconds of one turn.
    fn turn(&mut self) -> Result<f64> {
        writeln!(self.input, "{TURN}")?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("train_peer.py ended: {:?}", self.child.wait()?);
        }
        Ok(line.trim().parse()?)
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| -> Result<usize> {
        arguments.get(place).map_or(Ok(default), |text| text.parse().with_context(|| text.clone()))
    };
    let model = arguments.first().map_or("resnet50", String::as_str);
    let (side, batch) = (number(1, 224)?, number(2, 16)?);
    let threads = number(3, std::thread::available_parallelism().map_or(1, usize::from))?;
    let rounds = number(4, 5)?;
    let optimizer = arguments.get(5).map_or("adamw", String::as_str);
    let settings = TrainSettings {
        optimizer: if optimizer == "sgd" { OptimizerSettings::SGD } else { OptimizerSettings::ADAMW },
        weight_decay: 0.01,
        lr: 1e-4,
        checkpoint_interval: Duration::MAX,
        ..TrainSettings::new(1, batch, 3)
    };

    device::keep_freed_memory()?;
    device::configure(threads, false)?;
    let registry = Registry::load_all(&SearchPath::standard(&PathBuf::new()));
    let options = ModelOptions { classes: CLASSES, channels: 3, options: Default::default(), seed: 0 };
    let network = registry.model(model, &options)?;
    // One turn of warming up, and one step more so that the run does not end within a turn.
    let count = ((rounds + 1) * TURN + 1) * batch;
    let bytes = (0..count * side * side * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let images = Noise { side, bytes, count };
    let labels: Vec<usize> = (0..count).map(|i| i % CLASSES).collect();
    let part: Vec<usize> = (0..count).collect();
    let data = TrainData { source: &images, labels: &labels, classes: CLASSES, train: &part, validation: &[] };

    let peer = [model, &side.to_string(), &batch.to_string(), &threads.to_string(), optimizer].map(str::to_owned);
    let mut peer = Peer::start(&peer)?;
    peer.turn()?;
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let mut failure = None;
    let cancel = Cancel::new();
    let folder = tempfile::tempdir()?;
    let mut started = Instant::now();
    train(&network, data, &settings, folder.path(), &cancel.clone(), &mut |event| {
        // The event comes after the backward pass of a step; turns are cut there, a whole number of steps apart.
        let Event::Step { step, .. } = event else { return };
        if !(step as usize - 1).is_multiple_of(TURN) {
            return;
        }
        if step as usize > TURN + 1 {
            here.push(started.elapsed().as_secs_f64());
            match peer.turn() {
                Ok(seconds) => there.push(seconds),
                Err(error) => {
                    failure = Some(error);
                    cancel.cancel();
                }
            }
            eprintln!(
                "round {}: {:.2} s here, {:.2} s there",
                here.len(),
                here[here.len() - 1],
                there.last().unwrap_or(&f64::NAN)
            );
        }
        if here.len() == rounds {
            cancel.cancel();
        }
        started = Instant::now();
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    let per_second = |seconds: &[f64]| (TURN * batch) as f64 / median(seconds);
    let ratios: Vec<f64> = here.iter().zip(&there).map(|(ours, theirs)| theirs / ours).collect();
    println!("{model}, {side} x {side}, batch {batch}, {threads} threads, {optimizer}, channels_last, fp32, CPU");
    println!("images per second here / PyTorch script: {:.2} / {:.2}", per_second(&here), per_second(&there));
    println!("ratio (median of {} interleaved rounds): {:.3}", ratios.len(), median(&ratios));
    drop(peer.input);
    peer.child.wait()?;
    Ok(())
}
