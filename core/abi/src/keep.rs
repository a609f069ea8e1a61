//! Keeping a tensor of the request: an extension of the host that a run may have.

use crate::{Run, Status, Tensor};

/// Id of keeping tensors; [`Run::get_extension`] gives a [`Keep`] for it.
pub const KEEP_ID: &str = "lightbox.keep/1";

/// Keeping tensors, for frameworks whose tensors count their references. `[run]`, under the rules of [`crate::Services`],
/// whose `last_error` gives the text of an error.
#[repr(C)]
pub struct Keep {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Gives a tensor over the same memory as `tensor`, one of the request's, and writes it to `out`.
    ///
    /// It is a reference of the plugin's own, valid after `attribute` returns and after the instance is destroyed: the plugin
    /// ends it by its `deleter`, once, on any thread. Nothing is copied, so [`crate::TENSOR_READ_ONLY`] stays set; what the
    /// memory holds is promised until `attribute` returns.
    pub keep: Option<unsafe extern "C" fn(run: *const Run, tensor: *const Tensor, out: *mut *mut Tensor) -> Status>,
}

// SAFETY: a table of function pointers is a constant, which every thread may read.
unsafe impl Sync for Keep {}
