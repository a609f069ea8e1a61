//! VGG16 (Simonyan and Zisserman 2015), without batch normalisation.

use lightbox_plugin_torch::nn::{Builder, Chain, ConvSettings, Fan, dropout, kaiming_normal, normal};
use lightbox_plugin_torch::{CreateRequest, Error, Model, ModelDescriptor, Variable};
use tch::Tensor;

/// Channels of each convolution; 0 is a max-pool. torchvision's configuration "D".
const LAYERS: [i64; 18] = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0];
/// Names of the ReLUs and max-pools: positions within torchvision's `features`.
const CUTS: [&str; 18] = [
    "features.1",
    "features.3",
    "features.4",
    "features.6",
    "features.8",
    "features.9",
    "features.11",
    "features.13",
    "features.15",
    "features.16",
    "features.18",
    "features.20",
    "features.22",
    "features.23",
    "features.25",
    "features.27",
    "features.29",
    "features.30",
];
/// Width of the hidden layers of the classifier.
const HIDDEN: i64 = 4096;

/// The network.
pub struct Vgg16 {
    chain: Chain,
    variables: Vec<Variable>,
}

impl Model for Vgg16 {
    fn descriptor() -> ModelDescriptor {
        ModelDescriptor {
            reference: "Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015",
            description: "torchvision's vgg16; cut points are its ReLUs and max-pools",
            cut_points: CUTS.into_iter().chain(["avgpool"]).collect(),
            default_layer: "features.30",
            channels: &[1, 3],
            weights_url: "https://download.pytorch.org/models/vgg16-397923af.pth",
            ..ModelDescriptor::new("vgg16", "VGG-16")
        }
    }

    fn create(request: &CreateRequest) -> Result<Self, Error> {
        let mut b = Builder::new();
        let mut chain = Chain::new();
        let mut convs = Vec::new();
        let (mut inputs, mut index) = (request.channels, 0);
        for outputs in LAYERS {
            if outputs == 0 {
                convs.push(None);
                index += 1;
                continue;
            }
            let settings = ConvSettings::new(3).padding(1).with_bias();
            convs.push(Some(b.conv2d(&format!("features.{index}"), inputs, outputs, settings)?));
            inputs = outputs;
            index += 2;
        }
        let mut first = b.linear("classifier.0", inputs * 7 * 7, HIDDEN)?;
        let mut second = b.linear("classifier.3", HIDDEN, HIDDEN)?;
        let mut last = b.linear("classifier.6", HIDDEN, request.classes)?;
        for conv in convs.iter_mut().flatten() {
            kaiming_normal(&mut conv.weight, Fan::Out)?;
            if let Some(bias) = &mut conv.bias {
                crate::zero(bias)?;
            }
        }
        for linear in [&mut first, &mut second, &mut last] {
            normal(&mut linear.weight, 0.0, 0.01)?;
            crate::zero(&mut linear.bias)?;
        }
        for (name, conv) in CUTS.into_iter().zip(convs) {
            match conv {
                Some(conv) => chain.cut(name, move |x: &Tensor, _| conv.forward(x)?.f_relu_()),
                None => chain.cut(name, |x: &Tensor, _| x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)),
            }
        }
        chain.cut("avgpool", |x: &Tensor, _| x.f_adaptive_avg_pool2d([7, 7]));
        chain.head(move |x: &Tensor, train| dropout(&first.forward(&x.f_flatten(1, -1)?)?.f_relu_()?, 0.5, train));
        chain.head(move |x: &Tensor, train| dropout(&second.forward(x)?.f_relu_()?, 0.5, train));
        chain.head(move |x: &Tensor, _| last.forward(x));
        Ok(Vgg16 { chain, variables: b.finish() })
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
