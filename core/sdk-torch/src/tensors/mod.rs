//! Methods on torch tensors: a request's tensors without a copy, on the device where the host has them, and the host's services
//! over tensors.
//!
//! ```no_run
//! use lightbox_plugin_torch::plugin::{At, Host, Maps, Request, Result};
//! use lightbox_plugin_torch::tensors::{TensorServices, Tensors, write};
//!
//! /// Activations times gradients, summed over channels, wherever they are.
//! fn attribute(request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<()> {
//!     let tensors = Tensors::of(request)?;
//!     let cotangent = tensors.scores()?.f_ones_like()?;
//!     for layer in 0..request.layers().len() {
//!         let activations = tensors.activations(layer)?;
//!         let gradients = host.vjp_tensor(At::Layer(layer), &activations, &cotangent)?;
//!         write(maps.map(layer)?, &activations.f_mul(&gradients)?.f_sum_dim_intlist(1, false, None)?)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The method's descriptor says which tensors it takes (`Accepts { any_device: true, .. }`); otherwise they come in f32, row-major and in the
//! CPU's memory, as for any method. The tensors share their memory with the host's, which is kept as long as a tensor or a view of
//! it lives. **Do not write to them**: neither `relu_` nor any other operation in place. On a GPU all work is ordered on the
//! stream of the request while the [`Tensors`] live; stay on the calling thread.

mod stream;

use std::ffi::{c_int, c_void};

use lightbox_plugin::{
    At, Device, Element, Error, ErrorKind, Host, Lending, LentTensor, Request, Result, TensorView, abi,
};
use tch::{Kind, Tensor};
use torch_sys::C_tensor;

use stream::StreamGuard;

// libtorch's stable C functions.
unsafe extern "C" {
    fn aoti_torch_device_type_cpu() -> i32;
    fn aoti_torch_device_type_cuda() -> i32;
    fn aoti_torch_dtype_float32() -> i32;
    fn aoti_torch_dtype_bfloat16() -> i32;
    fn aoti_torch_layout_strided() -> i32;
    fn torch_from_blob(
        data: *mut c_void,
        dimensions: i64,
        sizes: *const i64,
        strides: *const i64,
        storage_offset: i64,
        dtype: i32,
        device_type: i32,
        device_index: i32,
        out: *mut *mut c_void,
        layout: i32,
        opaque_metadata: *const u8,
        opaque_metadata_size: i64,
        deleter: unsafe extern "C" fn(data: *mut c_void, context: *mut c_void),
        context: *mut c_void,
    ) -> c_int;
}

/// The tensors of a request. While this lives, work on a GPU is ordered on the request's stream.
pub struct Tensors<'r, 'a> {
    request: &'r Request<'a>,
    // Also keeps this on its thread, as the stream is one of the thread's settings.
    _stream: Option<StreamGuard>,
}

impl<'r, 'a> Tensors<'r, 'a> {
    /// Those of `request`.
    ///
    /// # Errors
    /// The tensors are on a GPU that this libtorch cannot use.
    pub fn of(request: &'r Request<'a>) -> Result<Self> {
        let stream = match request.device() {
            Some(Device::Cuda(index)) => Some(StreamGuard::enter(request.cuda_stream(), index)?),
            Some(Device::Cpu) | None => None,
        };
        Ok(Tensors { request, _stream: stream })
    }

    /// The device that the network runs on, where tensors for its services are best made.
    pub fn device(&self) -> tch::Device {
        match self.request.device() {
            Some(Device::Cuda(index)) => tch::Device::Cuda(usize::try_from(index).unwrap_or(0)),
            Some(Device::Cpu) | None => tch::Device::Cpu,
        }
    }

    /// The normalised input \[N,C,H,W\].
    ///
    /// # Errors
    /// The descriptor does not need it, or libtorch cannot take it.
    pub fn input(&self) -> Result<Tensor> {
        tensor(self.request.input_lent()?, || self.request.input())
    }

    /// Raw logits \[N,K\].
    ///
    /// # Errors
    /// The descriptor does not need them, or libtorch cannot take them.
    pub fn scores(&self) -> Result<Tensor> {
        tensor(self.request.scores_lent()?, || self.request.scores())
    }

    /// Activations \[N,C,h,w\] of layer `layer` of the request.
    ///
    /// # Errors
    /// There is no such layer, the descriptor does not need them, or libtorch cannot take them.
    pub fn activations(&self, layer: usize) -> Result<Tensor> {
        let layer = self.request.layers().get(layer).ok_or_else(|| no_layer(layer))?;
        tensor(layer.activations_lent()?, || layer.activations())
    }

    /// Gradients \[N,C,h,w\] of the target's logit at layer `layer` of the request.
    ///
    /// # Errors
    /// There is no such layer, the descriptor does not need them, or libtorch cannot take them.
    pub fn gradients(&self, layer: usize) -> Result<Tensor> {
        let layer = self.request.layers().get(layer).ok_or_else(|| no_layer(layer))?;
        tensor(layer.gradients_lent()?, || layer.gradients())
    }
}

fn no_layer(layer: usize) -> Error {
    Error::of_kind(ErrorKind::InvalidArgument, format!("the request has no layer {layer}"))
}

/// The host's tensor itself or, in a test of a plugin, a copy of the test's.
fn tensor<'a>(lent: Option<LentTensor<'a>>, view: impl Fn() -> Result<TensorView<'a>>) -> Result<Tensor> {
    match lent {
        Some(lent) => adopt(lent),
        None => {
            let view = view()?;
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            Ok(Tensor::f_from_slice(view.as_slice())?.f_view(shape.as_slice())?)
        }
    }
}

/// A tensor over the host's memory, which holds a reference to it.
fn adopt(lent: LentTensor<'_>) -> Result<Tensor> {
    let unknown = |what: &str| Error::unsupported(format!("a tensor is {what} that this plugin does not know"));
    // SAFETY: these functions give constants of libtorch.
    let (cpu, cuda, f32, bf16, strided) = unsafe {
        (
            aoti_torch_device_type_cpu(),
            aoti_torch_device_type_cuda(),
            aoti_torch_dtype_float32(),
            aoti_torch_dtype_bfloat16(),
            aoti_torch_layout_strided(),
        )
    };
    let (device_type, device_index) = match lent.device() {
        // libtorch's CPU has no number.
        Some(Device::Cpu) => (cpu, -1),
        Some(Device::Cuda(index)) => (cuda, index),
        None => return Err(unknown("on a device")),
    };
    let dtype = match lent.element() {
        Some(Element::F32) => f32,
        Some(Element::Bf16) => bf16,
        None => return Err(unknown("of a type")),
    };
    let (shape, strides) = (lent.shape(), lent.strides());
    let kept = lent.keep()?.into_raw();
    let mut out = std::ptr::null_mut();
    // SAFETY: the memory is the host's, of this shape on this device, and lives until `end` is called with the kept tensor. After
    // a failure it is not known whether `end` was called, so that the reference is then left to the process.
    let status = unsafe {
        torch_from_blob(
            lent.data().cast_mut(),
            shape.len() as i64,
            shape.as_ptr(),
            strides.as_ptr(),
            0,
            dtype,
            device_type,
            device_index,
            &raw mut out,
            strided,
            std::ptr::null(),
            0,
            end,
            kept.cast(),
        )
    };
    if status != 0 || out.is_null() {
        return Err(Error::new("libtorch does not take the host's tensor; the log says why"));
    }
    // SAFETY: libtorch gave a new `at::Tensor`, which nobody else ends.
    Ok(unsafe { Tensor::from_ptr(out.cast::<C_tensor>()) })
}

/// Ends the reference that a tensor of [`adopt`] holds.
unsafe extern "C" fn end(_data: *mut c_void, kept: *mut c_void) {
    let kept = kept.cast::<abi::Tensor>();
    // SAFETY: libtorch passes back what it was given, once.
    unsafe {
        if let Some(deleter) = (*kept).deleter {
            deleter(kept);
        }
    }
}

/// Writes a result, such as \[N,h,w\] from whatever device, to the memory of a map.
///
/// # Errors
/// It has another number of elements, or libtorch cannot bring it here.
pub fn write(map: &mut [f32], tensor: &Tensor) -> Result<()> {
    let here = tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    if here.numel() != map.len() {
        let message = format!("a result of shape {:?} does not fill a map of {} elements", here.size(), map.len());
        return Err(Error::of_kind(ErrorKind::InvalidArgument, message));
    }
    Ok(here.f_copy_data(map, map.len())?)
}

/// The services of the host over tensors, which stay on their device.
pub trait TensorServices {
    /// Runs the network: \[M,C,H,W\] to logits \[M,K\].
    ///
    /// # Errors
    /// Those of the host.
    fn forward_tensor(&self, batch: &Tensor) -> Result<Tensor>;

    /// Runs the rest of the network from layer `layer` of the request on: \[M,C',h,w\] to logits \[M,K\].
    ///
    /// # Errors
    /// Those of the host.
    fn forward_from_tensor(&self, layer: usize, activations: &Tensor) -> Result<Tensor>;

    /// The gradient of sum(cotangent * logits) with respect to the value at `at`, taken at `point` (M rows); `cotangent` is
    /// \[M,K\]. The result has the shape of `point`.
    ///
    /// # Errors
    /// Those of the host.
    fn vjp_tensor(&self, at: At, point: &Tensor, cotangent: &Tensor) -> Result<Tensor>;
}

impl TensorServices for Host<'_> {
    fn forward_tensor(&self, batch: &Tensor) -> Result<Tensor> {
        let batch = plain(batch)?;
        let scores = self.scores_for(&batch)?;
        self.forward_lent(&lend(&batch)?, &lend(&scores)?)?;
        Ok(scores)
    }

    fn forward_from_tensor(&self, layer: usize, activations: &Tensor) -> Result<Tensor> {
        let activations = plain(activations)?;
        let scores = self.scores_for(&activations)?;
        self.forward_from_lent(layer, &lend(&activations)?, &lend(&scores)?)?;
        Ok(scores)
    }

    fn vjp_tensor(&self, at: At, point: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        let (point, cotangent) = (plain(point)?, plain(cotangent)?);
        let gradient = point.f_zeros_like()?;
        self.vjp_lent(at, &lend(&point)?, &lend(&cotangent)?, &lend(&gradient)?)?;
        Ok(gradient)
    }
}

/// Room for the logits of `rows`.
trait ScoresFor {
    fn scores_for(&self, rows: &Tensor) -> Result<Tensor>;
}

impl ScoresFor for Host<'_> {
    fn scores_for(&self, rows: &Tensor) -> Result<Tensor> {
        let count = *rows.size().first().ok_or_else(|| Error::new("a batch has no dimension"))?;
        Ok(Tensor::f_zeros([count, self.classes() as i64], (Kind::Float, rows.device()))?)
    }
}

/// What can be lent: row-major f32 outside any graph. No copy when it is that already.
fn plain(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.f_detach()?.f_to_kind(Kind::Float)?.f_contiguous()?)
}

/// Lends what [`plain`] gave.
fn lend(tensor: &Tensor) -> Result<Lending<'_>> {
    let device = match tensor.device() {
        tch::Device::Cpu => Device::Cpu,
        tch::Device::Cuda(index) => Device::Cuda(i32::try_from(index)?),
        other => return Err(Error::unsupported(format!("a tensor on {other:?} cannot be lent to the host"))),
    };
    // SAFETY: the tensor holds its memory for as long as it is borrowed; results are written only to tensors made here.
    Ok(unsafe { Lending::new(tensor.data_ptr(), device, &tensor.size(), &tensor.stride()) })
}

#[cfg(test)]
mod tests;
