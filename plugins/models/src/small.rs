//! A small network for quick runs and tests: four convolutions with normalisation, global pooling, a linear layer.

use lightbox_plugin_torch::nn::{Builder, Chain, ConvSettings, pool_and_flatten};
use lightbox_plugin_torch::{CreateRequest, Error, Model, ModelDescriptor, Parameter, Variable};
use tch::Tensor;

/// Names of the cut points: the output of each convolution's ReLU.
const CUTS: [&str; 4] = ["features.0", "features.1", "features.2", "features.3"];

/// The network.
pub struct SmallCnn {
    chain: Chain,
    variables: Vec<Variable>,
}

impl Model for SmallCnn {
    fn descriptor() -> ModelDescriptor {
        ModelDescriptor {
            description: "four 3x3 convolutions of stride 2 (the first of stride 1) with batch normalisation and ReLU",
            input_size: (64, 64),
            min_size: (16, 16),
            cut_points: CUTS.to_vec(),
            default_layer: CUTS[3],
            channels: &[1, 3],
            options: vec![Parameter::int(
                "width",
                16,
                4,
                256,
                "channels of the first convolution; each next one has twice as many",
            )],
            ..ModelDescriptor::new("small-cnn", "Small CNN")
        }
    }

    fn create(request: &CreateRequest) -> Result<Self, Error> {
        let mut b = Builder::new();
        let mut chain = Chain::new();
        let (mut inputs, mut outputs) = (request.channels, request.options.int("width")?);
        for (index, name) in CUTS.into_iter().enumerate() {
            let stride = if index == 0 { 1 } else { 2 };
            let conv =
                b.conv2d(&format!("{name}.conv"), inputs, outputs, ConvSettings::new(3).stride(stride).padding(1))?;
            let norm = b.batch_norm2d(&format!("{name}.norm"), outputs)?;
            chain.cut(name, move |x: &Tensor, train| norm.forward(&conv.forward(x)?, train)?.f_relu_());
            (inputs, outputs) = (outputs, outputs * 2);
        }
        let classifier = b.linear("classifier", inputs, request.classes)?;
        chain.head(|x: &Tensor, _| pool_and_flatten(x));
        chain.head(move |x: &Tensor, _| classifier.forward(x));
        Ok(SmallCnn { chain, variables: b.finish() })
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
