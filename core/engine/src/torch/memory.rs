//! Memory formats, gradients and the CUDA allocator's figures.

use tch::Tensor;

use super::error::TorchError;
use super::ffi;

/// The tensor with channels innermost, as `torch.nn.Module.to(memory_format=torch.channels_last)` makes it; the same
/// tensor when it already is. Only for four dimensions.
///
/// # Errors
/// When the tensor has other than four dimensions.
pub fn to_channels_last(tensor: &Tensor) -> Result<Tensor, TorchError> {
    let mut out = std::ptr::null_mut();
    // SAFETY: the tensor is borrowed for the call; on success `out` is a new reference.
    TorchError::check(unsafe { ffi::lightbox_torch_to_channels_last(ffi::handle(tensor), &mut out) })?;
    // SAFETY: a new reference that nobody else ends.
    Ok(unsafe { Tensor::from_ptr(out) })
}

/// Whether a tensor of four dimensions has its channels innermost.
///
/// # Errors
/// What libtorch says.
pub fn is_channels_last(tensor: &Tensor) -> Result<bool, TorchError> {
    let mut out = 0;
    // SAFETY: the tensor is borrowed for the call, and `out` outlives it.
    TorchError::check(unsafe { ffi::lightbox_torch_is_channels_last(ffi::handle(tensor), &mut out) })?;
    Ok(out != 0)
}

/// Gives a tensor, and every shallow clone of it, the storage, device, type and strides of `data`.
///
/// # Errors
/// When libtorch cannot exchange the two.
pub fn set_data(tensor: &Tensor, data: &Tensor) -> Result<(), TorchError> {
    // SAFETY: both tensors are borrowed for the call.
    TorchError::check(unsafe { ffi::lightbox_torch_set_data(ffi::handle(tensor), ffi::handle(data)) })
}

/// Asks autograd for gradients of a leaf tensor, or no longer.
///
/// # Errors
/// When the tensor is no leaf or has no floating-point type.
pub fn set_requires_grad(tensor: &Tensor, requires_grad: bool) -> Result<(), TorchError> {
    // SAFETY: the tensor is borrowed for the call.
    TorchError::check(unsafe { ffi::lightbox_torch_set_requires_grad(ffi::handle(tensor), i32::from(requires_grad)) })
}

/// Releases the gradients, so that the next backward pass writes them instead of adding.
///
/// # Errors
/// What libtorch says.
pub fn drop_gradients(tensors: &[Tensor]) -> Result<(), TorchError> {
    let handles = ffi::handles(tensors);
    // SAFETY: as many handles as said, borrowed for the call.
    TorchError::check(unsafe { ffi::lightbox_torch_drop_gradients(handles.as_ptr(), handles.len()) })
}

/// What the allocator of a CUDA device holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CudaMemory {
    /// In tensors now.
    pub allocated: i64,
    /// Held from the driver, tensors and cache.
    pub reserved: i64,
    /// The most that was in tensors at once.
    pub peak_allocated: i64,
    /// Free on the device, for any process.
    pub free: i64,
    /// Of the device.
    pub total: i64,
}

/// What the allocator of CUDA device `index` holds. Needs no link with libtorch_cuda: libtorch keeps the allocator in a
/// table that libtorch_cuda fills when it is loaded.
///
/// # Errors
/// When libtorch_cuda is not loaded or the device does not exist.
pub fn cuda_memory(index: usize) -> Result<CudaMemory, TorchError> {
    let mut out = [0_i64; 5];
    let index = i32::try_from(index).map_err(|_| TorchError::new("no such CUDA device"))?;
    // SAFETY: the shim writes five figures.
    TorchError::check(unsafe { ffi::lightbox_torch_cuda_memory(index, out.as_mut_ptr()) })?;
    let [allocated, reserved, peak_allocated, free, total] = out;
    Ok(CudaMemory { allocated, reserved, peak_allocated, free, total })
}

/// How often the allocator of CUDA device `index` had to refuse memory.
///
/// # Errors
/// When libtorch_cuda is not loaded or the device does not exist.
pub fn cuda_refusals(index: usize) -> Result<i64, TorchError> {
    let mut out = 0;
    let index = i32::try_from(index).map_err(|_| TorchError::new("no such CUDA device"))?;
    // SAFETY: the shim writes one figure.
    TorchError::check(unsafe { ffi::lightbox_torch_cuda_refusals(index, &raw mut out) })?;
    Ok(out)
}

/// Gives the CUDA allocator's cache back to the driver.
///
/// # Errors
/// When libtorch_cuda is not loaded.
pub fn cuda_empty_cache() -> Result<(), TorchError> {
    // SAFETY: no pointers are passed.
    TorchError::check(unsafe { ffi::lightbox_torch_cuda_empty_cache() })
}

/// Lets malloc keep freed memory for the next tensors instead of giving it back to the system: a training step allocates
/// the same gigabytes as the one before, and fresh pages have to be cleared each time. Before the first large tensor;
/// does nothing where the C library is not glibc.
///
/// # Errors
/// When malloc refuses.
pub fn keep_freed_memory() -> Result<(), TorchError> {
    // SAFETY: no pointers are passed; malloc's settings may be changed at any time.
    TorchError::check(unsafe { ffi::lightbox_torch_keep_freed_memory() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn a_clone_follows_when_data_is_exchanged() {
        let weight = Tensor::randn([8, 4, 3, 3], (Kind::Float, Device::Cpu));
        let clone = weight.shallow_clone();
        let values = weight.copy();
        set_data(&weight, &to_channels_last(&weight).unwrap()).unwrap();
        assert!(is_channels_last(&clone).unwrap());
        assert!(clone.equal(&values));
    }

    #[test]
    fn the_cuda_allocator_is_missing_with_a_sentence() {
        if tch::Cuda::is_available() {
            return;
        }
        assert!(!cuda_memory(0).unwrap_err().message.is_empty());
        assert!(!cuda_refusals(0).unwrap_err().message.is_empty());
    }

    #[test]
    fn dropped_gradients_are_written_anew() {
        let x = Tensor::from_slice(&[3.0_f32]).set_requires_grad(true);
        for _ in 0..2 {
            drop_gradients(&[x.shallow_clone()]).unwrap();
            (&x * &x).sum(Kind::Float).backward();
            assert_eq!(f64::try_from(x.grad()).unwrap(), 6.0);
        }
    }
}
