//! A small residual network, with four layers to explain and a choice of how its shortcuts shrink an image.
//!
//! ```text
//! stem      conv 3x3, norm, ReLU                                    width
//! layer1    block, stride 1                                         width
//! layer2    block, stride 2                                     2 x width
//! layer3    block, stride 2                                     4 x width
//!           mean over all pixels, linear
//!
//! block     ReLU(norm(conv 3x3(ReLU(norm(conv 3x3, stride)))) + shortcut)
//! ```
//!
//! He et al. 2016, arXiv:1512.03385. With `shortcut=average` a shortcut takes the mean of 2 x 2 pixels before its 1x1 convolution
//! instead of every second pixel, as ResNet-D does: He et al. 2019, arXiv:1812.01187.

use lightbox_plugin_torch::nn::{BatchNorm2d, Builder, Chain, Conv2d, ConvSettings, Layer, pool_and_flatten};
use lightbox_plugin_torch::tch::{TchError, Tensor};
use lightbox_plugin_torch::{CreateRequest, Error, Model, ModelDescriptor, Parameter, Variable, export_plugin};

/// The blocks: name, channels in units of the width, stride.
const BLOCKS: [(&str, i64, i64); 3] = [("layer1", 1, 1), ("layer2", 2, 2), ("layer3", 4, 2)];

/// The network, with variables that share their memory with those of its layers.
struct Network {
    chain: Chain,
    variables: Vec<Variable>,
}

impl Model for Network {
    fn descriptor() -> ModelDescriptor {
        ModelDescriptor {
            reference: "after He et al. 2016, arXiv:1512.03385",
            description: "A stem and three residual blocks of two 3x3 convolutions, pooling, a linear layer.",
            input_size: (64, 64),
            min_size: (8, 8),
            channels: &[1, 3],
            cut_points: std::iter::once("stem").chain(BLOCKS.map(|(name, ..)| name)).collect(),
            // Deep enough to know classes, and still of a quarter of the image's size.
            default_layer: "layer3",
            options: vec![
                Parameter::int(
                    "width",
                    16,
                    1,
                    256,
                    "channels of the stem; the blocks have one, two and four times as many",
                ),
                Parameter::choice(
                    "shortcut",
                    "stride",
                    &["stride", "average"],
                    "how a shortcut shrinks the image: every second pixel, or the mean of 2 x 2",
                ),
            ],
            ..ModelDescriptor::new("small-resnet", "Small ResNet")
        }
    }

    fn create(request: &CreateRequest) -> Result<Self, Error> {
        let width = request.options.int("width")?;
        let average = request.options.choice("shortcut")? == "average";
        let (mut builder, mut chain) = (Builder::new(), Chain::new());
        let stem = Unit::new(&mut builder, "stem", (request.channels, width), 3, 1)?;
        chain.cut("stem", move |x: &Tensor, train| stem.forward(x, train)?.f_relu());
        let mut inputs = width;
        for (name, times, stride) in BLOCKS {
            chain.cut(name, Block::new(&mut builder, name, (inputs, times * width), stride, average)?);
            inputs = times * width;
        }
        let classifier = builder.linear("classifier", inputs, request.classes)?;
        chain.head(|x: &Tensor, _| pool_and_flatten(x));
        chain.head(move |x: &Tensor, _| classifier.forward(x));
        Ok(Network { chain, variables: builder.finish() })
    }

    fn forward_between(
        &self,
        input: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
        train: bool,
    ) -> Result<Tensor, Error> {
        self.chain.forward_between(input, from, to, train)
    }

    fn has_taps(&self) -> bool {
        true
    }

    fn variables(&self) -> Vec<Variable> {
        let share = |variable: &Variable| Variable {
            name: variable.name.clone(),
            tensor: variable.tensor.shallow_clone(),
            trainable: variable.trainable,
            aliases: variable.aliases.clone(),
        };
        self.variables.iter().map(share).collect()
    }
}

/// A convolution and its normalisation.
struct Unit {
    conv: Conv2d,
    norm: BatchNorm2d,
}

impl Unit {
    fn new(
        builder: &mut Builder,
        name: &str,
        (inputs, outputs): (i64, i64),
        kernel: i64,
        stride: i64,
    ) -> Result<Self, TchError> {
        let settings = ConvSettings::new(kernel).stride(stride).padding(kernel / 2);
        Ok(Unit {
            conv: builder.conv2d(&format!("{name}.conv"), inputs, outputs, settings)?,
            norm: builder.batch_norm2d(&format!("{name}.norm"), outputs)?,
        })
    }

    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        self.norm.forward(&self.conv.forward(input)?, train)
    }
}

/// Two units and what leads past them.
struct Block {
    first: Unit,
    second: Unit,
    /// Where size or channels change.
    shortcut: Option<Unit>,
    /// The shortcut's unit comes after a mean over 2 x 2 pixels.
    average: bool,
}

impl Block {
    fn new(
        builder: &mut Builder,
        name: &str,
        (inputs, outputs): (i64, i64),
        stride: i64,
        average: bool,
    ) -> Result<Self, TchError> {
        let average = average && stride > 1;
        let first = Unit::new(builder, &format!("{name}.first"), (inputs, outputs), 3, stride)?;
        let second = Unit::new(builder, &format!("{name}.second"), (outputs, outputs), 3, 1)?;
        let shortcut = if stride == 1 && inputs == outputs {
            None
        } else {
            let stride = if average { 1 } else { stride };
            Some(Unit::new(builder, &format!("{name}.shortcut"), (inputs, outputs), 1, stride)?)
        };
        Ok(Block { first, second, shortcut, average })
    }
}

impl Layer for Block {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let inner = self.first.forward(input, train)?.f_relu()?;
        let inner = self.second.forward(&inner, train)?;
        let past = match &self.shortcut {
            None => input.shallow_clone(),
            // Images of odd sizes keep their last row, as they do in a convolution of stride 2.
            Some(unit) if self.average => {
                unit.forward(&input.f_avg_pool2d([2, 2], [2, 2], [0, 0], true, false, None::<i64>)?, train)?
            }
            Some(unit) => unit.forward(input, train)?,
        };
        inner.f_add(&past)?.f_relu()
    }
}

export_plugin! {
    id: "org.lightbox.examples.model-rust",
    version: env!("CARGO_PKG_VERSION"),
    models: [Network],
}
