//! What the host does for a method while it runs.

use core::ffi::{c_char, c_void};

use crate::{Status, Tensor};

/// Id of the host services; [`Run::get_extension`] gives a [`Services`] for it.
pub const SERVICES_ID: &str = "lightbox.services/1";

/// Place of a gradient: the network's input. Places from 0 on are layers of the request.
pub const AT_INPUT: i64 = -1;

/// Resize: first scale each map by S(c) = (c - min c) / (1e-7 + max(c - min c)).
pub const RESIZE_SCALE: u32 = 1 << 0;
/// Resize: the centres of the corner pixels of both grids coincide (`align_corners=true`).
pub const RESIZE_ALIGN_CORNERS: u32 = 1 << 1;

/// Log level: something is wrong with the result.
pub const LOG_ERROR: u32 = 1;
/// Log level: something may be wrong with the result.
pub const LOG_WARNING: u32 = 2;
/// Log level: worth knowing.
pub const LOG_INFO: u32 = 3;
/// Log level: for the author of the plugin.
pub const LOG_DEBUG: u32 = 4;

/// One call of [`crate::Attribution::attribute`], as the host sees it. Valid until that call returns.
#[repr(C)]
pub struct Run {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// The host's own.
    pub context: *mut c_void,
    /// Gives a capability of the host by id, or null when it has none of that id. `[run]` [`SERVICES_ID`] gives a
    /// [`Services`], [`crate::HVP_ID`] a [`crate::Hvp`], [`crate::TAPS_ID`] a [`crate::Taps`], [`crate::KEEP_ID`] a
    /// [`crate::Keep`].
    pub get_extension: Option<unsafe extern "C" fn(run: *const Run, id: *const c_char) -> *const c_void>,
}

/// Host services. All are `[run]`, none may be re-entered, and only those named in the descriptor's needs are promised. The
/// host owns batching, the device, the absence of gradients and the retreat when memory runs out: a method may pass any
/// number of rows.
///
/// A tensor argument is lent by the plugin: f32, on the CPU or on the device of the request's tensors. An output tensor is
/// lent too; the host writes it. The memory of both may be reused as soon as the call returns.
#[repr(C)]
pub struct Services {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Runs the network: `batch` \[M,C,H,W\] to logits `scores` \[M,K\].
    pub forward: Option<unsafe extern "C" fn(run: *const Run, batch: *const Tensor, scores: *const Tensor) -> Status>,
    /// Runs the rest of the network: `activations` \[M,C',h,w\] at layer `layer` of the request to logits `scores` \[M,K\].
    pub forward_from: Option<
        unsafe extern "C" fn(run: *const Run, layer: u64, activations: *const Tensor, scores: *const Tensor) -> Status,
    >,
    /// Vector-Jacobian product: the gradient of sum(cotangent * logits) with respect to the value at `at`, taken at
    /// `point`. `at` is [`AT_INPUT`] or a layer of the request; `point` has its shape, with any number M of rows; `cotangent`
    /// is \[M,K\]; `gradient` has the shape of `point`.
    pub vjp: Option<
        unsafe extern "C" fn(
            run: *const Run,
            at: i64,
            point: *const Tensor,
            cotangent: *const Tensor,
            gradient: *const Tensor,
        ) -> Status,
    >,
    /// Resizes `maps` \[M,h,w\] bilinearly, without antialias, to `out` \[M,H',W'\]; `flags` are `RESIZE_` flags.
    pub scale_and_resize:
        Option<unsafe extern "C" fn(run: *const Run, maps: *const Tensor, flags: u32, out: *const Tensor) -> Status>,
    /// Fills `out` with `count` numbers, uniform in \[0,1), that depend on `seed` and their place alone.
    pub random_uniform: Option<unsafe extern "C" fn(run: *const Run, seed: u64, out: *mut f32, count: u64) -> Status>,
    /// Fills `out` with `count` standard normal numbers that depend on `seed` and their place alone.
    pub random_normal: Option<unsafe extern "C" fn(run: *const Run, seed: u64, out: *mut f32, count: u64) -> Status>,
    /// Gives `bytes` bytes of zeroed memory, aligned to 64 bytes, at `out`; the host frees it when `attribute` returns.
    pub scratch: Option<unsafe extern "C" fn(run: *const Run, bytes: u64, out: *mut *mut c_void) -> Status>,
    /// Writes one line to the log of the run; `level` is a `LOG_` constant.
    pub log: Option<unsafe extern "C" fn(run: *const Run, level: u32, text: *const c_char)>,
    /// Says that `done` of `total` steps are done.
    pub progress: Option<unsafe extern "C" fn(run: *const Run, done: u64, total: u64)>,
    /// 1 when the user has asked to stop, else 0. A long method asks often and returns [`crate::STATUS_CANCELLED`].
    pub is_cancelled: Option<unsafe extern "C" fn(run: *const Run) -> i32>,
    /// Gives the text of the last service of this run that did not return [`crate::STATUS_OK`], as
    /// [`crate::Entry::last_error`] does.
    pub last_error: Option<unsafe extern "C" fn(run: *const Run, buffer: *mut c_char, capacity: u64) -> u64>,
}

// SAFETY: a service table is a constant of function pointers, which every thread may read.
unsafe impl Sync for Services {}
