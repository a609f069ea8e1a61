//! The promises of a network.

use std::collections::BTreeSet;

use lightbox_abi::metadata::{ModelMetadata, ParameterKind, ParameterValue, ParameterValues};
use tch::{Kind, Tensor};

use super::Verdict;
use super::growth::least_growth;
use super::report::{Finding, Reporter, error, ok, warning};
use super::toy::images;
use crate::plugin::{ModelHandle, ModelOptions, Registry};

const CLASSES: usize = 3;
/// Larger inputs only cost time.
const SIDE: i64 = 64;
/// Passes of the check for leaks before memory is measured and while it is, and what it may grow by then.
const PASSES: usize = 20;
const GROWTH: u64 = 32 << 20;

/// One network of a library.
pub(super) struct Model<'a> {
    pub registry: &'a Registry,
    pub metadata: &'a ModelMetadata,
}

type Done = Result<Finding, String>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Model<'_> {
    /// Every check of the network.
    pub fn check(&self, out: &mut dyn Reporter) {
        let subject = format!("model {}", self.metadata.id);
        let mut run = |name: &str, check: &dyn Fn(&Self) -> Done| {
            out.check(&subject, name, &mut || check(self));
        };
        run("options", &Self::options);
        run("logits", &Self::logits);
        run("cut points", &Self::cut_points);
        run("sizes", &Self::sizes);
        run("seed", &Self::seed);
        run("variables", &Self::variables);
        run("gradients", &Self::gradients);
        run("replaced storage", &Self::replaced_storage);
        run("double precision", &Self::double_precision);
        run("taps", &Self::taps);
        run("memory", &Self::memory);
    }

    fn make_with(&self, channels: usize, options: ParameterValues, seed: u64) -> Result<ModelHandle, String> {
        let with = ModelOptions { classes: CLASSES, channels, options, seed };
        self.registry.model(&self.metadata.id, &with).map_err(text)
    }

    fn channels(&self) -> usize {
        self.metadata.channels.first().copied().unwrap_or(3) as usize
    }

    fn make(&self) -> Result<ModelHandle, String> {
        self.make_with(self.channels(), Vec::new(), 1)
    }

    /// A size that the network takes, no larger than it must be.
    fn size(&self) -> (i64, i64) {
        let side = |least: u32, native: u32| i64::from(least).max(SIDE).min(i64::from(native.max(least)));
        let ([least_height, least_width], [height, width]) = (self.metadata.min_size, self.metadata.input_size);
        (side(least_height, height), side(least_width, width))
    }

    fn input(&self, count: i64) -> Result<Tensor, String> {
        images(count, self.channels() as i64, self.size()).map_err(text)
    }

    fn options(&self) -> Done {
        let mut tried = 0;
        for option in &self.metadata.options {
            for value in values(&option.kind) {
                self.make_with(self.channels(), vec![(option.name.clone(), value.clone())], 1)
                    .map_err(|said| format!("{}={value}: {said}", option.name))?;
                tried += 1;
            }
        }
        Ok(ok(format!("{tried} values of {} options", self.metadata.options.len())))
    }

    fn logits(&self) -> Done {
        let _no_graph = tch::no_grad_guard();
        for channels in &self.metadata.channels {
            let network = self.make_with(*channels as usize, Vec::new(), 1)?;
            let input = images(2, i64::from(*channels), self.size()).map_err(text)?;
            let logits = network.forward(&input, false).map_err(text)?;
            if logits.size() != [2, CLASSES as i64] || logits.kind() != Kind::Float {
                let found = format!("{:?} of {:?}", logits.size(), logits.kind());
                return Ok(error(format!("2 images of {channels} channels give {found}, not [2, {CLASSES}] of Float")));
            }
            if !is_finite(&logits)? {
                return Ok(error(format!("the logits of images of {channels} channels are not finite")));
            }
            let again = network.forward(&input, false).map_err(text)?;
            if again != logits {
                return Ok(error("the same images give other logits in evaluation: heed the flag `train`"));
            }
        }
        Ok(ok(format!("[2, {CLASSES}] for {:?} channels, the same again", self.metadata.channels)))
    }

    fn cut_points(&self) -> Done {
        let _no_graph = tch::no_grad_guard();
        let (network, input) = (self.make()?, self.input(2)?);
        let whole = network.forward(&input, false).map_err(text)?;
        for (place, name) in self.metadata.cut_points.iter().enumerate() {
            let there = network.forward_to(&input, place, false).map_err(text)?;
            if *name == self.metadata.default_layer && there.dim() != 4 {
                return Ok(error(format!("the default layer {name} gives {:?}, not [N, C, h, w]", there.size())));
            }
            let kept = there.copy();
            if network.forward_from(&there, place, false).map_err(text)? != whole {
                return Ok(error(format!("the way over {name} does not give the bits of the way past it")));
            }
            if kept != there {
                return Ok(error(format!("going on from {name} writes to what it was given")));
            }
        }
        Ok(ok(format!("{} cut points give the bits of the whole", self.metadata.cut_points.len())))
    }

    fn sizes(&self) -> Done {
        let _no_graph = tch::no_grad_guard();
        let network = self.make()?;
        let [height, width] = self.metadata.min_size.map(i64::from);
        for size in [(height, width), (height, width + 13), (height + 7, width)] {
            let input = images(1, self.channels() as i64, size).map_err(text)?;
            let logits = network.forward(&input, false).map_err(|said| format!("{} x {}: {said}", size.0, size.1))?;
            if !is_finite(&logits)? {
                return Ok(error(format!("{} x {} pixels give logits that are not finite", size.0, size.1)));
            }
        }
        Ok(ok(format!("from {height} x {width} pixels on, square or not")))
    }

    fn seed(&self) -> Done {
        let weights = |seed| -> Result<Vec<Tensor>, String> {
            let network = self.make_with(self.channels(), Vec::new(), seed)?;
            Ok(network.variables().map_err(text)?.into_iter().map(|variable| variable.tensor).collect())
        };
        let (first, same, other) = (weights(1)?, weights(1)?, weights(2)?);
        if first != same {
            return Ok(error("the same seed gives other weights: draw only from libtorch's default generators"));
        }
        if first == other {
            return Ok(warning("another seed gives the same weights"));
        }
        Ok(ok("the seed alone decides the weights"))
    }

    fn variables(&self) -> Done {
        let variables = self.make()?.variables().map_err(text)?;
        let names: BTreeSet<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
        if names.len() != variables.len() {
            return Ok(error("two variables have the same name"));
        }
        if !variables.iter().any(|variable| variable.trainable) {
            return Ok(error("no variable can be trained"));
        }
        for variable in &variables {
            if !is_finite(&variable.tensor)? {
                return Ok(error(format!("{} is not finite", variable.name)));
            }
        }
        let trainable = variables.iter().filter(|variable| variable.trainable).count();
        Ok(ok(format!("{trainable} parameters and {} buffers", variables.len() - trainable)))
    }

    fn gradients(&self) -> Done {
        let (network, input) = (self.make()?, self.input(4)?);
        let trainable: Vec<_> =
            network.variables().map_err(text)?.into_iter().filter(|variable| variable.trainable).collect();
        let tensors: Vec<&Tensor> = trainable.iter().map(|variable| &variable.tensor).collect();
        // Nothing in here panics: each call returns its error.
        let gradients = tch::with_grad(|| -> Result<Vec<Tensor>, String> {
            let logits = network.forward(&input, true).map_err(text)?;
            let score = logits.f_mul(&logits).and_then(|squares| squares.f_sum(Kind::Float)).map_err(text)?;
            Tensor::f_run_backward(&[score], &tensors, false, false).map_err(|said| {
                format!(
                    "not every parameter takes part in a training step: {said}; list as trainable only what is used"
                )
            })
        })?;
        let still = |gradient: &Tensor| -> Result<bool, String> {
            Ok(gradient
                .f_abs()
                .and_then(|size| size.f_max())
                .and_then(|size| size.f_double_value(&[]))
                .map_err(text)?
                == 0.0)
        };
        let mut without = Vec::new();
        for (variable, gradient) in trainable.iter().zip(&gradients) {
            if still(gradient)? {
                without.push(variable.name.as_str());
            }
        }
        Ok(match without.as_slice() {
            [] => ok(format!("all {} parameters have a gradient", trainable.len())),
            [first, ..] => {
                warning(format!("{} parameters have no gradient in a step, the first: {first}", without.len()))
            }
        })
    }

    /// The host moves a network by replacing what its variables hold.
    fn replaced_storage(&self) -> Done {
        let _no_graph = tch::no_grad_guard();
        let (network, input) = (self.make()?, self.input(2)?);
        for mut variable in network.variables().map_err(text)? {
            let zeros = variable.tensor.f_zeros_like().map_err(text)?;
            variable.tensor.set_data(&zeros);
        }
        network.device_or_dtype_changed().map_err(text)?;
        let logits = network.forward(&input, false).map_err(text)?;
        let spread = logits.f_sub(&logits.f_narrow(0, 0, 1).map_err(text)?).and_then(|d| d.f_abs()).map_err(text)?;
        let spread = spread.f_max().and_then(|most| most.f_double_value(&[])).map_err(text)?;
        Ok(if spread > 1e-6 {
            error(
                "the network goes on with its old weights when their storage is replaced: keep tensors, not copies of them",
            )
        } else {
            ok("the network computes with what the host puts into its variables")
        })
    }

    fn double_precision(&self) -> Done {
        let _no_graph = tch::no_grad_guard();
        let (network, input) = (self.make()?, self.input(1)?);
        let single = network.forward(&input, false).map_err(text)?;
        for mut variable in network.variables().map_err(text)? {
            variable.tensor.set_data(&variable.tensor.f_to_kind(Kind::Double).map_err(text)?);
        }
        network.device_or_dtype_changed().map_err(text)?;
        let double = match network.forward(&input.f_to_kind(Kind::Double).map_err(text)?, false) {
            Ok(double) => double,
            Err(said) => {
                return Ok(warning(format!(
                    "it does not run in another type: {said}; make constants anew in `device_or_dtype_changed`"
                )));
            }
        };
        let apart = double.f_sub(&single.f_to_kind(Kind::Double).map_err(text)?).and_then(|d| d.f_abs()?.f_max());
        let apart = apart.and_then(|most| most.f_double_value(&[])).map_err(text)?;
        Ok(ok(format!("single and double precision differ by {apart:.1e}")))
    }

    fn taps(&self) -> Done {
        let _no_graph = tch::no_grad_guard();
        let (network, input) = (self.make()?, self.input(1)?);
        let Some(tapped) = network.forward_tapped(&input).map_err(text)? else {
            return Ok(ok("it has none: methods such as FullGrad refuse it"));
        };
        Ok(if tapped.logits == network.forward(&input, false).map_err(text)? {
            ok(format!("{} taps, and the bits of a plain pass", tapped.taps.len()))
        } else {
            error("a pass with taps gives other logits than one without")
        })
    }

    fn memory(&self) -> Done {
        let _no_graph = tch::no_grad_guard();
        let (network, input) = (self.make()?, self.input(1)?);
        let passes = || (0..PASSES).try_for_each(|_| network.forward(&input, false).map(drop).map_err(text));
        passes()?;
        let Some(grown) = least_growth(GROWTH, passes)? else {
            return Ok((Verdict::Skipped, "this system does not say how much memory is in use".to_owned()));
        };
        Ok(if grown > GROWTH {
            error(format!(
                "memory grew by {} MiB over {PASSES} passes: release what `forward_between` gives",
                grown >> 20
            ))
        } else {
            ok(format!("memory grew by {} KiB over {PASSES} passes", grown >> 10))
        })
    }
}

fn is_finite(tensor: &Tensor) -> Result<bool, String> {
    let finite = tensor.f_isfinite().and_then(|finite| finite.f_all()).map_err(text)?;
    Ok(finite.f_int64_value(&[]).map_err(text)? != 0)
}

/// Values to make a network with: every word, both ends of a range that is small.
fn values(kind: &ParameterKind) -> Vec<ParameterValue> {
    match kind {
        ParameterKind::Float { default, .. } => vec![ParameterValue::Float(*default)],
        ParameterKind::Int { min, max, default } if max.saturating_sub(*min) > 16 => {
            vec![ParameterValue::Int(*default)]
        }
        ParameterKind::Int { min, max, .. } => vec![ParameterValue::Int(*min), ParameterValue::Int(*max)],
        ParameterKind::Bool { .. } => vec![ParameterValue::Bool(false), ParameterValue::Bool(true)],
        ParameterKind::Choice { choices, .. } => choices.iter().cloned().map(ParameterValue::Choice).collect(),
    }
}
