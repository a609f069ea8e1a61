//! DLPack 1.x tensors, as in `dlpack.h`, version 1.1.
//!
//! Lightbox lends tensors: an argument is borrowed for the call, its `deleter` is null, `strides` is never null, and [`TENSOR_READ_ONLY`] is set on what must not be written. Unless a descriptor says otherwise data is f32, row-major and
//! without gaps, in memory that the CPU reads.

use core::ffi::c_void;

/// Major version of DLPack that is spoken.
pub const DLPACK_MAJOR: u32 = 1;
/// Minor version of DLPack that is spoken.
pub const DLPACK_MINOR: u32 = 1;

/// Device type: memory of the CPU.
pub const DEVICE_CPU: i32 = 1;
/// Device type: memory of a CUDA device.
pub const DEVICE_CUDA: i32 = 2;

/// Type code: signed integer.
pub const TYPE_INT: u8 = 0;
/// Type code: IEEE floating point.
pub const TYPE_FLOAT: u8 = 2;
/// Type code: bfloat16.
pub const TYPE_BFLOAT: u8 = 4;

/// Flag: the receiver must not write to the tensor.
pub const TENSOR_READ_ONLY: u64 = 1;

/// The most dimensions that a tensor which crosses has.
pub const MAX_DIMENSIONS: usize = 8;

/// `DLPackVersion`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorVersion {
    /// Another major version has another layout.
    pub major: u32,
    /// Newer minor versions add only enumeration values.
    pub minor: u32,
}

/// `DLDevice`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorDevice {
    /// A `DEVICE_` constant.
    pub device_type: i32,
    /// Which device of that type.
    pub device_id: i32,
}

/// `DLDataType`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorType {
    /// A `TYPE_` constant.
    pub code: u8,
    /// Bits of one lane.
    pub bits: u8,
    /// Number of lanes; 1 in every tensor that crosses.
    pub lanes: u16,
}

impl TensorType {
    /// 32-bit floating point.
    pub const F32: TensorType = TensorType { code: TYPE_FLOAT, bits: 32, lanes: 1 };
    /// bfloat16.
    pub const BF16: TensorType = TensorType { code: TYPE_BFLOAT, bits: 16, lanes: 1 };
}

/// `DLTensor`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TensorData {
    /// Start of the memory, on `device`.
    pub data: *mut c_void,
    /// Where the memory is.
    pub device: TensorDevice,
    /// Number of dimensions.
    pub ndim: i32,
    /// Type of one element.
    pub dtype: TensorType,
    /// `ndim` sizes.
    pub shape: *mut i64,
    /// `ndim` strides in elements, never null.
    pub strides: *mut i64,
    /// Distance in bytes from `data` to the first element.
    pub byte_offset: u64,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
#[derive(Debug)]
pub struct Tensor {
    /// Version of the layout.
    pub version: TensorVersion,
    /// The maker's own.
    pub manager_context: *mut c_void,
    /// Null in a tensor that is lent.
    pub deleter: Option<unsafe extern "C" fn(tensor: *mut Tensor)>,
    /// `TENSOR_` flags.
    pub flags: u64,
    /// The tensor itself.
    pub tensor: TensorData,
}
