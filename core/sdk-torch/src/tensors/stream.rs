//! The CUDA stream that a method works on: that of the request.
//!
//! The functions are those of libtorch's CUDA half, which the host loads at run time where there is a GPU; so they are looked up,
//! not linked.

use std::ffi::{CStr, c_char, c_int, c_void};

use lightbox_plugin::{Error, Result};

/// `aoti_torch_create_cuda_stream_guard(void *stream, int32_t device, CUDAStreamGuardHandle *out)`.
type Create = unsafe extern "C" fn(stream: *mut c_void, device: i32, out: *mut *mut c_void) -> c_int;
/// `aoti_torch_delete_cuda_stream_guard(CUDAStreamGuardHandle)`.
type Delete = unsafe extern "C" fn(guard: *mut c_void) -> c_int;

const CREATE: &CStr = c"aoti_torch_create_cuda_stream_guard";
const DELETE: &CStr = c"aoti_torch_delete_cuda_stream_guard";

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The functions of libtorch's CUDA half; none where it is not loaded.
fn functions() -> Option<(Create, Delete)> {
    // SAFETY: looking a name up has no precondition; a null handle is the default search among the loaded libraries.
    let (create, delete) =
        unsafe { (dlsym(std::ptr::null_mut(), CREATE.as_ptr()), dlsym(std::ptr::null_mut(), DELETE.as_ptr())) };
    if create.is_null() || delete.is_null() {
        return None;
    }
    // SAFETY: libtorch declares the two functions so, and keeps them so.
    Some(unsafe {
        (std::mem::transmute::<*mut c_void, Create>(create), std::mem::transmute::<*mut c_void, Delete>(delete))
    })
}

/// Makes a stream the current one of a device, on this thread, until it is dropped.
pub(super) struct StreamGuard {
    guard: *mut c_void,
    delete: Delete,
}

impl StreamGuard {
    /// `stream` is the address of a `cudaStream_t`; 0 is the default stream.
    pub fn enter(stream: usize, device: i32) -> Result<Self> {
        let missing = || Error::unsupported("the tensors are on a GPU, and libtorch's CUDA half is not loaded");
        let (create, delete) = functions().ok_or_else(missing)?;
        let mut guard = std::ptr::null_mut();
        // SAFETY: the stream is the host's and lives during the call; the place is for one pointer.
        let status = unsafe { create(std::ptr::with_exposed_provenance_mut(stream), device, &raw mut guard) };
        if status != 0 {
            return Err(Error::new(format!(
                "libtorch does not take the stream of CUDA device {device}; the log says why"
            )));
        }
        Ok(StreamGuard { guard, delete })
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        // SAFETY: the guard was made by `create` on this thread, which the pointer keeps this on, and is ended once.
        unsafe { (self.delete)(self.guard) };
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
