//! The promises of a method.

use std::time::{Duration, Instant};

use lightbox_abi::metadata::{AttributionMetadata, LayersMetadata, ParameterKind, ParameterValue, ParameterValues};
use tch::{Device, Tensor};

use super::Verdict;
use super::growth::least_growth;
use super::report::{Finding, Reporter, error, ok, warning};
use super::toy::{Toy, images};
use crate::Cancel;
use crate::explain::{
    ExplainError, ExplainOptions, Explainer, Explanations, ImageBatch, Outcome, Target, choose_layers,
};
use crate::plugin::{AttributionHandle, Registry};

/// Side of the images.
const SIZE: (i64, i64) = (48, 48);
/// Maps of one image alone and in a batch differ by rounding: other kernels run.
const BATCH_TOLERANCE: f32 = 1e-3;
/// Calls of the check for leaks, as many as fit into its time.
const CALLS: usize = 200;
const LEAK_TIME: Duration = Duration::from_secs(20);
/// What memory may grow by over the later calls: allocators keep some.
const GROWTH: u64 = 8 << 20;

/// One method of a library.
pub(super) struct Method<'a> {
    pub registry: &'a Registry,
    pub metadata: &'a AttributionMetadata,
}

type Done = Result<Finding, String>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What is explained, and how.
struct Request<'a> {
    network: &'a Toy,
    input: &'a Tensor,
    layers: &'a [&'a str],
    seed: u64,
}

impl Method<'_> {
    /// Every check of the method.
    pub fn check(&self, out: &mut dyn Reporter) {
        let subject = format!("method {}", self.metadata.id);
        let mut run = |name: &str, check: &dyn Fn(&Self) -> Done| {
            out.check(&subject, name, &mut || check(self));
        };
        run("parameters", &Self::parameters);
        run("one image", &Self::one_image);
        run("several images", &Self::several_images);
        run("read only", &Self::read_only);
        run("same again", &Self::same_again);
        run("seed", &Self::seed);
        run("image that is not square", &Self::not_square);
        run("one channel", &Self::one_channel);
        run("several layers", &Self::several_layers);
        run("image without content", &Self::constant_image);
        run("cancel", &Self::cancel);
        run("a network that fails", &Self::failing_network);
        run("threads", &Self::threads);
        run("memory", &Self::memory);
        run("gpu", &Self::gpu);
    }

    fn make(&self, values: &ParameterValues) -> Result<AttributionHandle, String> {
        self.registry.attribution(&self.metadata.id, values).map_err(text)
    }

    fn explain_with(&self, handle: AttributionHandle, request: &Request<'_>) -> Result<Explanations, ExplainError> {
        let images = request.input.size()[0] as u64;
        // An image's seed does not depend on the batch that it is in.
        let seeds: Vec<u64> = (0..images).map(|image| request.seed + image).collect();
        let options = ExplainOptions { seed: request.seed, target: Target::Class(1), ..ExplainOptions::default() };
        let layers = choose_layers(request.network, request.layers)?;
        let mut explainer = Explainer::new(request.network, layers, vec![handle], options)?;
        let batch = ImageBatch { input: request.input, truths: None, seeds: &seeds };
        explainer.explain(&batch, &Cancel::new(), &mut |_| {})
    }

    fn explain(&self, request: &Request<'_>) -> Result<Explanations, String> {
        self.explain_with(self.make(&Vec::new())?, request).map_err(text)
    }

    /// Explains on the usual network and layer.
    fn usual(&self, input: &Tensor) -> Result<Explanations, String> {
        let network = Toy::new(input.size()[1], Device::Cpu).map_err(text)?;
        self.explain(&Request { network: &network, input, layers: &[], seed: 0 })
    }

    /// Every bound of every parameter makes an instance, or is refused with a sentence.
    fn parameters(&self) -> Done {
        self.make(&Vec::new())?;
        let (mut made, mut refused) = (0, Vec::new());
        for parameter in &self.metadata.parameters {
            for value in bounds(&parameter.kind) {
                match self.make(&vec![(parameter.name.clone(), value.clone())]) {
                    Ok(_) => made += 1,
                    Err(sentence) if sentence.contains("panicked") => return Ok(error(sentence)),
                    Err(sentence) => refused.push(format!("{}={value}: {sentence}", parameter.name)),
                }
            }
        }
        let tried = made + refused.len();
        Ok(match refused.first() {
            None => ok(format!("{tried} values at the bounds of {} parameters", self.metadata.parameters.len())),
            Some(first) => ok(format!("{tried} values at the bounds, {} refused, the first: {first}", refused.len())),
        })
    }

    fn one_image(&self) -> Done {
        let found = self.usual(&images(1, 3, SIZE).map_err(text)?)?;
        Ok(match found.methods[0].outcomes[0] {
            Outcome::Ok => ok(format!("a map with the raw peak {:.3e}", found.methods[0].peaks[0])),
            Outcome::ConstantMap => {
                warning("the map is the same everywhere (or all evidence is negative) on a made-up image")
            }
            Outcome::NanMap => error("the map has NaN or infinite values, or some that were never written"),
        })
    }

    fn several_images(&self) -> Done {
        let input = images(3, 3, SIZE).map_err(text)?;
        let network = Toy::new(3, Device::Cpu).map_err(text)?;
        let whole = self.explain(&Request { network: &network, input: &input, layers: &[], seed: 0 })?;
        let mut worst = 0.0_f32;
        for image in 0..3 {
            let one = input.f_narrow(0, image, 1).map_err(text)?;
            let alone = self.explain(&Request { network: &network, input: &one, layers: &[], seed: image as u64 })?;
            worst = worst.max(difference(
                whole.methods[0].heatmap(image as usize).unwrap_or_default(),
                &alone.methods[0].heatmaps,
            ));
        }
        Ok(if worst <= BATCH_TOLERANCE {
            ok(format!("alone and together differ by {worst:.1e}"))
        } else {
            error(format!(
                "an image's map depends on the images beside it: alone and together differ by {worst:.1e}; index images by \
                 the first dimension, and draw random numbers from `image_seeds`"
            ))
        })
    }

    fn read_only(&self) -> Done {
        let network = Toy::new(3, Device::Cpu).map_err(text)?;
        let mut handle = self.make(&Vec::new())?;
        handle.watch_what_is_lent();
        let input = images(2, 3, SIZE).map_err(text)?;
        let request = Request { network: &network, input: &input, layers: &[], seed: 0 };
        self.explain_with(handle, &request).map_err(text)?;
        Ok(ok("what the host lends is left as it was"))
    }

    fn same_again(&self) -> Done {
        let input = images(2, 3, SIZE).map_err(text)?;
        let (first, second) = (self.usual(&input)?, self.usual(&input)?);
        Ok(if same_bits(&first.methods[0].heatmaps, &second.methods[0].heatmaps) {
            ok("the same request gives the same bits")
        } else {
            error("the same request gives another map; draw random numbers from the request's seeds")
        })
    }

    fn seed(&self) -> Done {
        if !self.metadata.seeded {
            return Ok(ok("it is said not to depend on the seed"));
        }
        let input = images(1, 3, SIZE).map_err(text)?;
        let network = Toy::new(3, Device::Cpu).map_err(text)?;
        let with = |seed| self.explain(&Request { network: &network, input: &input, layers: &[], seed });
        Ok(if same_bits(&with(1)?.methods[0].heatmaps, &with(2)?.methods[0].heatmaps) {
            warning("it is said to depend on the seed and does not; set the descriptor's randomness to none")
        } else {
            ok("another seed gives another map")
        })
    }

    fn not_square(&self) -> Done {
        self.usual(&images(1, 3, (40, 56)).map_err(text)?).map(|found| finite(&found, "on 40 x 56 pixels"))
    }

    fn one_channel(&self) -> Done {
        self.usual(&images(1, 1, SIZE).map_err(text)?).map(|found| finite(&found, "on images of one channel"))
    }

    fn several_layers(&self) -> Done {
        if self.metadata.layers == LayersMetadata::One {
            return Ok(ok("it is said to work on one layer"));
        }
        let input = images(2, 3, SIZE).map_err(text)?;
        let network = Toy::new(3, Device::Cpu).map_err(text)?;
        let found =
            self.explain(&Request { network: &network, input: &input, layers: &["first", "second"], seed: 0 })?;
        Ok(finite(&found, "over two layers"))
    }

    fn constant_image(&self) -> Done {
        let found = self.usual(&images(1, 3, SIZE).map_err(text)?.f_zeros_like().map_err(text)?)?;
        Ok(match found.methods[0].outcomes[0] {
            Outcome::NanMap => warning("the map of a constant image is not finite: something is divided by zero"),
            Outcome::Ok | Outcome::ConstantMap => ok("the map of a constant image is finite"),
        })
    }

    /// A method that asks notices; one that finishes at once need not ask.
    fn cancel(&self) -> Done {
        let network = Toy::new(3, Device::Cpu).map_err(text)?;
        let input = images(1, 3, SIZE).map_err(text)?;
        let cancel = Cancel::new();
        let handle = self.make(&Vec::new())?;
        let mut explainer = Explainer::new(
            &network,
            choose_layers::<&str>(&network, &[]).map_err(text)?,
            vec![handle],
            ExplainOptions { target: Target::Class(1), ..ExplainOptions::default() },
        )
        .map_err(text)?;
        let flag = cancel.clone();
        // The user stops at the first sign of life.
        let outcome = explainer.explain(&ImageBatch { input: &input, truths: None, seeds: &[0] }, &cancel, &mut |_| {
            flag.cancel();
        });
        Ok(match outcome {
            Ok(_) => ok("it finished; a long method asks `is_cancelled` between its steps"),
            Err(ExplainError::Cancelled) => ok("it stopped when it was asked to"),
            Err(other) => {
                warning(format!("stopped by the user it says: {other}; return the status of the host service"))
            }
        })
    }

    fn failing_network(&self) -> Done {
        let network = Toy::new(3, Device::Cpu).map_err(text)?;
        let input = images(1, 3, SIZE).map_err(text)?;
        let request = Request { network: &network, input: &input, layers: &[], seed: 0 };
        // The host's own pass takes two; after them the method is alone with the failure.
        network.fail_after(2);
        let outcome = self.explain_with(self.make(&Vec::new())?, &request);
        network.fail_after(usize::MAX);
        let found = match outcome {
            Ok(_) => ok("it asks nothing of the network"),
            Err(said) if said.to_string().contains("made up by this check") => ok("it passes the error on"),
            Err(said) if said.to_string().contains("panicked") => {
                error(format!("it panics when a host service fails: {said}"))
            }
            Err(said) => warning(format!("it hides why a host service failed: {said}; return the service's status")),
        };
        // What comes after must not suffer.
        self.explain(&request)?;
        Ok(found)
    }

    fn threads(&self) -> Done {
        let input = images(1, 3, SIZE).map_err(text)?;
        let here = self.usual(&input)?.methods[0].heatmaps.clone();
        // Made on this thread, used on others; the networks too, since weights come from one generator for all threads.
        let mut pairs = Vec::new();
        for _ in 0..2 {
            pairs.push((Toy::new(3, Device::Cpu).map_err(text)?, self.make(&Vec::new()), input.shallow_clone()));
        }
        let elsewhere: Vec<Result<Vec<f32>, String>> = std::thread::scope(|scope| {
            let workers: Vec<_> = pairs
                .into_iter()
                .map(|(network, handle, input)| {
                    scope.spawn(move || {
                        let request = Request { network: &network, input: &input, layers: &[], seed: 0 };
                        Ok(self.explain_with(handle?, &request).map_err(text)?.methods[0].heatmaps.clone())
                    })
                })
                .collect();
            let ended = |_| Err("the thread ended".to_owned());
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(ended)).collect()
        });
        for there in elsewhere {
            if difference(&here, &there?) > BATCH_TOLERANCE {
                return Ok(error(
                    "two instances at once on other threads give another map; keep no state outside the instance",
                ));
            }
        }
        Ok(ok("instances are made on one thread and used on others, two at once"))
    }

    fn memory(&self) -> Done {
        let input = images(2, 3, SIZE).map_err(text)?;
        // The first calls fill caches; with few calls in all a quarter of them must do.
        self.call_often(&input, CALLS / 4, LEAK_TIME / 4)?;
        let mut calls = 0;
        let grown = least_growth(GROWTH, || {
            calls = self.call_often(&input, CALLS - CALLS / 4, LEAK_TIME - LEAK_TIME / 4)?;
            Ok(())
        })?;
        let Some(grown) = grown else {
            return Ok((Verdict::Skipped, "this system does not say how much memory is in use".to_owned()));
        };
        Ok(if grown > GROWTH {
            error(format!("memory grew by {} MiB over {calls} calls: something is not freed", grown >> 20))
        } else {
            ok(format!("memory grew by {} KiB over {calls} calls", grown >> 10))
        })
    }

    /// Calls until there were `most` calls, or the time is over and there were a few; how many there were.
    fn call_often(&self, input: &Tensor, most: usize, time: Duration) -> Result<usize, String> {
        const FEW: usize = 4;
        let start = Instant::now();
        let mut calls = 0;
        while calls < most && (start.elapsed() < time || calls < FEW) {
            self.usual(input)?;
            calls += 1;
        }
        Ok(calls)
    }

    fn gpu(&self) -> Done {
        if !tch::Cuda::is_available() {
            return Ok((Verdict::Skipped, "there is no GPU here".to_owned()));
        }
        let device = Device::Cuda(0);
        let input = images(2, 3, SIZE).map_err(text)?;
        let here = self.usual(&input)?;
        let network = Toy::new(3, device).map_err(text)?;
        let input = input.f_to_device(device).map_err(text)?;
        let there = self.explain(&Request { network: &network, input: &input, layers: &[], seed: 0 })?;
        let worst = difference(&here.methods[0].heatmaps, &there.methods[0].heatmaps);
        Ok(if worst <= BATCH_TOLERANCE {
            ok(format!("processor and GPU differ by {worst:.1e}"))
        } else {
            warning(format!("processor and GPU differ by {worst:.1e}"))
        })
    }
}

/// Values at the ends of what a parameter may be.
fn bounds(kind: &ParameterKind) -> Vec<ParameterValue> {
    match kind {
        ParameterKind::Float { min, max, .. } => {
            [*min, *max].into_iter().flatten().filter(|v| v.is_finite()).map(ParameterValue::Float).collect()
        }
        ParameterKind::Int { min, max, .. } => vec![ParameterValue::Int(*min), ParameterValue::Int(*max)],
        ParameterKind::Bool { .. } => vec![ParameterValue::Bool(false), ParameterValue::Bool(true)],
        ParameterKind::Choice { choices, .. } => choices.iter().cloned().map(ParameterValue::Choice).collect(),
    }
}

fn finite(found: &Explanations, what: &str) -> Finding {
    if found.methods[0].outcomes.contains(&Outcome::NanMap) {
        error(format!("{what} the map has NaN or infinite values, or some that were never written"))
    } else {
        ok(format!("a map {what}"))
    }
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// The largest difference; infinite where one is NaN or the lengths differ.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::INFINITY;
    }
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst, d| if d.is_nan() { f32::INFINITY } else { d.max(worst) })
}
