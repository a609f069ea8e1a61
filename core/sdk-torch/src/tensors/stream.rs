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
mod tests {
    use std::process::Command;

    use super::*;

    unsafe extern "C" {
        fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    }

    /// `RTLD_NOW | RTLD_GLOBAL`, as the host opens libtorch's CUDA half.
    const NOW_GLOBAL: c_int = 0x102;

    const STAND_IN: &str = "#include <stdint.h>
        uintptr_t seen_stream; int32_t seen_device, entered, left;
        int aoti_torch_create_cuda_stream_guard(void *stream, int32_t device, void **out) {
            seen_stream = (uintptr_t)stream; seen_device = device; entered++; *out = &seen_stream;
            return device == 9;
        }
        int aoti_torch_delete_cuda_stream_guard(void *guard) { left += guard == (void *)&seen_stream; return 0; }";

    /// Opens a library with the two functions, and gives its four numbers.
    fn stand_in() -> impl Fn() -> (usize, i32, i32, i32) {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("cuda.c"), folder.path().join("cuda.so"));
        std::fs::write(&source, STAND_IN).unwrap();
        assert!(
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap().success()
        );
        let name = std::ffi::CString::new(library.to_str().unwrap()).unwrap();
        // SAFETY: the library has no initialisers, stays loaded, and its variables are of these types.
        unsafe {
            let handle = dlopen(name.as_ptr(), NOW_GLOBAL);
            assert!(!handle.is_null());
            let find = move |name: &CStr| dlsym(handle, name.as_ptr());
            move || {
                let number = |name: &CStr| find(name).cast::<i32>().read();
                (
                    find(c"seen_stream").cast::<usize>().read(),
                    number(c"seen_device"),
                    number(c"entered"),
                    number(c"left"),
                )
            }
        }
    }

    #[test]
    fn the_requests_stream_is_the_current_one_for_as_long_as_the_guard() {
        if tch::Cuda::is_available() {
            assert!(StreamGuard::enter(0, 0).is_ok());
            return;
        }
        let refused = StreamGuard::enter(0, 0).err().unwrap();
        assert_eq!(refused.message(), "the tensors are on a GPU, and libtorch's CUDA half is not loaded");
        let seen = stand_in();
        let guard = StreamGuard::enter(0x1230, 3).unwrap();
        assert_eq!(seen(), (0x1230, 3, 1, 0));
        drop(guard);
        assert_eq!(seen(), (0x1230, 3, 1, 1));
        let failed = StreamGuard::enter(0, 9).err().unwrap();
        assert!(failed.message().contains("the stream of CUDA device 9"), "{}", failed.message());
        assert_eq!(seen(), (0, 9, 2, 1), "a guard that was not made is not ended");
    }
}
