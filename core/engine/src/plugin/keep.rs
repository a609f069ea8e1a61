//! Tensors that a plugin keeps beyond the call they were lent for.

use lightbox_abi as abi;
use tch::Tensor;

use super::services_table::{invalid, serve};

/// Keeping tensors.
pub(super) static KEEP: abi::Keep = abi::Keep { struct_size: size_of::<abi::Keep>() as u64, keep: Some(keep) };

/// A tensor that the plugin keeps. It sees the first field and passes it back to [`end`].
#[repr(C)]
struct Kept {
    view: abi::Tensor,
    _tensor: Tensor,
    shape: Box<[i64]>,
    strides: Box<[i64]>,
}

/// A reference of the plugin's own to `tensor`, of which `view` was lent.
pub(super) fn keep_tensor(tensor: &Tensor, view: &abi::Tensor) -> *mut abi::Tensor {
    let mut kept = Box::new(Kept {
        view: abi::Tensor {
            version: abi::TensorVersion { major: abi::DLPACK_MAJOR, minor: abi::DLPACK_MINOR },
            manager_context: std::ptr::null_mut(),
            deleter: Some(end),
            flags: view.flags,
            tensor: abi::TensorData {
                data: view.tensor.data,
                device: view.tensor.device,
                ndim: view.tensor.ndim,
                dtype: view.tensor.dtype,
                shape: std::ptr::null_mut(),
                strides: std::ptr::null_mut(),
                byte_offset: view.tensor.byte_offset,
            },
        },
        _tensor: tensor.shallow_clone(),
        shape: tensor.size().into_boxed_slice(),
        strides: tensor.stride().into_boxed_slice(),
    });
    kept.view.tensor.shape = kept.shape.as_mut_ptr();
    kept.view.tensor.strides = kept.strides.as_mut_ptr();
    Box::into_raw(kept).cast()
}

unsafe extern "C" fn end(tensor: *mut abi::Tensor) {
    if !tensor.is_null() {
        // SAFETY: the plugin passes what `keep_tensor` made, once; its view is the first field of a `repr(C)` struct.
        drop(unsafe { Box::from_raw(tensor.cast::<Kept>()) });
    }
}

unsafe extern "C" fn keep(run: *const abi::Run, tensor: *const abi::Tensor, out: *mut *mut abi::Tensor) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "keep", |context, _| {
            let lent = context.lent.iter().find(|lent| std::ptr::eq(lent.as_ptr(), tensor));
            let lent = lent.ok_or_else(|| invalid("the tensor is none of the request's"))?;
            if out.is_null() {
                return Err(invalid("the place for the tensor is null"));
            }
            out.write(lent.keep());
            Ok(())
        })
    }
}
