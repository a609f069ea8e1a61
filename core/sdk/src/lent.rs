//! Tensors as the host has them: on whatever device and in whatever layout. What SDKs of frameworks are built on.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;

use lightbox_abi as abi;

use crate::host::bad_shape;
use crate::{Error, Result, remote};

/// Where the memory of a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The CPU's.
    Cpu,
    /// That of a CUDA device.
    Cuda(i32),
}

impl Device {
    pub(crate) fn from_abi(device: abi::TensorDevice) -> Option<Self> {
        match device.device_type {
            abi::DEVICE_CPU => Some(Device::Cpu),
            abi::DEVICE_CUDA => Some(Device::Cuda(device.device_id)),
            _ => None,
        }
    }
}

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// bfloat16.
    Bf16,
}

/// A tensor of the request, lent for the call.
#[derive(Clone, Copy)]
pub struct LentTensor<'a> {
    raw: &'a abi::Tensor,
    run: *const abi::Run,
}

// SAFETY: the tensor's description does not change during the call, and the host refuses to serve a run on other threads.
unsafe impl Send for LentTensor<'_> {}
// SAFETY: as above.
unsafe impl Sync for LentTensor<'_> {}

impl<'a> LentTensor<'a> {
    /// # Safety
    ///
    /// `raw` keeps the promises of the ABI for `'a`, and has a shape and strides; `run` is null or that of the request.
    pub(crate) unsafe fn new(raw: &'a abi::Tensor, run: *const abi::Run) -> Self {
        LentTensor { raw, run }
    }

    /// Where its memory is; none on a device that this SDK does not know.
    pub fn device(&self) -> Option<Device> {
        Device::from_abi(self.raw.tensor.device)
    }

    /// Type of its elements; none for one that this SDK does not know.
    pub fn element(&self) -> Option<Element> {
        match self.raw.tensor.dtype {
            abi::TensorType::F32 => Some(Element::F32),
            abi::TensorType::BF16 => Some(Element::Bf16),
            _ => None,
        }
    }

    /// Size of each dimension.
    pub fn shape(&self) -> &'a [i64] {
        // SAFETY: the maker of this promises `ndim` sizes.
        unsafe { std::slice::from_raw_parts(self.raw.tensor.shape, self.raw.tensor.ndim as usize) }
    }

    /// Distance in elements between neighbours along each dimension.
    pub fn strides(&self) -> &'a [i64] {
        // SAFETY: the maker of this promises `ndim` strides.
        unsafe { std::slice::from_raw_parts(self.raw.tensor.strides, self.raw.tensor.ndim as usize) }
    }

    /// Address of its first element, on its device.
    pub fn data(&self) -> *const c_void {
        self.raw.tensor.data.cast::<u8>().wrapping_add(self.raw.tensor.byte_offset as usize).cast_const().cast()
    }

    /// A reference of the plugin's own to the same memory. It may be kept beyond the call.
    ///
    /// # Errors
    ///
    /// The host does not offer it, or this is not the thread of the call.
    pub fn keep(&self) -> Result<KeptTensor> {
        // SAFETY: the run and the tensor are those of the request, whose call has not ended.
        let raw = unsafe { remote::keep(self.run, self.raw) }?;
        NonNull::new(raw).map(KeptTensor).ok_or_else(|| Error::new("the host gave no tensor to keep"))
    }
}

impl std::fmt::Debug for LentTensor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LentTensor({:?} on {:?})", self.shape(), self.device())
    }
}

/// A reference of the plugin's own to memory of the host; dropping it ends the reference.
#[derive(Debug)]
pub struct KeptTensor(NonNull<abi::Tensor>);

// SAFETY: the ABI lets a kept tensor be ended on any thread.
unsafe impl Send for KeptTensor {}

impl KeptTensor {
    /// The tensor itself: whoever takes it ends it by its `deleter`.
    pub fn into_raw(self) -> *mut abi::Tensor {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for KeptTensor {
    fn drop(&mut self) {
        // SAFETY: the host gave this reference, and it is ended once.
        unsafe {
            if let Some(deleter) = self.0.as_ref().deleter {
                deleter(self.0.as_ptr());
            }
        }
    }
}

/// An f32 tensor of the plugin that it lends to a host service: see [`crate::Host::forward_lent`].
pub struct Lending<'a> {
    raw: abi::Tensor,
    // The description points into these.
    shape: Box<[i64]>,
    strides: Box<[i64]>,
    lifetime: PhantomData<&'a f32>,
}

impl Lending<'_> {
    /// Lends memory of f32 at `data` on `device`, of so many elements and with distances in elements along each dimension.
    ///
    /// # Safety
    ///
    /// The memory lives for `'a`. It may be read, and written where a service gives its result in it.
    pub unsafe fn new(data: *mut c_void, device: Device, shape: &[i64], strides: &[i64]) -> Self {
        let (mut shape, mut strides) = (Box::<[i64]>::from(shape), Box::<[i64]>::from(strides));
        let (device_type, device_id) = match device {
            Device::Cpu => (abi::DEVICE_CPU, 0),
            Device::Cuda(index) => (abi::DEVICE_CUDA, index),
        };
        let raw = abi::Tensor {
            version: abi::TensorVersion { major: abi::DLPACK_MAJOR, minor: abi::DLPACK_MINOR },
            manager_context: std::ptr::null_mut(),
            deleter: None,
            flags: 0,
            tensor: abi::TensorData {
                data,
                device: abi::TensorDevice { device_type, device_id },
                ndim: shape.len().min(strides.len()) as i32,
                dtype: abi::TensorType::F32,
                shape: shape.as_mut_ptr(),
                strides: strides.as_mut_ptr(),
                byte_offset: 0,
            },
        };
        Lending { raw, shape, strides, lifetime: PhantomData }
    }

    /// Size of each dimension.
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Its elements, when they are row-major in memory that the CPU reads.
    pub(crate) fn elements(&self) -> Result<&[f32]> {
        let (data, length) = self.in_cpu_memory()?;
        // SAFETY: the maker of this promises the memory for `'a`, and it is read here alone.
        Ok(unsafe { std::slice::from_raw_parts(data, length) })
    }

    /// Puts a result in its place, when that is row-major in memory that the CPU reads.
    pub(crate) fn write(&self, result: &[f32]) -> Result<()> {
        let (data, length) = self.in_cpu_memory()?;
        if length != result.len() {
            return Err(bad_shape(format!("a result of {} elements has room for {length}", result.len())));
        }
        // SAFETY: the maker of this promises memory of that length that may be written; `result` is another's.
        unsafe { std::ptr::copy_nonoverlapping(result.as_ptr(), data, length) };
        Ok(())
    }

    fn in_cpu_memory(&self) -> Result<(*mut f32, usize)> {
        let mut length = 1_i64;
        for (size, stride) in self.shape.iter().zip(&self.strides).rev() {
            if self.raw.tensor.device.device_type != abi::DEVICE_CPU || (*size > 1 && *stride != length) {
                return Err(bad_shape("this host takes row-major tensors in CPU memory".to_owned()));
            }
            length = length.checked_mul(*size).ok_or_else(|| bad_shape("a tensor is too large".to_owned()))?;
        }
        Ok((self.raw.tensor.data.cast(), usize::try_from(length)?))
    }

    /// Its shape in the other type.
    pub(crate) fn sizes(&self) -> Result<Vec<usize>> {
        Ok(self.shape.iter().map(|&size| usize::try_from(size)).collect::<std::result::Result<_, _>>()?)
    }

    pub(crate) fn as_ptr(&self) -> *const abi::Tensor {
        &raw const self.raw
    }
}
