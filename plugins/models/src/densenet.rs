//! DenseNet121 (Huang et al. 2017).
//!
//! torchvision applies the last ReLU in place on the output of `features`, so a hook there sees the activation after it and
//! the gradient before it. Here the network is cut after the ReLU, at the cut point `relu`; `features.norm5` is before it.

use lightbox_plugin_torch::nn::{
    BatchNorm2d, Builder, Chain, Conv2d, ConvSettings, Fan, Layer, kaiming_normal, pool_and_flatten,
};
use lightbox_plugin_torch::{CreateRequest, Error, Model, ModelDescriptor, Variable};
use tch::{TchError, Tensor};

/// Layers of each dense block.
const BLOCKS: [usize; 4] = [6, 12, 24, 16];
/// Channels that a layer adds.
const GROWTH: i64 = 32;
/// Width of a layer's 1x1 convolution over its growth.
const BOTTLENECK: i64 = 4;

const BLOCK_NAMES: [&str; 4] =
    ["features.denseblock1", "features.denseblock2", "features.denseblock3", "features.denseblock4"];
const TRANSITION_NAMES: [&str; 3] = ["features.transition1", "features.transition2", "features.transition3"];

/// The network.
pub struct DenseNet121 {
    chain: Chain,
    variables: Vec<Variable>,
}

/// Normalise, ReLU, convolve, twice; the result is appended to the input.
struct DenseLayer {
    norm1: BatchNorm2d,
    conv1: Conv2d,
    norm2: BatchNorm2d,
    conv2: Conv2d,
}

/// Layers that each see what all before them added.
struct DenseBlock(Vec<DenseLayer>);

/// Half the channels, half the side.
struct Transition {
    norm: BatchNorm2d,
    conv: Conv2d,
}

impl DenseLayer {
    fn new(b: &mut Builder, name: &str, inputs: i64) -> Result<Self, TchError> {
        let width = BOTTLENECK * GROWTH;
        let layer = DenseLayer {
            norm1: b.batch_norm2d(&format!("{name}.norm1"), inputs)?,
            conv1: b.conv2d(&format!("{name}.conv1"), inputs, width, ConvSettings::new(1))?,
            norm2: b.batch_norm2d(&format!("{name}.norm2"), width)?,
            conv2: b.conv2d(&format!("{name}.conv2"), width, GROWTH, ConvSettings::new(3).padding(1))?,
        };
        // Checkpoints of before torchvision 0.3 have a dot in these names.
        for (part, figures) in [("norm", &["weight", "bias", "running_mean", "running_var"][..]), ("conv", &["weight"])]
        {
            for number in [1, 2] {
                for figure in figures {
                    b.alias(&format!("{name}.{part}{number}.{figure}"), format!("{name}.{part}.{number}.{figure}"));
                }
            }
        }
        Ok(layer)
    }
}

impl Layer for DenseBlock {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let mut parts = vec![input.shallow_clone()];
        for layer in &self.0 {
            let joined = if parts.len() == 1 { parts[0].shallow_clone() } else { Tensor::f_cat(&parts, 1)? };
            let x = layer.conv1.forward(&layer.norm1.forward(&joined, train)?.f_relu_()?)?;
            parts.push(layer.conv2.forward(&layer.norm2.forward(&x, train)?.f_relu_()?)?);
        }
        Tensor::f_cat(&parts, 1)
    }
}

impl Layer for Transition {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let x = self.conv.forward(&self.norm.forward(input, train)?.f_relu_()?)?;
        x.f_avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>)
    }
}

impl Model for DenseNet121 {
    fn descriptor() -> ModelDescriptor {
        let mut cut_points = vec!["features.relu0", "features.pool0"];
        for (index, name) in BLOCK_NAMES.into_iter().enumerate() {
            cut_points.push(name);
            cut_points.extend(TRANSITION_NAMES.get(index));
        }
        cut_points.extend(["features.norm5", "relu"]);
        ModelDescriptor {
            reference: "Huang et al., Densely Connected Convolutional Networks, CVPR 2017",
            description: "torchvision's densenet121; `relu` is the ReLU after features.norm5",
            cut_points,
            default_layer: "relu",
            channels: &[1, 3],
            weights_url: "https://download.pytorch.org/models/densenet121-a639ec97.pth",
            ..ModelDescriptor::new("densenet121", "DenseNet-121")
        }
    }

    fn create(request: &CreateRequest) -> Result<Self, Error> {
        let mut b = Builder::new();
        let mut channels = 2 * GROWTH;
        let mut conv0 =
            b.conv2d("features.conv0", request.channels, channels, ConvSettings::new(7).stride(2).padding(3))?;
        let norm0 = b.batch_norm2d("features.norm0", channels)?;
        let mut stages: Vec<(DenseBlock, Option<Transition>)> = Vec::new();
        for (index, count) in BLOCKS.into_iter().enumerate() {
            let mut layers = Vec::new();
            for layer in 1..=count {
                let name = format!("{}.denselayer{layer}", BLOCK_NAMES[index]);
                layers.push(DenseLayer::new(&mut b, &name, channels)?);
                channels += GROWTH;
            }
            let transition = match TRANSITION_NAMES.get(index) {
                Some(name) => {
                    let norm = b.batch_norm2d(&format!("{name}.norm"), channels)?;
                    let conv = b.conv2d(&format!("{name}.conv"), channels, channels / 2, ConvSettings::new(1))?;
                    channels /= 2;
                    Some(Transition { norm, conv })
                }
                None => None,
            };
            stages.push((DenseBlock(layers), transition));
        }
        let norm5 = b.batch_norm2d("features.norm5", channels)?;
        let mut classifier = b.linear("classifier", channels, request.classes)?;
        kaiming_normal(&mut conv0.weight, Fan::In)?;
        for (block, transition) in &mut stages {
            for layer in &mut block.0 {
                kaiming_normal(&mut layer.conv1.weight, Fan::In)?;
                kaiming_normal(&mut layer.conv2.weight, Fan::In)?;
            }
            if let Some(transition) = transition {
                kaiming_normal(&mut transition.conv.weight, Fan::In)?;
            }
        }
        crate::zero(&mut classifier.bias)?;

        let mut chain = Chain::new();
        chain.cut("features.relu0", move |x: &Tensor, train| norm0.forward(&conv0.forward(x)?, train)?.f_relu_());
        chain.cut("features.pool0", |x: &Tensor, _| x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false));
        for (index, (block, transition)) in stages.into_iter().enumerate() {
            chain.cut(BLOCK_NAMES[index], block);
            if let Some(transition) = transition {
                chain.cut(TRANSITION_NAMES[index], transition);
            }
        }
        chain.cut("features.norm5", move |x: &Tensor, train| norm5.forward(x, train));
        chain.cut("relu", |x: &Tensor, _| x.f_relu());
        chain.head(|x: &Tensor, _| pool_and_flatten(x));
        chain.head(move |x: &Tensor, _| classifier.forward(x));
        Ok(DenseNet121 { chain, variables: b.finish() })
    }

    fn forward_between(
        &self,
        x: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
        train: bool,
    ) -> Result<Tensor, Error> {
        self.chain.forward_between(x, from, to, train)
    }

    fn has_taps(&self) -> bool {
        true
    }

    fn variables(&self) -> Vec<Variable> {
        crate::share(&self.variables)
    }
}
