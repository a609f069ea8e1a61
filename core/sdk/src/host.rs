//! What the host does for a method while it runs.

use std::ffi::{CString, c_void};
use std::marker::PhantomData;

use lightbox_abi as abi;

use crate::{Error, ErrorKind, Result};

/// Where a gradient is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At the network's input.
    Input,
    /// At a layer of the request, by index.
    Layer(usize),
}

/// How [`Host::scale_and_resize`] works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resize {
    /// First scale each map by S(c) = (c - min c) / (1e-7 + max(c - min c)).
    pub scale: bool,
    /// The centres of the corner pixels of both grids coincide.
    pub align_corners: bool,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is wrong with the result.
    Error,
    /// Something may be wrong with the result.
    Warning,
    /// Worth knowing.
    Info,
    /// For the author of the plugin.
    Debug,
}

/// Raw logits \[M,K\].
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    values: Vec<f32>,
    classes: usize,
}

impl Scores {
    /// Logits of M images, row by row.
    pub fn new(values: Vec<f32>, classes: usize) -> Self {
        Scores { values, classes }
    }

    /// The logit of `class` of image `row`.
    ///
    /// # Panics
    ///
    /// When there is no such row or class.
    pub fn get(&self, row: usize, class: usize) -> f32 {
        self.row(row)[class]
    }

    /// The logits of image `row`.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.classes..][..self.classes]
    }

    /// All logits, row by row.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }
}

/// What a host does for a method: implemented by the real host, and by tests of a plugin. Shapes have the images (or maps)
/// first; outputs are filled.
pub trait Services {
    /// Runs the network on `batch` \[M,C,H,W\] and fills `scores` \[M,K\].
    fn forward(&self, batch: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()>;
    /// Runs the rest of the network on `activations` \[M,C',h,w\] and fills `scores` \[M,K\].
    fn forward_from(&self, layer: usize, activations: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()>;
    /// Fills `gradient`, of the shape of `point`, with that of sum(cotangent * logits); `cotangent` is \[M,K\].
    fn vjp(&self, at: At, point: &[f32], shape: &[usize], cotangent: &[f32], gradient: &mut [f32]) -> Result<()>;
    /// Resizes `maps` \[M,h,w\] to `out` \[M,H,W\].
    fn scale_and_resize(
        &self,
        maps: &[f32],
        from: [usize; 3],
        to: (usize, usize),
        how: Resize,
        out: &mut [f32],
    ) -> Result<()>;
    /// Fills `out` with uniform numbers in \[0,1).
    fn random_uniform(&self, seed: u64, out: &mut [f32]) -> Result<()>;
    /// Fills `out` with standard normal numbers.
    fn random_normal(&self, seed: u64, out: &mut [f32]) -> Result<()>;
    /// Gives `elements` zeros that live as long as the call.
    fn scratch(&self, elements: usize) -> Result<*mut f32>;
    /// Writes a line to the log.
    fn log(&self, level: LogLevel, text: &str);
    /// Says how far the work is.
    fn progress(&self, done: u64, total: u64);
    /// Whether the user has asked to stop.
    fn is_cancelled(&self) -> bool;
}

/// What the host does for a method while it runs. It owns batching, the device and the retreat when memory runs out: any
/// number of rows may be passed.
pub struct Host<'a> {
    services: &'a dyn Services,
    classes: usize,
}

impl<'a> Host<'a> {
    /// A host, for tests of a plugin.
    pub fn new(services: &'a dyn Services, classes: usize) -> Self {
        Host { services, classes }
    }

    /// Runs the network on `batch`, \[M,C,H,W\] row-major.
    pub fn forward(&self, batch: &[f32], shape: &[usize]) -> Result<Scores> {
        let mut scores = vec![0.0; rows(batch, shape)? * self.classes];
        self.services.forward(batch, shape, &mut scores)?;
        Ok(Scores::new(scores, self.classes))
    }

    /// Runs the rest of the network on `activations`, \[M,C',h,w\] row-major, at layer `layer` of the request.
    pub fn forward_from(&self, layer: usize, activations: &[f32], shape: &[usize]) -> Result<Scores> {
        let mut scores = vec![0.0; rows(activations, shape)? * self.classes];
        self.services.forward_from(layer, activations, shape, &mut scores)?;
        Ok(Scores::new(scores, self.classes))
    }

    /// The gradient of sum(cotangent * logits) with respect to the value at `at`, taken at `point`, which has M rows. `cotangent`
    /// is \[M,K\]; the result has the shape of `point`.
    pub fn vjp(&self, at: At, point: &[f32], shape: &[usize], cotangent: &[f32]) -> Result<Vec<f32>> {
        let expected = rows(point, shape)? * self.classes;
        if cotangent.len() != expected {
            return Err(bad_shape(format!("the cotangent has {} elements, not {expected}", cotangent.len())));
        }
        let mut gradient = vec![0.0; point.len()];
        self.services.vjp(at, point, shape, cotangent, &mut gradient)?;
        Ok(gradient)
    }

    /// Resizes `maps`, \[M,h,w\] row-major, bilinearly to \[M,H,W\]; `to` is (H,W).
    pub fn scale_and_resize(
        &self,
        maps: &[f32],
        from: [usize; 3],
        to: (usize, usize),
        how: Resize,
    ) -> Result<Vec<f32>> {
        let count = rows(maps, &from)?;
        let elements = count
            .checked_mul(to.0)
            .and_then(|elements| elements.checked_mul(to.1))
            .ok_or_else(|| bad_shape(format!("{} x {} is too large", to.0, to.1)))?;
        let mut out = vec![0.0; elements];
        self.services.scale_and_resize(maps, from, to, how, &mut out)?;
        Ok(out)
    }

    /// Fills `out` with numbers, uniform in \[0,1), that depend on `seed` and their place alone.
    pub fn random_uniform(&self, seed: u64, out: &mut [f32]) -> Result<()> {
        self.services.random_uniform(seed, out)
    }

    /// Fills `out` with standard normal numbers that depend on `seed` and their place alone.
    pub fn random_normal(&self, seed: u64, out: &mut [f32]) -> Result<()> {
        self.services.random_normal(seed, out)
    }

    /// `elements` zeros in memory of the host, which lives as long as the call.
    #[allow(clippy::mut_from_ref, reason = "each call gives other memory")]
    pub fn scratch(&self, elements: usize) -> Result<&'a mut [f32]> {
        if elements == 0 {
            return Ok(&mut []);
        }
        let memory = self.services.scratch(elements)?;
        // SAFETY: the host gives zeroed memory for `elements` f32, no other call gives the same, and it lives as long as
        // the call, which `'a` does not outlive.
        Ok(unsafe { std::slice::from_raw_parts_mut(memory, elements) })
    }

    /// Writes a line to the log of the run.
    pub fn log(&self, level: LogLevel, text: &str) {
        self.services.log(level, text);
    }

    /// Says that `done` of `total` steps are done.
    pub fn progress(&self, done: u64, total: u64) {
        self.services.progress(done, total);
    }

    /// Whether the user has asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.services.is_cancelled()
    }

    /// An error of kind [`ErrorKind::Cancelled`] when the user has asked to stop; for use with `?` in a loop.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// Number of rows of data of the given shape, once the shape is known to fit.
fn rows(data: &[f32], shape: &[usize]) -> Result<usize> {
    let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    match shape {
        [rows, ..] if elements == Some(data.len()) && shape.len() <= abi::MAX_DIMENSIONS => Ok(*rows),
        _ => Err(bad_shape(format!("{} elements do not make the shape {shape:?}", data.len()))),
    }
}

fn bad_shape(message: String) -> Error {
    Error::of_kind(ErrorKind::InvalidArgument, message)
}

/// The services of the host on the other side of the ABI.
pub(crate) struct RemoteServices<'a> {
    run: *const abi::Run,
    table: &'a abi::Services,
    run_lifetime: PhantomData<&'a abi::Run>,
}

impl<'a> RemoteServices<'a> {
    /// Finds the services of a run.
    ///
    /// # Safety
    ///
    /// `run` is null or points to a run that keeps the promises of the ABI for `'a`.
    pub(crate) unsafe fn find(run: *const abi::Run) -> Result<Self> {
        let id = CString::new(abi::SERVICES_ID)?;
        // SAFETY: the caller promises a valid run or null.
        let get = unsafe { run.as_ref() }.and_then(|run| run.get_extension);
        let missing = || Error::unsupported(format!("the host offers no {}", abi::SERVICES_ID));
        let get = get.ok_or_else(missing)?;
        // SAFETY: the host's function, with its own run, during the call.
        let table = unsafe { get(run, id.as_ptr()).cast::<abi::Services>().as_ref() }.ok_or_else(missing)?;
        if table.struct_size < size_of::<abi::Services>() as u64 {
            return Err(missing());
        }
        Ok(RemoteServices { run, table, run_lifetime: PhantomData })
    }

    fn check(&self, status: abi::Status) -> Result<()> {
        if status == abi::STATUS_OK {
            return Ok(());
        }
        let mut text = vec![0_u8; 4096];
        let length = match self.table.last_error {
            // SAFETY: the buffer has the capacity that is passed.
            Some(last_error) => unsafe { last_error(self.run, text.as_mut_ptr().cast(), text.len() as u64) },
            None => 0,
        };
        text.truncate(usize::try_from(length).unwrap_or(usize::MAX).min(text.len() - 1));
        let text = String::from_utf8_lossy(&text).into_owned();
        let text = if text.is_empty() { format!("a host service failed with status {status}") } else { text };
        Err(Error::from_status(status, text))
    }
}

/// Lends a slice as a DLPack tensor for the length of `call`.
fn lend<T>(data: *mut f32, shape: &[usize], flags: u64, call: impl FnOnce(*const abi::Tensor) -> T) -> T {
    let mut sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    let mut strides = vec![1_i64; sizes.len()];
    for dimension in (1..sizes.len()).rev() {
        strides[dimension - 1] = strides[dimension] * sizes[dimension];
    }
    let tensor = abi::Tensor {
        version: abi::TensorVersion { major: abi::DLPACK_MAJOR, minor: abi::DLPACK_MINOR },
        manager_context: std::ptr::null_mut(),
        deleter: None,
        flags,
        tensor: abi::TensorData {
            data: data.cast::<c_void>(),
            device: abi::TensorDevice { device_type: abi::DEVICE_CPU, device_id: 0 },
            ndim: sizes.len() as i32,
            dtype: abi::TensorType::F32,
            shape: sizes.as_mut_ptr(),
            strides: strides.as_mut_ptr(),
            byte_offset: 0,
        },
    };
    call(&tensor)
}

fn lend_input<T>(data: &[f32], shape: &[usize], call: impl FnOnce(*const abi::Tensor) -> T) -> T {
    lend(data.as_ptr().cast_mut(), shape, abi::TENSOR_READ_ONLY, call)
}

fn missing(name: &str) -> Error {
    Error::unsupported(format!("the host does not offer {name}"))
}

impl Services for RemoteServices<'_> {
    fn forward(&self, batch: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()> {
        let forward = self.table.forward.ok_or_else(|| missing("forward"))?;
        let to = [shape[0], scores.len() / shape[0].max(1)];
        self.check(lend_input(batch, shape, |batch| {
            lend(scores.as_mut_ptr(), &to, 0, |scores| {
                // SAFETY: the host's function, with its run and tensors that outlive the call.
                unsafe { forward(self.run, batch, scores) }
            })
        }))
    }

    fn forward_from(&self, layer: usize, activations: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()> {
        let forward_from = self.table.forward_from.ok_or_else(|| missing("forward_from"))?;
        let to = [shape[0], scores.len() / shape[0].max(1)];
        self.check(lend_input(activations, shape, |activations| {
            lend(scores.as_mut_ptr(), &to, 0, |scores| {
                // SAFETY: the host's function, with its run and tensors that outlive the call.
                unsafe { forward_from(self.run, layer as u64, activations, scores) }
            })
        }))
    }

    fn vjp(&self, at: At, point: &[f32], shape: &[usize], cotangent: &[f32], gradient: &mut [f32]) -> Result<()> {
        let vjp = self.table.vjp.ok_or_else(|| missing("vjp"))?;
        let at = match at {
            At::Input => abi::AT_INPUT,
            At::Layer(layer) => layer as i64,
        };
        let cotangent_shape = [shape[0], cotangent.len() / shape[0].max(1)];
        self.check(lend_input(point, shape, |point| {
            lend_input(cotangent, &cotangent_shape, |cotangent| {
                lend(gradient.as_mut_ptr(), shape, 0, |gradient| {
                    // SAFETY: the host's function, with its run and tensors that outlive the call.
                    unsafe { vjp(self.run, at, point, cotangent, gradient) }
                })
            })
        }))
    }

    fn scale_and_resize(
        &self,
        maps: &[f32],
        from: [usize; 3],
        to: (usize, usize),
        how: Resize,
        out: &mut [f32],
    ) -> Result<()> {
        let resize = self.table.scale_and_resize.ok_or_else(|| missing("scale_and_resize"))?;
        let mut flags = 0;
        if how.scale {
            flags |= abi::RESIZE_SCALE;
        }
        if how.align_corners {
            flags |= abi::RESIZE_ALIGN_CORNERS;
        }
        self.check(lend_input(maps, &from, |maps| {
            lend(out.as_mut_ptr(), &[from[0], to.0, to.1], 0, |out| {
                // SAFETY: the host's function, with its run and tensors that outlive the call.
                unsafe { resize(self.run, maps, flags, out) }
            })
        }))
    }

    fn random_uniform(&self, seed: u64, out: &mut [f32]) -> Result<()> {
        let random = self.table.random_uniform.ok_or_else(|| missing("random_uniform"))?;
        // SAFETY: the host's function, with its run and a buffer of the length that is passed.
        self.check(unsafe { random(self.run, seed, out.as_mut_ptr(), out.len() as u64) })
    }

    fn random_normal(&self, seed: u64, out: &mut [f32]) -> Result<()> {
        let random = self.table.random_normal.ok_or_else(|| missing("random_normal"))?;
        // SAFETY: the host's function, with its run and a buffer of the length that is passed.
        self.check(unsafe { random(self.run, seed, out.as_mut_ptr(), out.len() as u64) })
    }

    fn scratch(&self, elements: usize) -> Result<*mut f32> {
        let scratch = self.table.scratch.ok_or_else(|| missing("scratch"))?;
        let bytes = elements
            .checked_mul(size_of::<f32>())
            .ok_or_else(|| bad_shape(format!("{elements} elements of scratch memory are too many")))?;
        let mut memory = std::ptr::null_mut();
        // SAFETY: the host's function, with its run.
        self.check(unsafe { scratch(self.run, bytes as u64, &mut memory) })?;
        if memory.is_null() {
            return Err(Error::of_kind(ErrorKind::OutOfMemory, "the host gave no scratch memory"));
        }
        Ok(memory.cast())
    }

    fn log(&self, level: LogLevel, text: &str) {
        let level = match level {
            LogLevel::Error => abi::LOG_ERROR,
            LogLevel::Warning => abi::LOG_WARNING,
            LogLevel::Info => abi::LOG_INFO,
            LogLevel::Debug => abi::LOG_DEBUG,
        };
        if let (Some(log), Ok(text)) = (self.table.log, CString::new(text.replace('\0', " "))) {
            // SAFETY: the host's function, with its run and zero-terminated text.
            unsafe { log(self.run, level, text.as_ptr()) };
        }
    }

    fn progress(&self, done: u64, total: u64) {
        if let Some(progress) = self.table.progress {
            // SAFETY: the host's function, with its run.
            unsafe { progress(self.run, done, total) };
        }
    }

    fn is_cancelled(&self) -> bool {
        // SAFETY: the host's function, with its run.
        self.table.is_cancelled.is_some_and(|is_cancelled| unsafe { is_cancelled(self.run) } != 0)
    }
}
