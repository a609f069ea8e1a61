//! Networks, images and the Python oracle for the tests of training.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::cell::Cell;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lightbox_engine::plugin::Variable;
use lightbox_engine::train::{ImageSource, Network, NetworkError, TrainData};
use tch::{Device, Kind, Tensor};

#[path = "../oracle/mod.rs"]
mod oracle;

/// One training at a time: libtorch's default generators belong to the whole process, as does the number of threads.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Images of random bytes whose class shows as a square, bright in one channel.
pub struct Images {
    pub side: usize,
    pub bytes: Vec<u8>,
    pub labels: Vec<usize>,
    pub classes: usize,
}

impl Images {
    pub fn new(count: usize, side: usize, classes: usize) -> Self {
        let mut state = 12345_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let labels: Vec<usize> = (0..count).map(|i| i % classes).collect();
        let mut bytes = Vec::with_capacity(count * side * side * 3);
        for label in &labels {
            for y in 0..side {
                for x in 0..side {
                    let square = y < side / 2 && x < side / 2;
                    for channel in 0..3 {
                        let noise = next() / 2;
                        bytes.push(if square && channel == label % 3 { 128 + noise } else { noise });
                    }
                }
            }
        }
        Self { side, bytes, labels, classes }
    }

    pub fn data<'a>(&'a self, train: &'a [usize], validation: &'a [usize]) -> TrainData<'a> {
        TrainData { source: self, labels: &self.labels, classes: self.classes, train, validation }
    }
}

impl ImageSource for Images {
    fn len(&self) -> usize {
        self.labels.len()
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

/// A list of named tensors, and layers that find theirs by name.
pub struct Weights(Vec<(String, Tensor, bool)>);

impl Weights {
    fn get(&self, name: &str) -> &Tensor {
        &self.0.iter().find(|(n, ..)| n == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn conv(&self, x: &Tensor, name: &str, stride: i64, padding: i64) -> Tensor {
        let weight = self.get(&format!("{name}.weight"));
        x.conv2d(weight, None::<Tensor>, [stride, stride], [padding, padding], [1, 1], 1)
    }

    fn norm(&self, x: &Tensor, name: &str, train: bool) -> Tensor {
        let part = |p: &str| Some(self.get(&format!("{name}.{p}")).shallow_clone());
        let (weight, bias) = (part("weight"), part("bias"));
        let (mean, variance) = (part("running_mean"), part("running_var"));
        x.batch_norm(weight, bias, mean, variance, train, 0.1, 1e-5, true)
    }

    fn linear(&self, x: &Tensor, name: &str) -> Tensor {
        x.linear(self.get(&format!("{name}.weight")), Some(self.get(&format!("{name}.bias"))))
    }
}

/// What a test network is made of.
#[derive(Clone, Copy, PartialEq)]
pub enum Kindred {
    /// Convolution, normalisation, dropout, two residual steps: random numbers and running statistics.
    Small,
    /// One convolution and a linear layer, no normalisation: a mean over parts is the mean over the whole.
    Plain,
    /// torchvision's ResNet50, version 1.5.
    ResNet50,
}

/// A network written for the tests.
pub struct TestNetwork {
    weights: Weights,
    kindred: Kindred,
    /// More images at once than this is "out of memory".
    pub most_images: Cell<usize>,
    /// Forward passes in training mode after which logits become NaN.
    pub nan_after: Cell<Option<usize>>,
}

impl TestNetwork {
    /// With weights drawn from a seed.
    pub fn new(kindred: Kindred, seed: i64) -> Self {
        tch::manual_seed(seed);
        let mut list: Vec<(String, Tensor, bool)> = Vec::new();
        let cpu = (Kind::Float, Device::Cpu);
        let weight = |name: &str, shape: &[i64], list: &mut Vec<(String, Tensor, bool)>| {
            list.push((name.into(), Tensor::randn(shape, cpu) * 0.2, true));
        };
        match kindred {
            Kindred::Plain => {
                weight("conv.weight", &[6, 3, 3, 3], &mut list);
                weight("fc.weight", &[3, 6 * 4 * 4], &mut list);
                weight("fc.bias", &[3], &mut list);
            }
            Kindred::Small => {
                for (name, input) in [("conv1", 3), ("conv2", 8), ("conv3", 8)] {
                    weight(&format!("{name}.weight"), &[8, input, 3, 3], &mut list);
                    let norm = name.replace("conv", "bn");
                    for (part, value, trainable) in [
                        ("weight", 1.0, true),
                        ("bias", 0.0, true),
                        ("running_mean", 0.0, false),
                        ("running_var", 1.0, false),
                    ] {
                        list.push((format!("{norm}.{part}"), Tensor::full([8], value, cpu), trainable));
                    }
                }
                weight("fc.weight", &[3, 8], &mut list);
                weight("fc.bias", &[3], &mut list);
            }
            Kindred::ResNet50 => panic!("comes from a file"),
        }
        Self::with(Weights(list), kindred)
    }

    /// torchvision's ResNet50 with the weights of a safetensors file.
    pub fn resnet50(file: &Path) -> Self {
        let tensors = Tensor::read_safetensors(file).unwrap();
        let trainable = |name: &str| !name.contains("running_");
        let list = tensors.into_iter().filter(|(n, _)| !n.ends_with("num_batches_tracked"));
        let mut list: Vec<_> = list.map(|(n, t)| (n.clone(), t, trainable(&n))).collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        Self::with(Weights(list), Kindred::ResNet50)
    }

    fn with(weights: Weights, kindred: Kindred) -> Self {
        Self { weights, kindred, most_images: Cell::new(usize::MAX), nan_after: Cell::new(None) }
    }

    /// All values, for comparisons of bits.
    pub fn bits(&self) -> Vec<(String, Vec<u8>)> {
        let bytes = |t: &Tensor| {
            let t = t.detach().contiguous();
            let mut bytes = vec![0; t.numel() * 4];
            t.copy_data_u8(&mut bytes, t.numel());
            bytes
        };
        self.weights.0.iter().map(|(n, t, _)| (n.clone(), bytes(t))).collect()
    }

    fn logits(&self, x: &Tensor, train: bool) -> Tensor {
        let w = &self.weights;
        match self.kindred {
            Kindred::Plain => {
                let x = w.conv(x, "conv", 1, 1).tanh().adaptive_avg_pool2d([4, 4]);
                w.linear(&x.flatten(1, -1), "fc")
            }
            Kindred::Small => {
                let mut x = w.norm(&w.conv(x, "conv1", 2, 1), "bn1", train).relu();
                for i in 2..4 {
                    let y = w.norm(&w.conv(&x, &format!("conv{i}"), 1, 1), &format!("bn{i}"), train);
                    x = (&x + y).relu();
                }
                w.linear(&x.mean_dim([2_i64, 3].as_slice(), false, None).dropout(0.3, train), "fc")
            }
            Kindred::ResNet50 => {
                let x = w.norm(&w.conv(x, "conv1", 2, 3), "bn1", train).relu_();
                let mut x = x.max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false);
                for (layer, blocks) in [(1, 3), (2, 4), (3, 6), (4, 3)] {
                    for block in 0..blocks {
                        let name = |part: &str| format!("layer{layer}.{block}.{part}");
                        let stride = if block == 0 && layer > 1 { 2 } else { 1 };
                        let y = w.norm(&w.conv(&x, &name("conv1"), 1, 0), &name("bn1"), train).relu_();
                        let y = w.norm(&w.conv(&y, &name("conv2"), stride, 1), &name("bn2"), train).relu_();
                        let mut y = w.norm(&w.conv(&y, &name("conv3"), 1, 0), &name("bn3"), train);
                        let skip = if block == 0 {
                            w.norm(&w.conv(&x, &name("downsample.0"), stride, 0), &name("downsample.1"), train)
                        } else {
                            x
                        };
                        x = y.g_add_(&skip).relu_();
                    }
                }
                w.linear(&x.adaptive_avg_pool2d([1, 1]).flatten(1, -1), "fc")
            }
        }
    }
}

impl Network for TestNetwork {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, NetworkError> {
        if input.size()[0] as usize > self.most_images.get() {
            return Err(NetworkError { message: "CUDA out of memory. Tried to allocate 2.00 GiB".into() });
        }
        let logits = self.logits(input, train);
        match self.nan_after.get() {
            Some(0) if train => Ok(logits * f64::NAN),
            Some(n) if train => {
                self.nan_after.set(Some(n - 1));
                Ok(logits)
            }
            _ => Ok(logits),
        }
    }

    fn variables(&self) -> Result<Vec<Variable>, NetworkError> {
        let row = |(name, tensor, trainable): &(String, Tensor, bool)| Variable {
            name: name.clone(),
            tensor: tensor.shallow_clone(),
            trainable: *trainable,
            aliases: Vec::new(),
        };
        Ok(self.weights.0.iter().map(row).collect())
    }
}

/// Runs `tests/oracles/NAME` with arguments and gives its JSON.
pub fn oracle(name: &str, arguments: &[&Path]) -> serde_json::Value {
    let output = oracle::command(name).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Numbers of a JSON list.
pub fn numbers(list: &serde_json::Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}
