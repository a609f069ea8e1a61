//! Model plugins: networks that Lightbox trains, evaluates and explains.
//!
//! A tensor is a [`TensorHandle`], an `at::Tensor *` of the libtorch that host and plugin share (tch's `*mut C_tensor`, and
//! the stable shim's `AtenTensorHandle`). An argument is borrowed for the call: the plugin makes its own reference (a shallow
//! clone) of what it keeps. A handle that the plugin gives out is a new reference, which the host ends with
//! [`Model::release`]. Gradient mode, autocast, number of threads and the random generators are libtorch's own and thus the host's
//! to set.

use core::ffi::{c_char, c_void};

use crate::{Parameter, ParameterValue, Status};

/// Id of the model capability; [`crate::Entry::get_factory`] gives a [`ModelFactory`] for it.
pub const MODEL_ID: &str = "lightbox.model/1";

/// A cut point that is the network's input, or its logits, in [`Model::forward_between`].
pub const CUT_END: i64 = -1;

/// Opaque: an `at::Tensor`.
#[repr(C)]
pub struct TorchTensor {
    _private: [u8; 0],
}

/// An `at::Tensor *`.
pub type TensorHandle = *mut TorchTensor;

/// What a network is. All pointers are valid until `deinit`.
#[repr(C)]
pub struct ModelDescriptor {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Id that the user types, such as `resnet50`: lower-case letters, digits, `-`, `_` and `+`.
    pub id: *const c_char,
    /// Name that the user reads, such as `ResNet-50`.
    pub name: *const c_char,
    /// The publication, on one line; may be null.
    pub reference: *const c_char,
    /// One paragraph; may be null.
    pub description: *const c_char,
    /// Native height of the input in pixels.
    pub input_height: u32,
    /// Native width of the input in pixels.
    pub input_width: u32,
    /// Least height of the input in pixels.
    pub minimum_height: u32,
    /// Least width of the input in pixels.
    pub minimum_width: u32,
    /// A [`crate::LAYOUT_IMAGE`] constant and its relatives.
    pub layout: u32,
    /// Number of dimensions of the input: 4 for images.
    pub dimensions: u32,
    /// Mean of each of three channels, in \[0,1\]; for one channel their average is taken.
    pub mean: [f64; 3],
    /// Standard deviation of each of three channels, in \[0,1\]; for one channel their average is taken.
    pub std: [f64; 3],
    /// Number of `channels`, at least 1.
    pub channel_count: u32,
    /// Number of `cut_points`, at least 1.
    pub cut_point_count: u32,
    /// The numbers of input channels that the network can be made with.
    pub channels: *const u32,
    /// Names of the cut points in the order the network computes them: torchvision's module paths.
    pub cut_points: *const *const c_char,
    /// Index of the cut point that methods use when none is named.
    pub default_cut_point: u32,
    /// Number of `options`.
    pub option_count: u32,
    /// The table of architecture options; may be null when empty.
    pub options: *const *const Parameter,
    /// URL of published weights for the default options; may be null.
    pub weights_url: *const c_char,
}

/// How to make a network.
#[repr(C)]
pub struct ModelRequest {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Id of the model.
    pub id: *const c_char,
    /// Number of classes, at least 1.
    pub class_count: u64,
    /// Number of input channels, one of the descriptor's.
    pub channel_count: u64,
    /// Seed of the initial weights. The host has seeded libtorch's default generators with it.
    pub seed: u64,
    /// Number of `options`.
    pub option_count: u64,
    /// One value for each row of the option table.
    pub options: *const *const ParameterValue,
}

/// The networks of a plugin. Valid until `deinit`; all its functions are `[main]`.
#[repr(C)]
pub struct ModelFactory {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Number of networks; the same at every call.
    pub count: Option<unsafe extern "C" fn(factory: *const ModelFactory) -> u32>,
    /// The descriptor of the network at `index`, valid until `deinit`, or null when there is none.
    pub descriptor: Option<unsafe extern "C" fn(factory: *const ModelFactory, index: u32) -> *const ModelDescriptor>,
    /// Makes a network, on the CPU in f32, and writes it to `out`. The host ends it with [`Model::destroy`]. On an error `out`
    /// is left alone.
    pub create: Option<
        unsafe extern "C" fn(
            factory: *const ModelFactory,
            request: *const ModelRequest,
            out: *mut *mut Model,
        ) -> Status,
    >,
}

/// A parameter or buffer of a network.
#[repr(C)]
pub struct Variable {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Name in torchvision's `state_dict`.
    pub name: *const c_char,
    /// The variable, borrowed for the visit. Its storage is the one that the network computes with.
    pub tensor: TensorHandle,
    /// 1 for a parameter, 0 for a buffer.
    pub trainable: u32,
    /// Number of `aliases`.
    pub alias_count: u32,
    /// Names of the same variable in older checkpoints.
    pub aliases: *const *const c_char,
}

/// Takes one variable; what it points to is borrowed for the call. Returns [`crate::STATUS_OK`] to go on; any other status ends
/// the listing, which then returns it.
pub type VariableVisitor = unsafe extern "C" fn(context: *mut c_void, variable: *const Variable) -> Status;

/// An instance of a network. All its functions are `[instance]`.
#[repr(C)]
pub struct Model {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// The plugin's own.
    pub context: *mut c_void,
    /// Runs the network from cut point `from` to cut point `to` and writes a new reference to `out`.
    ///
    /// `from` is an index into the descriptor's cut points, and `input` the value there, or [`CUT_END`] for the network's input
    /// \[N,C,H,W\]. `to` is a later cut point, or [`CUT_END`] for the logits \[N,K\]. The way over any cut points gives the
    /// same bits as the way past them. `train` is 1 while training (dropout, batch statistics), else 0. The input is not
    /// written to.
    pub forward_between: Option<
        unsafe extern "C" fn(
            model: *mut Model,
            input: TensorHandle,
            from: i64,
            to: i64,
            train: i32,
            out: *mut TensorHandle,
        ) -> Status,
    >,
    /// Shows every parameter and buffer to `visit`, always in the same order. The host may write to a variable's storage, or
    /// replace it (`set_data`) to change device or type, and then calls `device_or_dtype_changed`.
    pub variables:
        Option<unsafe extern "C" fn(model: *mut Model, visit: Option<VariableVisitor>, context: *mut c_void) -> Status>,
    /// Says that the variables are now on another device or of another type, for constants that are not listed; may be null.
    pub device_or_dtype_changed: Option<unsafe extern "C" fn(model: *mut Model) -> Status>,
    /// Ends a reference that this model gave out.
    pub release: Option<unsafe extern "C" fn(model: *mut Model, tensor: TensorHandle)>,
    /// Frees the network. Called once, also after [`crate::STATUS_PANICKED`].
    pub destroy: Option<unsafe extern "C" fn(model: *mut Model)>,
    /// Gives an optional capability of the instance by id, or null; may itself be null.
    pub get_extension: Option<unsafe extern "C" fn(model: *mut Model, id: *const c_char) -> *const c_void>,
}
