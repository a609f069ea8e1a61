//! Attribution plugins: methods that say which part of an image a network's answer rests on.

use core::ffi::{c_char, c_void};

use crate::{Parameter, ParameterValue, Run, Status, Tensor, TensorDevice};

/// Id of the attribution capability; [`crate::Entry::get_factory`] gives an [`AttributionFactory`] for it.
pub const ATTRIBUTION_ID: &str = "lightbox.attribution/1";

/// The method reads the layers' activations.
pub const NEED_ACTIVATIONS: u64 = 1 << 0;
/// The method reads the gradient of the target's logit with respect to the layers' activations.
pub const NEED_GRADIENTS: u64 = 1 << 1;
/// The method reads the network's input.
pub const NEED_INPUT: u64 = 1 << 2;
/// The method reads the network's scores of the input.
pub const NEED_SCORES: u64 = 1 << 3;
/// The method calls [`crate::Services::forward`].
pub const NEED_FORWARD: u64 = 1 << 4;
/// The method calls [`crate::Services::forward_from`].
pub const NEED_FORWARD_FROM: u64 = 1 << 5;
/// The method calls [`crate::Services::vjp`].
pub const NEED_VJP: u64 = 1 << 6;

/// The method works on one layer.
pub const LAYERS_ONE: u32 = 1;
/// The method works on one layer or on several.
pub const LAYERS_SEVERAL: u32 = 2;

/// The maps of several layers are merged by their mean, by the host.
pub const MERGE_MEAN: u32 = 1;
/// The maps of several layers are merged by their sum, by the host.
pub const MERGE_SUM: u32 = 2;
/// The plugin merges: it writes one map, of index 0, whatever the number of layers.
pub const MERGE_PLUGIN: u32 = 3;

/// The method takes one image per call; the host calls it once for each.
pub const BATCH_SINGLE: u32 = 1;
/// The method takes any number of images per call.
pub const BATCH_ANY: u32 = 2;

/// Activations are \[N,C,h,w\], 4 dimensions.
pub const LAYOUT_IMAGE: u32 = 1;
/// Activations are \[N,C,d,h,w\], 5 dimensions. Not served yet.
pub const LAYOUT_VOLUME: u32 = 2;
/// Activations are \[N,tokens,C\], 3 dimensions. Not served yet.
pub const LAYOUT_TOKENS: u32 = 3;

/// The map is evidence for the target; the host takes max(map, 0) before it scales.
pub const SIGN_NON_NEGATIVE: u32 = 1;
/// The map is signed: below zero is evidence against the target.
pub const SIGN_SIGNED: u32 = 2;

/// A map has the layer's own size, \[N,h,w\].
pub const RESOLUTION_LAYER: u32 = 1;
/// A map has the input's size, \[N,H,W\].
pub const RESOLUTION_INPUT: u32 = 2;

/// The same request gives the same map.
pub const RANDOMNESS_NONE: u32 = 1;
/// The same request with the same seed gives the same map.
pub const RANDOMNESS_SEEDED: u32 = 2;

/// Tensors may be on any device.
pub const WANT_ANY_DEVICE: u32 = 1;
/// Tensors must be in memory that the CPU reads.
pub const WANT_CPU: u32 = 2;

/// The method reads tensors by their strides: they need not be row-major.
pub const ACCEPT_STRIDES: u64 = 1 << 0;
/// The method reads bfloat16 as well as f32.
pub const ACCEPT_BF16: u64 = 1 << 1;

/// What a method is. Enumerations that the host does not know make the method unsupported, with a sentence that says so.
///
/// All pointers are valid until `deinit`.
#[repr(C)]
pub struct AttributionDescriptor {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Id that the user types, such as `gradcam`: lower-case letters, digits, `-`, `_` and `+`.
    pub id: *const c_char,
    /// Name that the user reads, such as `Grad-CAM`.
    pub name: *const c_char,
    /// The publication, on one line; may be null.
    pub reference: *const c_char,
    /// One paragraph: the formula and what differs from the publication; may be null.
    pub description: *const c_char,
    /// `NEED_` flags.
    pub needs: u64,
    /// `ACCEPT_` flags.
    pub accepts: u64,
    /// A `LAYERS_` constant.
    pub layers: u32,
    /// A `MERGE_` constant.
    pub merge: u32,
    /// A `BATCH_` constant.
    pub batch: u32,
    /// A `LAYOUT_` constant.
    pub layout: u32,
    /// Number of dimensions of the activations: 4 for [`LAYOUT_IMAGE`].
    pub dimensions: u32,
    /// A `SIGN_` constant.
    pub sign: u32,
    /// A `RESOLUTION_` constant.
    pub resolution: u32,
    /// A `RANDOMNESS_` constant.
    pub randomness: u32,
    /// A `WANT_` constant.
    pub device: u32,
    /// Number of `parameters`.
    pub parameter_count: u32,
    /// The table of parameters; may be null when empty.
    pub parameters: *const *const Parameter,
}

/// The methods of a plugin. Valid until `deinit`; all its functions are `[main]`.
#[repr(C)]
pub struct AttributionFactory {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Number of methods; the same at every call.
    pub count: Option<unsafe extern "C" fn(factory: *const AttributionFactory) -> u32>,
    /// The descriptor of the method at `index`, valid until `deinit`, or null when there is none (then the last error says
    /// why).
    pub descriptor:
        Option<unsafe extern "C" fn(factory: *const AttributionFactory, index: u32) -> *const AttributionDescriptor>,
    /// Makes an instance of the method `id` with the given parameter values (one for each row of its table) and writes it to
    /// `out`. The host ends it with [`Attribution::destroy`]. On an error `out` is left alone.
    pub create: Option<
        unsafe extern "C" fn(
            factory: *const AttributionFactory,
            id: *const c_char,
            values: *const *const ParameterValue,
            value_count: u32,
            out: *mut *mut Attribution,
        ) -> Status,
    >,
}

/// An instance of a method.
#[repr(C)]
pub struct Attribution {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// The plugin's own.
    pub context: *mut c_void,
    /// Computes the maps of a request. `[instance]`
    ///
    /// Takes each map's memory from `maps` and writes every element: raw values, since scaling and resizing are the host's.
    /// It may call the services of `request.run`. Everything borrowed ends with the call.
    pub attribute: Option<
        unsafe extern "C" fn(attribution: *mut Attribution, request: *const Request, maps: *const Maps) -> Status,
    >,
    /// Frees the instance. `[instance]` Called once, also after [`crate::STATUS_PANICKED`].
    pub destroy: Option<unsafe extern "C" fn(attribution: *mut Attribution)>,
    /// Gives an optional capability of the instance by id, or null; may itself be null. `[instance]`
    pub get_extension: Option<unsafe extern "C" fn(attribution: *mut Attribution, id: *const c_char) -> *const c_void>,
}

/// One layer of a request.
#[repr(C)]
pub struct Layer {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Name of the layer (its cut point), such as `layer4`.
    pub name: *const c_char,
    /// Height of the layer's activations.
    pub height: u64,
    /// Width of the layer's activations.
    pub width: u64,
    /// Activations \[N,C,h,w\]; null unless needed.
    pub activations: *const Tensor,
    /// Gradient of the target's logit with respect to the activations, \[N,C,h,w\]; null unless needed.
    pub gradients: *const Tensor,
}

/// What to explain: N images, one target class each, at one layer or several.
#[repr(C)]
pub struct Request {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Number of images, N.
    pub image_count: u64,
    /// Number of classes, K.
    pub class_count: u64,
    /// Height of the network's input, H.
    pub input_height: u64,
    /// Width of the network's input, W.
    pub input_width: u64,
    /// Channels of the network's input, C.
    pub input_channels: u64,
    /// N class indices, each below K.
    pub targets: *const u64,
    /// The normalised input \[N,C,H,W\]; null unless needed.
    pub input: *const Tensor,
    /// Raw logits \[N,K\]; null unless needed.
    pub scores: *const Tensor,
    /// Number of `layers`, at least 1.
    pub layer_count: u64,
    /// The layers, in the order asked for.
    pub layers: *const *const Layer,
    /// Seed of the request.
    pub seed: u64,
    /// N seeds, one for each image, which do not depend on how the images were batched.
    pub image_seeds: *const u64,
    /// The CUDA stream that tensors on a CUDA device are ordered on (a `cudaStream_t`); null on the CPU and for the default
    /// stream.
    pub cuda_stream: *mut c_void,
    /// The device that the network runs on. The request's tensors are there too, unless the descriptor wants them on the CPU;
    /// a service takes tensors there or on the CPU.
    pub device: TensorDevice,
    /// What the host does for the method during this call.
    pub run: *const Run,
}

/// Where the maps go: memory that the host allocates.
#[repr(C)]
pub struct Maps {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// The host's own.
    pub context: *mut c_void,
    /// Number of maps to write: the number of layers, or 1 when the plugin merges.
    pub map_count: u64,
    /// Gives the memory of map `index`, f32 \[N,height,width\] row-major in CPU memory, at `out`. `[run]`
    ///
    /// The memory is valid until `attribute` returns. Asking again for the same index gives the same memory when the size is
    /// the same, and fails when it is another. All elements are NaN at first, so that one left out is found.
    pub get: Option<
        unsafe extern "C" fn(maps: *const Maps, index: u64, height: u64, width: u64, out: *mut *mut f32) -> Status,
    >,
}
