//! Taps: outputs inside a network where a bias was added, with the gradients there. For FullGrad and its like.
//!
//! A network may offer them to the host ([`ModelTaps`], an extension of [`crate::Model`]), which then offers them to methods
//! ([`Taps`], an extension of [`crate::Run`]).

use core::ffi::{c_char, c_void};

use crate::{Model, Run, Status, Tensor, TensorHandle};

/// Id of a network's taps; [`Model::get_extension`] gives a [`ModelTaps`] for it.
pub const MODEL_TAPS_ID: &str = "lightbox.model-taps/1";

/// Id of the host's taps; [`Run::get_extension`] gives a [`Taps`] for it.
pub const TAPS_ID: &str = "lightbox.taps/1";

/// One tap of a network's forward pass.
#[repr(C)]
pub struct ModelTap {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Name of the layer, as the prefix of its variables' names, such as `layer1.0.bn1`.
    pub name: *const c_char,
    /// The layer's output \[N,C,h,w\] in the graph of the pass, borrowed for the visit. What comes after must not have written
    /// to it.
    pub output: TensorHandle,
    /// The bias \[C\] that the layer added, borrowed for the visit: a convolution's own; of a normalisation by running figures
    /// its effective one, b - mean w / sqrt(var + eps).
    pub bias: TensorHandle,
}

/// Takes one tap; what it points to is borrowed for the call. Returns [`crate::STATUS_OK`] to go on; any other status ends the
/// pass, which then returns it.
pub type TapVisitor = unsafe extern "C" fn(context: *mut c_void, tap: *const ModelTap) -> Status;

/// The taps of a network: each convolution with a bias and each normalisation.
#[repr(C)]
pub struct ModelTaps {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Runs the whole network in evaluation mode on `input` \[N,C,H,W\], shows every tap to `visit` in the order of
    /// computation, and writes a new reference to the logits \[N,K\], the same bits as those of
    /// [`Model::forward_between`], to `out`. `[instance]`
    pub forward: Option<
        unsafe extern "C" fn(
            model: *mut Model,
            input: TensorHandle,
            visit: Option<TapVisitor>,
            context: *mut c_void,
            out: *mut TensorHandle,
        ) -> Status,
    >,
}

// SAFETY: a table of function pointers is a constant, which every thread may read.
unsafe impl Sync for ModelTaps {}

/// What a tap is.
#[repr(C)]
pub struct TapInfo {
    /// Size of this struct in bytes, which the plugin sets.
    pub struct_size: u64,
    /// Name of the layer; valid until the taps are opened again and at most for the call of
    /// [`crate::Attribution::attribute`].
    pub name: *const c_char,
    /// Channels, C.
    pub channels: u64,
    /// Height, h.
    pub height: u64,
    /// Width, w.
    pub width: u64,
}

/// The taps of the network that is explained. `[run]`, under the rules of [`crate::Services`], whose `last_error` gives the text
/// of an error. A network without taps makes `open` return [`crate::STATUS_UNSUPPORTED`].
#[repr(C)]
pub struct Taps {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Runs the network on `point` \[M,C,H,W\] and takes the gradient of sum(cotangent * logits) at every tap; `cotangent` is
    /// \[M,K\]. Writes the number of taps to `count`. They stay until the next `open`. All M rows are in memory at once.
    pub open: Option<
        unsafe extern "C" fn(
            run: *const Run,
            point: *const Tensor,
            cotangent: *const Tensor,
            count: *mut u64,
        ) -> Status,
    >,
    /// Says what tap `index` is.
    pub describe: Option<unsafe extern "C" fn(run: *const Run, index: u64, info: *mut TapInfo) -> Status>,
    /// Writes the bias of tap `index` to `bias` \[C\].
    pub bias: Option<unsafe extern "C" fn(run: *const Run, index: u64, bias: *const Tensor) -> Status>,
    /// Writes the output of tap `index` to `output` \[M,C,h,w\].
    pub output: Option<unsafe extern "C" fn(run: *const Run, index: u64, output: *const Tensor) -> Status>,
    /// Writes the gradient at the output of tap `index` to `gradient` \[M,C,h,w\].
    pub gradient: Option<unsafe extern "C" fn(run: *const Run, index: u64, gradient: *const Tensor) -> Status>,
}

// SAFETY: as above.
unsafe impl Sync for Taps {}
