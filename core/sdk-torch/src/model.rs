//! A network as Lightbox sees it: a chain of named cut points, and variables under torchvision's names.

use lightbox_plugin::{Error, Parameter, Parameters};
use tch::Tensor;

/// What a network is.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDescriptor {
    /// Id that the user types, such as `resnet50`: lower-case letters, digits, `-`, `_` and `+`.
    pub id: &'static str,
    /// Name that the user reads, such as `ResNet-50`.
    pub name: &'static str,
    /// The publication, on one line; may be empty.
    pub reference: &'static str,
    /// What differs from the publication; may be empty.
    pub description: &'static str,
    /// Native (height, width) of the input in pixels.
    pub input_size: (u32, u32),
    /// Least (height, width) of the input in pixels.
    pub min_size: (u32, u32),
    /// Mean of each of three channels, in \[0,1\]; for one channel their average is taken.
    pub mean: [f64; 3],
    /// Standard deviation of each of three channels, in \[0,1\]; for one channel their average is taken.
    pub std: [f64; 3],
    /// The numbers of input channels that the network can be made with.
    pub channels: &'static [u32],
    /// Names of the cut points in the order the network computes them: torchvision's module paths.
    pub cut_points: Vec<&'static str>,
    /// The cut point that methods use when none is named: one of `cut_points`.
    pub default_layer: &'static str,
    /// Architecture options.
    pub options: Vec<Parameter>,
    /// URL of published weights for the default options; may be empty.
    pub weights_url: &'static str,
}

impl ModelDescriptor {
    /// A network for 224 x 224 images of 3 channels, normalised as on ImageNet, without options. Change what differs, and
    /// name the cut points.
    pub fn new(id: &'static str, name: &'static str) -> Self {
        ModelDescriptor {
            id,
            name,
            reference: "",
            description: "",
            input_size: (224, 224),
            min_size: (32, 32),
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            channels: &[3],
            cut_points: Vec::new(),
            default_layer: "",
            options: Vec::new(),
            weights_url: "",
        }
    }
}

/// How to make a network.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// Number of classes, at least 1.
    pub classes: i64,
    /// Number of input channels, one of the descriptor's.
    pub channels: i64,
    /// A value within bounds for every row of the option table.
    pub options: Parameters,
    /// Seed of the initial weights. libtorch's default generators are seeded with it before [`Model::create`].
    pub seed: u64,
}

/// A parameter or buffer of a network.
#[derive(Debug)]
pub struct Variable {
    /// Name in torchvision's `state_dict`.
    pub name: String,
    /// A shallow clone: its storage is the one that the network computes with.
    pub tensor: Tensor,
    /// A parameter, not a buffer.
    pub trainable: bool,
    /// Names of the same variable in older checkpoints.
    pub aliases: Vec<String>,
}

/// A network: a chain of segments between named cut points, made on the CPU in f32.
///
/// Gradient mode, autocast, threads and the random generators are the host's to set; randomness comes only from libtorch's
/// default generators. The host moves the network by replacing the storage of its variables (`set_data`), so keep tensors,
/// not pointers.
pub trait Model: Send {
    /// What the network is.
    fn descriptor() -> ModelDescriptor
    where
        Self: Sized;

    /// Makes a network with initial weights.
    fn create(request: &CreateRequest) -> Result<Self, Error>
    where
        Self: Sized;

    /// Runs the network from cut point `from` to cut point `to`, both indices into the descriptor's cut points. `from = None`
    /// begins at the input \[N,C,H,W\], `to = None` ends at the logits \[N,K\]. The way over any cut points gives the same
    /// bits as the way past them; `input` is not written to.
    fn forward_between(
        &self,
        input: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
        train: bool,
    ) -> Result<Tensor, Error>;

    /// Every parameter and buffer, always in the same order. `num_batches_tracked` is the host's and not listed.
    fn variables(&self) -> Vec<Variable>;

    /// The variables are now on another device or of another type. Only constants that are not listed need it.
    fn device_or_dtype_changed(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Whether every layer that adds a bias to an image is one of [`crate::nn`]: a convolution with a bias, a batch
    /// normalisation. The host can then show their outputs and gradients to methods such as FullGrad.
    fn has_taps(&self) -> bool {
        false
    }

    /// Runs the whole network.
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, Error> {
        self.forward_between(input, None, None, train)
    }

    /// Runs the network up to cut point `layer`.
    fn forward_to(&self, input: &Tensor, layer: usize, train: bool) -> Result<Tensor, Error> {
        self.forward_between(input, None, Some(layer), train)
    }

    /// Runs the rest of the network from cut point `layer` on.
    fn forward_from(&self, activations: &Tensor, layer: usize, train: bool) -> Result<Tensor, Error> {
        self.forward_between(activations, Some(layer), None, train)
    }
}
