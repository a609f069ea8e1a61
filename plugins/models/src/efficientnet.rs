//! EfficientNet-B0 (Tan and Le 2019).

use lightbox_plugin_torch::nn::{
    BatchNorm2d, Builder, Chain, Conv2d, ConvSettings, Fan, Layer, dropout, kaiming_normal, pool_and_flatten,
    stochastic_depth, uniform,
};
use lightbox_plugin_torch::{CreateRequest, Error, Model, ModelDescriptor, Variable};
use tch::{TchError, Tensor};

/// One stage: (expansion, kernel, stride of the first block, input channels, output channels, blocks).
const STAGES: [(i64, i64, i64, i64, i64, usize); 7] = [
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
];
/// Channels before the classifier.
const LAST_CHANNELS: i64 = 1280;
/// Share of images that the last block's residual is dropped for; blocks before it, in proportion to their place.
const STOCHASTIC_DEPTH: f64 = 0.2;
const DROPOUT: f64 = 0.2;

/// Names of the blocks' cut points, by stage: the last block's output is the stage's.
const BLOCKS: [&[&str]; 7] = [
    &["features.1"],
    &["features.2.0", "features.2"],
    &["features.3.0", "features.3"],
    &["features.4.0", "features.4.1", "features.4"],
    &["features.5.0", "features.5.1", "features.5"],
    &["features.6.0", "features.6.1", "features.6.2", "features.6"],
    &["features.7"],
];

/// The network.
pub struct EfficientNetB0 {
    chain: Chain,
    variables: Vec<Variable>,
}

/// Convolution and normalisation, with or without SiLU behind them.
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm2d,
}

impl ConvNorm {
    fn new(b: &mut Builder, name: &str, inputs: i64, outputs: i64, settings: ConvSettings) -> Result<Self, TchError> {
        let conv = b.conv2d(&format!("{name}.0"), inputs, outputs, settings)?;
        Ok(ConvNorm { conv, norm: b.batch_norm2d(&format!("{name}.1"), outputs)? })
    }

    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        self.norm.forward(&self.conv.forward(input)?, train)
    }
}

/// Expand, depthwise convolution, squeeze and excitation, project.
struct MbConv {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    squeeze: Conv2d,
    excite: Conv2d,
    project: ConvNorm,
    residual: bool,
    drop: f64,
}

impl MbConv {
    fn new(
        b: &mut Builder,
        name: &str,
        (expansion, kernel, stride): (i64, i64, i64),
        (inputs, outputs): (i64, i64),
        drop: f64,
    ) -> Result<Self, TchError> {
        let width = inputs * expansion;
        let mut part = 0;
        let mut next = || {
            part += 1;
            format!("{name}.block.{}", part - 1)
        };
        let expand = match expansion {
            1 => None,
            _ => Some(ConvNorm::new(b, &next(), inputs, width, ConvSettings::new(1))?),
        };
        let settings = ConvSettings::new(kernel).stride(stride).padding((kernel - 1) / 2).groups(width);
        let depthwise = ConvNorm::new(b, &next(), width, width, settings)?;
        let attention = next();
        let squeezed = (inputs / 4).max(1);
        let squeeze = b.conv2d(&format!("{attention}.fc1"), width, squeezed, ConvSettings::new(1).with_bias())?;
        let excite = b.conv2d(&format!("{attention}.fc2"), squeezed, width, ConvSettings::new(1).with_bias())?;
        let project = ConvNorm::new(b, &next(), width, outputs, ConvSettings::new(1))?;
        let residual = stride == 1 && inputs == outputs;
        Ok(MbConv { expand, depthwise, squeeze, excite, project, residual, drop })
    }

    fn initialise(&mut self) -> Result<(), TchError> {
        if let Some(expand) = &mut self.expand {
            kaiming_normal(&mut expand.conv.weight, Fan::Out)?;
        }
        let rest = [&mut self.depthwise.conv, &mut self.squeeze, &mut self.excite, &mut self.project.conv];
        for conv in rest {
            kaiming_normal(&mut conv.weight, Fan::Out)?;
            if let Some(bias) = &mut conv.bias {
                crate::zero(bias)?;
            }
        }
        Ok(())
    }
}

impl Layer for MbConv {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let expanded = match &self.expand {
            Some(expand) => expand.forward(input, train)?.f_silu()?,
            None => input.shallow_clone(),
        };
        let x = self.depthwise.forward(&expanded, train)?.f_silu()?;
        let scale = self.squeeze.forward(&x.f_adaptive_avg_pool2d([1, 1])?)?.f_silu()?;
        let scale = self.excite.forward(&scale)?.f_sigmoid()?;
        let x = self.project.forward(&scale.f_mul(&x)?, train)?;
        if self.residual { stochastic_depth(&x, self.drop, train)?.f_add(input) } else { Ok(x) }
    }
}

impl Model for EfficientNetB0 {
    fn descriptor() -> ModelDescriptor {
        let names = BLOCKS.iter().flat_map(|stage| stage.iter().copied());
        ModelDescriptor {
            reference: "Tan and Le, EfficientNet, ICML 2019",
            description: "torchvision's efficientnet_b0; features.N is the output of the stage's last block",
            cut_points: ["features.0"].into_iter().chain(names).chain(["features.8"]).collect(),
            default_layer: "features.8",
            channels: &[1, 3],
            weights_url: "https://download.pytorch.org/models/efficientnet_b0_rwightman-7f5810bc.pth",
            ..ModelDescriptor::new("efficientnet-b0", "EfficientNet-B0")
        }
    }

    fn create(request: &CreateRequest) -> Result<Self, Error> {
        let mut b = Builder::new();
        let stem = ConvSettings::new(3).stride(2).padding(1);
        let mut first = ConvNorm::new(&mut b, "features.0", request.channels, STAGES[0].3, stem)?;
        let total: usize = STAGES.iter().map(|stage| stage.5).sum();
        let mut blocks: Vec<(&'static str, MbConv)> = Vec::new();
        for (stage, (expansion, kernel, stride, inputs, outputs, count)) in STAGES.into_iter().enumerate() {
            for (block, cut) in BLOCKS[stage].iter().enumerate().take(count) {
                let (stride, inputs) = if block == 0 { (stride, inputs) } else { (1, outputs) };
                let drop = STOCHASTIC_DEPTH * blocks.len() as f64 / total as f64;
                let name = format!("features.{}.{block}", stage + 1);
                let made = MbConv::new(&mut b, &name, (expansion, kernel, stride), (inputs, outputs), drop)?;
                blocks.push((cut, made));
            }
        }
        let mut last = ConvNorm::new(&mut b, "features.8", STAGES[6].4, LAST_CHANNELS, ConvSettings::new(1))?;
        let mut classifier = b.linear("classifier.1", LAST_CHANNELS, request.classes)?;
        kaiming_normal(&mut first.conv.weight, Fan::Out)?;
        for (_, block) in &mut blocks {
            block.initialise()?;
        }
        kaiming_normal(&mut last.conv.weight, Fan::Out)?;
        let range = 1.0 / (request.classes as f64).sqrt();
        uniform(&mut classifier.weight, -range, range)?;
        crate::zero(&mut classifier.bias)?;

        let mut chain = Chain::new();
        chain.cut("features.0", move |x: &Tensor, train| first.forward(x, train)?.f_silu());
        for (name, block) in blocks {
            chain.cut(name, block);
        }
        chain.cut("features.8", move |x: &Tensor, train| last.forward(x, train)?.f_silu());
        chain.head(|x: &Tensor, _| pool_and_flatten(x));
        chain.head(move |x: &Tensor, train| classifier.forward(&dropout(x, DROPOUT, train)?));
        Ok(EfficientNetB0 { chain, variables: b.finish() })
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
