//! What a method says of itself, so that host and user know what it needs and what it gives.

/// What a method is, what it needs and what it gives.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributionDescriptor {
    /// Id that the user types, such as `gradcam`: lower-case letters, digits, `-`, `_` and `+`.
    pub id: &'static str,
    /// Name that the user reads, such as `Grad-CAM`.
    pub name: &'static str,
    /// The publication, on one line; may be empty.
    pub reference: &'static str,
    /// The formula, and what differs from the publication; may be empty.
    pub description: &'static str,
    /// What the method reads and calls.
    pub needs: Needs,
    /// Which tensors it takes.
    pub accepts: Accepts,
    /// One layer or several.
    pub layers: Layers,
    /// How the maps of several layers become one.
    pub merge: Merge,
    /// How many images a call takes.
    pub batch: Batch,
    /// Sign and size of the maps.
    pub output: Output,
    /// Whether the map depends on the seed.
    pub seeded: bool,
    /// The parameters that the user can set.
    pub parameters: Vec<Parameter>,
}

impl AttributionDescriptor {
    /// A deterministic method that needs nothing, takes any number of images and one layer or several (merged by their
    /// mean), and gives non-negative maps of the layer's size. Change what differs.
    pub fn new(id: &'static str, name: &'static str) -> Self {
        AttributionDescriptor {
            id,
            name,
            reference: "",
            description: "",
            needs: Needs::default(),
            accepts: Accepts::default(),
            layers: Layers::Several,
            merge: Merge::Mean,
            batch: Batch::Any,
            output: Output::default(),
            seeded: false,
            parameters: Vec::new(),
        }
    }
}

/// What a method reads and calls. What is not needed is not computed and not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Reads the layers' activations.
    pub activations: bool,
    /// Reads the gradient of the target's logit with respect to the activations.
    pub gradients: bool,
    /// Reads the network's input.
    pub input: bool,
    /// Reads the network's raw logits.
    pub scores: bool,
    /// Calls [`crate::Host::forward`].
    pub forward: bool,
    /// Calls [`crate::Host::forward_from`].
    pub forward_from: bool,
    /// Calls [`crate::Host::vjp`].
    pub vjp: bool,
}

/// Which tensors a method takes beside f32, row-major, in memory that the CPU reads: those it gets as [`crate::LentTensor`],
/// for example through `lightbox-plugin-torch`. What it does not take is converted by the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepts {
    /// On the device that the network is on.
    pub any_device: bool,
    /// With any strides.
    pub strides: bool,
    /// bfloat16.
    pub bf16: bool,
}

/// How many layers a method works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// Exactly one.
    One,
    /// One or several.
    Several,
}

/// How the maps of several layers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Their mean, taken by the host.
    Mean,
    /// Their sum, taken by the host.
    Sum,
    /// The plugin writes one map, of index 0.
    Plugin,
}

/// How many images a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// One; the host calls once for each image.
    Single,
    /// Any number.
    Any,
}

/// Sign and size of the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Below zero is evidence against the target. When false, the host takes max(map, 0).
    pub signed: bool,
    /// Size of the maps.
    pub resolution: Resolution,
}

impl Default for Output {
    fn default() -> Self {
        Output { signed: false, resolution: Resolution::Layer }
    }
}

/// Size of the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The layer's own.
    Layer,
    /// The input's.
    Input,
}

/// One row of a parameter table. The host refuses values outside its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name, unique in its table: lower-case letters, digits, `-` and `_`.
    pub name: &'static str,
    /// One sentence for the user.
    pub help: &'static str,
    /// Type, default and bounds.
    pub kind: ParameterKind,
}

/// Type, default and bounds of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterKind {
    /// A floating point number between `min` and `max`, both inclusive.
    Float {
        /// Value when the user sets none.
        default: f64,
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
    },
    /// An integer between `min` and `max`, both inclusive.
    Int {
        /// Value when the user sets none.
        default: i64,
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// True or false.
    Bool {
        /// Value when the user sets none.
        default: bool,
    },
    /// One of several words.
    Choice {
        /// Value when the user sets none: one of `choices`.
        default: &'static str,
        /// The words.
        choices: &'static [&'static str],
    },
}

impl Parameter {
    /// A floating point number between `min` and `max`, both inclusive.
    pub fn float(name: &'static str, default: f64, min: f64, max: f64, help: &'static str) -> Self {
        Parameter { name, help, kind: ParameterKind::Float { default, min, max } }
    }

    /// An integer between `min` and `max`, both inclusive.
    pub fn int(name: &'static str, default: i64, min: i64, max: i64, help: &'static str) -> Self {
        Parameter { name, help, kind: ParameterKind::Int { default, min, max } }
    }

    /// True or false.
    pub fn bool(name: &'static str, default: bool, help: &'static str) -> Self {
        Parameter { name, help, kind: ParameterKind::Bool { default } }
    }

    /// One of several words.
    pub fn choice(
        name: &'static str,
        default: &'static str,
        choices: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Parameter { name, help, kind: ParameterKind::Choice { default, choices } }
    }
}
