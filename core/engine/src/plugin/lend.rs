//! Tensors lent across the ABI as DLPack, in both directions.

use std::ffi::c_void;

use lightbox_abi as abi;
use tch::{Device, Kind, Tensor};

use super::keep::keep_tensor;

/// What the reader of a tensor can read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepts {
    pub cpu_only: bool,
    pub strides: bool,
    pub bf16: bool,
}

/// A tensor in a form that can be lent, and the DLPack view of it.
pub(super) struct Lent {
    // The view points into these three.
    tensor: Tensor,
    _shape: Box<[i64]>,
    _strides: Box<[i64]>,
    view: Box<abi::Tensor>,
    copied: u64,
}

impl Lent {
    /// Lends `tensor`, moved and converted as its reader needs; no copy when it fits already.
    pub(super) fn new(tensor: &Tensor, accepts: Accepts) -> Result<Self, tch::TchError> {
        let original = tensor.data_ptr();
        let mut tensor = tensor.f_detach()?;
        if accepts.cpu_only {
            tensor = tensor.f_to_device(Device::Cpu)?;
        }
        if tensor.kind() != Kind::Float && !(accepts.bf16 && tensor.kind() == Kind::BFloat16) {
            tensor = tensor.f_to_kind(Kind::Float)?;
        }
        if !accepts.strides {
            tensor = tensor.f_contiguous()?;
        }
        let mut shape = tensor.size().into_boxed_slice();
        let mut strides = tensor.stride().into_boxed_slice();
        let device = c_device(tensor.device());
        let view = Box::new(abi::Tensor {
            version: abi::TensorVersion { major: abi::DLPACK_MAJOR, minor: abi::DLPACK_MINOR },
            manager_context: std::ptr::null_mut(),
            deleter: None,
            flags: abi::TENSOR_READ_ONLY,
            tensor: abi::TensorData {
                data: tensor.data_ptr(),
                device,
                ndim: shape.len() as i32,
                dtype: if tensor.kind() == Kind::BFloat16 { abi::TensorType::BF16 } else { abi::TensorType::F32 },
                shape: shape.as_mut_ptr(),
                strides: strides.as_mut_ptr(),
                byte_offset: 0,
            },
        });
        let copied = if tensor.data_ptr() == original { 0 } else { bytes_of(&tensor) };
        Ok(Lent { tensor, _shape: shape, _strides: strides, view, copied })
    }

    /// Bytes that were written to make the tensor fit its reader; 0 where the reader sees the memory that it came in.
    pub(super) fn copied(&self) -> u64 {
        self.copied
    }

    /// A copy of what the memory holds now.
    pub(super) fn values(&self) -> Tensor {
        self.tensor.copy()
    }

    /// The memory holds these bits.
    pub(super) fn holds(&self, values: &Tensor) -> bool {
        // NaN equals nothing, itself included, until it is read as an integer.
        let bits =
            |tensor: &Tensor| tensor.view_dtype(if tensor.kind() == Kind::BFloat16 { Kind::Int16 } else { Kind::Int });
        bits(&self.tensor).equal(&bits(values))
    }

    pub(super) fn as_ptr(&self) -> *const abi::Tensor {
        &raw const *self.view
    }

    /// A reference to the same memory that the plugin ends by its `deleter`.
    pub(super) fn keep(&self) -> *mut abi::Tensor {
        keep_tensor(&self.tensor, &self.view)
    }
}

/// A device as it crosses.
pub(super) fn c_device(device: Device) -> abi::TensorDevice {
    match device {
        Device::Cuda(index) => {
            abi::TensorDevice { device_type: abi::DEVICE_CUDA, device_id: i32::try_from(index).unwrap_or(i32::MAX) }
        }
        _ => abi::TensorDevice { device_type: abi::DEVICE_CPU, device_id: 0 },
    }
}

fn bytes_of(tensor: &Tensor) -> u64 {
    tensor.numel() as u64 * tensor.kind().elt_size_in_bytes() as u64
}

/// A tensor over memory that the plugin lends, valid only during the call.
///
/// # Safety
///
/// `raw` is null or leads to a tensor whose pointers keep the promises of the ABI; its numbers may have any value.
pub(super) unsafe fn borrow(raw: *const abi::Tensor, what: &str) -> Result<Tensor, String> {
    // SAFETY: the caller promises a tensor or null.
    let raw = unsafe { raw.as_ref() }.ok_or_else(|| format!("{what} is null"))?;
    if raw.version.major != abi::DLPACK_MAJOR {
        return Err(format!("{what} is of DLPack {}, not {}", raw.version.major, abi::DLPACK_MAJOR));
    }
    let data = &raw.tensor;
    let device = match data.device.device_type {
        abi::DEVICE_CPU => Device::Cpu,
        abi::DEVICE_CUDA => Device::Cuda(usize::try_from(data.device.device_id).unwrap_or(0)),
        other => return Err(format!("{what} is on a device of type {other}, not on the CPU or a CUDA device")),
    };
    if data.dtype != abi::TensorType::F32 {
        return Err(format!("{what} is not f32"));
    }
    let ndim = usize::try_from(data.ndim).unwrap_or(usize::MAX);
    if ndim == 0 || ndim > abi::MAX_DIMENSIONS || data.shape.is_null() || data.strides.is_null() || data.data.is_null()
    {
        return Err(format!(
            "{what} has no data, no shape, no strides, or more than {} dimensions",
            abi::MAX_DIMENSIONS
        ));
    }
    // SAFETY: shape and strides have `ndim` entries.
    let (shape, strides) =
        unsafe { (std::slice::from_raw_parts(data.shape, ndim), std::slice::from_raw_parts(data.strides, ndim)) };
    let elements = shape.iter().try_fold(1_i64, |product, &size| product.checked_mul(size));
    if shape.iter().any(|&size| size <= 0) || strides.iter().any(|&stride| stride < 0) || elements.is_none() {
        return Err(format!("{what} has the impossible shape {shape:?} with strides {strides:?}"));
    }
    let offset = usize::try_from(data.byte_offset).map_err(|_| format!("{what} has an impossible offset"))?;
    // SAFETY: the plugin promises this memory, of this shape, for the call.
    unsafe {
        let start = data.data.cast::<u8>().wrapping_add(offset).cast::<c_void>();
        Tensor::f_from_blob(start.cast::<u8>(), shape, strides, Kind::Float, device)
    }
    .map_err(|error| format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Accepts = Accepts { cpu_only: true, strides: false, bf16: false };

    fn read(lent: &Lent) -> Tensor {
        // SAFETY: the view leads to the tensor that it keeps.
        unsafe { borrow(lent.as_ptr(), "the tensor") }.unwrap().copy()
    }

    #[test]
    fn what_fits_is_lent_without_a_copy_and_the_rest_is_converted() {
        let plain = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([2, 3, 4]);
        let lent = Lent::new(&plain, PLAIN).unwrap();
        assert_eq!(lent.view.tensor.data, plain.data_ptr());
        assert_eq!(lent.copied(), 0);
        assert_eq!(lent.view.flags, abi::TENSOR_READ_ONLY);

        let turned = plain.transpose(0, 2);
        let lent = Lent::new(&turned, PLAIN).unwrap();
        assert_ne!(lent.view.tensor.data, plain.data_ptr());
        assert_eq!(lent.copied(), 24 * 4);
        assert_eq!(read(&lent), turned);
        let lent = Lent::new(&turned, Accepts { strides: true, ..PLAIN }).unwrap();
        assert_eq!(lent.view.tensor.data, plain.data_ptr());
        assert_eq!(read(&lent), turned);

        let half = plain.to_kind(Kind::BFloat16);
        assert_eq!(read(&Lent::new(&half, PLAIN).unwrap()), plain);
        let lent = Lent::new(&half, Accepts { bf16: true, ..PLAIN }).unwrap();
        assert_eq!(lent.view.tensor.dtype, abi::TensorType::BF16);
    }

    #[test]
    fn what_is_kept_outlives_what_was_lent() {
        let values = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]);
        let lent = Lent::new(&values.transpose(0, 1), Accepts { strides: true, ..PLAIN }).unwrap();
        let kept = lent.keep();
        let expected = values.transpose(0, 1).copy();
        drop((lent, values));
        // SAFETY: the tensor is kept, so its pointers are valid until it is ended, once.
        unsafe {
            assert_eq!((*kept).flags, abi::TENSOR_READ_ONLY);
            assert_eq!(borrow(kept, "the tensor").unwrap().copy(), expected);
            (*kept).deleter.unwrap()(kept);
        }
    }

    #[test]
    fn tensors_with_impossible_numbers_are_refused() {
        let refusal = |change: fn(&mut abi::Tensor, &mut [i64; 2])| {
            let (mut data, mut shape, mut strides) = ([0.0_f32; 6], [2_i64, 3], [3_i64, 1]);
            let mut view = abi::Tensor {
                version: abi::TensorVersion { major: 1, minor: 0 },
                manager_context: std::ptr::null_mut(),
                deleter: None,
                flags: 0,
                tensor: abi::TensorData {
                    data: data.as_mut_ptr().cast(),
                    device: abi::TensorDevice { device_type: abi::DEVICE_CPU, device_id: 0 },
                    ndim: 2,
                    dtype: abi::TensorType::F32,
                    shape: std::ptr::null_mut(),
                    strides: strides.as_mut_ptr(),
                    byte_offset: 0,
                },
            };
            change(&mut view, &mut shape);
            view.tensor.shape = shape.as_mut_ptr();
            // SAFETY: the pointers are valid; only numbers are wrong.
            unsafe { borrow(&view, "the batch") }.map(|tensor| tensor.size()).unwrap_err()
        };
        assert_eq!(refusal(|view, _| view.version.major = 2), "the batch is of DLPack 2, not 1");
        assert_eq!(refusal(|view, _| view.tensor.dtype.bits = 64), "the batch is not f32");
        assert_eq!(
            refusal(|view, _| view.tensor.device.device_type = 9),
            "the batch is on a device of type 9, not on the CPU or a CUDA device"
        );
        let no_shape = "the batch has no data, no shape, no strides, or more than 8 dimensions";
        assert_eq!(refusal(|view, _| view.tensor.ndim = -1), no_shape);
        assert_eq!(refusal(|view, _| view.tensor.ndim = 9), no_shape);
        assert_eq!(refusal(|view, _| view.tensor.strides = std::ptr::null_mut()), no_shape);
        assert_eq!(refusal(|_, shape| shape[0] = -2), "the batch has the impossible shape [-2, 3] with strides [3, 1]");
        assert_eq!(
            refusal(|_, shape| *shape = [i64::MAX, 2]),
            "the batch has the impossible shape [9223372036854775807, 2] with strides [3, 1]"
        );
    }
}
