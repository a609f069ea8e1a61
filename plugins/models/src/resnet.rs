//! ResNet50 (He et al. 2016), with the stride of a down-sampling block on its 3x3 convolution ("v1.5", torchvision's) or on
//! its first 1x1 ("v1", the paper's).

use lightbox_plugin_torch::nn::{
    BatchNorm2d, Builder, Chain, Conv2d, ConvSettings, Fan, Layer, kaiming_normal, pool_and_flatten,
};
use lightbox_plugin_torch::{CreateRequest, Error, Model, ModelDescriptor, Parameter, Variable};
use tch::{TchError, Tensor};

/// Blocks and width of each stage.
const STAGES: [(usize, i64); 4] = [(3, 64), (4, 128), (6, 256), (3, 512)];
/// Output channels of a block over its width.
const EXPANSION: i64 = 4;

/// Names of the blocks' cut points, by stage.
const BLOCKS: [&[&str]; 4] = [
    &["layer1.0", "layer1.1", "layer1"],
    &["layer2.0", "layer2.1", "layer2.2", "layer2"],
    &["layer3.0", "layer3.1", "layer3.2", "layer3.3", "layer3.4", "layer3"],
    &["layer4.0", "layer4.1", "layer4"],
];

/// The network.
pub struct ResNet50 {
    chain: Chain,
    variables: Vec<Variable>,
}

/// 1x1, 3x3, 1x1 convolutions around which the input goes unchanged or through a 1x1 of its own.
struct Bottleneck {
    convs: [Conv2d; 3],
    norms: [BatchNorm2d; 3],
    downsample: Option<(Conv2d, BatchNorm2d)>,
}

impl Bottleneck {
    fn new(b: &mut Builder, name: &str, inputs: i64, width: i64, stride: i64, v1: bool) -> Result<Self, TchError> {
        let (first, second) = if v1 { (stride, 1) } else { (1, stride) };
        let outputs = width * EXPANSION;
        let body = |b: &mut Builder| {
            let conv1 = b.conv2d(&format!("{name}.conv1"), inputs, width, ConvSettings::new(1).stride(first))?;
            let norm1 = b.batch_norm2d(&format!("{name}.bn1"), width)?;
            let middle = ConvSettings::new(3).stride(second).padding(1);
            let conv2 = b.conv2d(&format!("{name}.conv2"), width, width, middle)?;
            let norm2 = b.batch_norm2d(&format!("{name}.bn2"), width)?;
            let conv3 = b.conv2d(&format!("{name}.conv3"), width, outputs, ConvSettings::new(1))?;
            let norm3 = b.batch_norm2d(&format!("{name}.bn3"), outputs)?;
            Ok(([conv1, conv2, conv3], [norm1, norm2, norm3]))
        };
        if stride == 1 && inputs == outputs {
            let (convs, norms) = body(b)?;
            return Ok(Bottleneck { convs, norms, downsample: None });
        }
        // torchvision makes the down-sampling first and registers it last.
        let downsample = |b: &mut Builder| {
            let conv =
                b.conv2d(&format!("{name}.downsample.0"), inputs, outputs, ConvSettings::new(1).stride(stride))?;
            Ok((conv, b.batch_norm2d(&format!("{name}.downsample.1"), outputs)?))
        };
        let (downsample, (convs, norms)) = b.registered_last(downsample, body)?;
        Ok(Bottleneck { convs, norms, downsample: Some(downsample) })
    }

    /// The second round of initialisation, in the order of torchvision's `modules()`.
    fn initialise(&mut self) -> Result<(), TchError> {
        for conv in self.convs.iter_mut().chain(self.downsample.as_mut().map(|(conv, _)| conv)) {
            kaiming_normal(&mut conv.weight, Fan::Out)?;
        }
        Ok(())
    }
}

impl Layer for Bottleneck {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let [conv1, conv2, conv3] = &self.convs;
        let [norm1, norm2, norm3] = &self.norms;
        let x = norm1.forward(&conv1.forward(input)?, train)?.f_relu_()?;
        let x = norm2.forward(&conv2.forward(&x)?, train)?.f_relu_()?;
        let mut x = norm3.forward(&conv3.forward(&x)?, train)?;
        match &self.downsample {
            Some((conv, norm)) => x.f_add_(&norm.forward(&conv.forward(input)?, train)?)?.f_relu_(),
            None => x.f_add_(input)?.f_relu_(),
        }
    }
}

impl ResNet50 {
    fn build(request: &CreateRequest, v1: bool) -> Result<Self, Error> {
        let mut b = Builder::new();
        let stem = ConvSettings::new(7).stride(2).padding(3);
        let mut conv1 = b.conv2d("conv1", request.channels, 64, stem)?;
        let bn1 = b.batch_norm2d("bn1", 64)?;
        let mut blocks: Vec<(&'static str, Bottleneck)> = Vec::new();
        let mut inputs = 64;
        for (stage, (count, width)) in STAGES.into_iter().enumerate() {
            for (block, cut) in BLOCKS[stage].iter().enumerate().take(count) {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("layer{}.{block}", stage + 1);
                blocks.push((cut, Bottleneck::new(&mut b, &name, inputs, width, stride, v1)?));
                inputs = width * EXPANSION;
            }
        }
        let fc = b.linear("fc", inputs, request.classes)?;
        kaiming_normal(&mut conv1.weight, Fan::Out)?;
        for (_, block) in &mut blocks {
            block.initialise()?;
        }
        let mut chain = Chain::new();
        chain.cut("relu", move |x: &Tensor, train| bn1.forward(&conv1.forward(x)?, train)?.f_relu_());
        chain.cut("maxpool", |x: &Tensor, _| x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false));
        for (name, block) in blocks {
            chain.cut(name, block);
        }
        chain.head(|x: &Tensor, _| pool_and_flatten(x));
        chain.head(move |x: &Tensor, _| fc.forward(x));
        Ok(ResNet50 { chain, variables: b.finish() })
    }
}

impl Model for ResNet50 {
    fn descriptor() -> ModelDescriptor {
        let names = BLOCKS.iter().flat_map(|stage| stage.iter().copied());
        ModelDescriptor {
            reference: "He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
            description: "torchvision's resnet50; layerN is the output of the stage's last block",
            cut_points: ["relu", "maxpool"].into_iter().chain(names).collect(),
            default_layer: "layer4",
            channels: &[1, 3],
            options: vec![Parameter::choice(
                "variant",
                "v1.5",
                &["v1.5", "v1"],
                "stride of a down-sampling block on its 3x3 convolution (v1.5) or on its first 1x1 (v1)",
            )],
            weights_url: "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
            ..ModelDescriptor::new("resnet50", "ResNet-50")
        }
    }

    fn create(request: &CreateRequest) -> Result<Self, Error> {
        ResNet50::build(request, request.options.choice("variant")? == "v1")
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
