//! The services of the host on the other side of the ABI.

use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;

use lightbox_abi as abi;

use crate::host::{bad_shape, not_offered};
use crate::taps::{TapInfo, TapValue};
use crate::{At, Error, ErrorKind, Lending, LogLevel, Resize, Result, Services};

/// The services of the host on the other side of the ABI.
pub(crate) struct RemoteServices<'a> {
    run: *const abi::Run,
    table: &'a abi::Services,
    hvp: Option<&'a abi::Hvp>,
    taps: Option<&'a abi::Taps>,
    run_lifetime: PhantomData<&'a abi::Run>,
}

impl<'a> RemoteServices<'a> {
    /// Finds the services of a run.
    ///
    /// # Safety
    ///
    /// `run` is null or points to a run that keeps the promises of the ABI for `'a`.
    pub(crate) unsafe fn find(run: *const abi::Run) -> Result<Self> {
        // SAFETY: the caller promises a valid run or null.
        let extension = |id: &str| unsafe { extension(run, id) };
        // SAFETY: each id names its own struct, which begins with its size and lives as long as the run.
        let (table, hvp, taps) = unsafe {
            (
                table(extension(abi::SERVICES_ID)?, |table: &abi::Services| table.struct_size),
                table(extension(abi::HVP_ID)?, |table: &abi::Hvp| table.struct_size),
                table(extension(abi::TAPS_ID)?, |table: &abi::Taps| table.struct_size),
            )
        };
        let table = table.ok_or_else(|| Error::unsupported(format!("the host offers no {}", abi::SERVICES_ID)))?;
        Ok(RemoteServices { run, table, hvp, taps, run_lifetime: PhantomData })
    }

    fn describe_tap(&self, index: u64) -> Result<TapInfo> {
        let describe = self.taps.and_then(|table| table.describe).ok_or_else(|| not_offered(abi::TAPS_ID))?;
        let mut info = abi::TapInfo {
            struct_size: size_of::<abi::TapInfo>() as u64,
            name: std::ptr::null(),
            channels: 0,
            height: 0,
            width: 0,
        };
        // SAFETY: the host's function, with its run and a place of the size that it says.
        self.check(unsafe { describe(self.run, index, &raw mut info) })?;
        if info.name.is_null() {
            return Err(Error::new("the host gave a tap without a name"));
        }
        // SAFETY: the host promises zero-terminated text, and it is not null.
        let name = unsafe { CStr::from_ptr(info.name) }.to_string_lossy().into_owned();
        let size = |value: u64| usize::try_from(value).map_err(|_| bad_shape("a tap is too large".to_owned()));
        Ok(TapInfo { name, shape: [size(info.channels)?, size(info.height)?, size(info.width)?] })
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

/// A reference of the plugin's own to `tensor`.
///
/// # Safety
///
/// `run` is null or points to a run that keeps the promises of the ABI, and whose call has not ended; `tensor` is one of its
/// request's.
pub(crate) unsafe fn keep(run: *const abi::Run, tensor: *const abi::Tensor) -> Result<*mut abi::Tensor> {
    // SAFETY: the caller promises the run; the id names its own struct, which begins with its size.
    let offered = unsafe { table(extension(run, abi::KEEP_ID)?, |table: &abi::Keep| table.struct_size) };
    let keep = offered.and_then(|table| table.keep).ok_or_else(|| not_offered(abi::KEEP_ID))?;
    let mut out = std::ptr::null_mut();
    // SAFETY: the host's function, with its run, a tensor of its request and a place for one pointer.
    let services = unsafe { RemoteServices::find(run) }?;
    // SAFETY: as above.
    services.check(unsafe { keep(run, tensor, &raw mut out) })?;
    Ok(out)
}

/// A capability of a run, or null.
///
/// # Safety
///
/// `run` is null or points to a run that keeps the promises of the ABI.
unsafe fn extension(run: *const abi::Run, id: &str) -> Result<*const c_void> {
    let id = CString::new(id)?;
    // SAFETY: the caller promises a valid run or null.
    let Some(get) = (unsafe { run.as_ref() }).and_then(|run| run.get_extension) else { return Ok(std::ptr::null()) };
    // SAFETY: the host's function, with its own run, during the call.
    Ok(unsafe { get(run, id.as_ptr()) })
}

/// A table of the host, unless it is missing or shorter than this SDK knows it.
///
/// # Safety
///
/// `raw` is null or points to a `T` that begins with its size and lives for `'a`.
unsafe fn table<'a, T>(raw: *const c_void, size: impl Fn(&T) -> u64) -> Option<&'a T> {
    // SAFETY: the caller promises the table.
    unsafe { raw.cast::<T>().as_ref() }.filter(|table| size(table) >= size_of::<T>() as u64)
}

fn place(at: At) -> i64 {
    match at {
        At::Input => abi::AT_INPUT,
        At::Layer(layer) => layer as i64,
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

impl Services for RemoteServices<'_> {
    fn forward(&self, batch: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()> {
        let forward = self.table.forward.ok_or_else(|| not_offered("forward"))?;
        let to = [shape[0], scores.len() / shape[0].max(1)];
        self.check(lend_input(batch, shape, |batch| {
            lend(scores.as_mut_ptr(), &to, 0, |scores| {
                // SAFETY: the host's function, with its run and tensors that outlive the call.
                unsafe { forward(self.run, batch, scores) }
            })
        }))
    }

    fn forward_from(&self, layer: usize, activations: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()> {
        let forward_from = self.table.forward_from.ok_or_else(|| not_offered("forward_from"))?;
        let to = [shape[0], scores.len() / shape[0].max(1)];
        self.check(lend_input(activations, shape, |activations| {
            lend(scores.as_mut_ptr(), &to, 0, |scores| {
                // SAFETY: the host's function, with its run and tensors that outlive the call.
                unsafe { forward_from(self.run, layer as u64, activations, scores) }
            })
        }))
    }

    fn forward_lent(&self, batch: &Lending<'_>, scores: &Lending<'_>) -> Result<()> {
        let forward = self.table.forward.ok_or_else(|| not_offered("forward"))?;
        // SAFETY: the host's function, with its run and tensors that outlive the call.
        self.check(unsafe { forward(self.run, batch.as_ptr(), scores.as_ptr()) })
    }

    fn forward_from_lent(&self, layer: usize, activations: &Lending<'_>, scores: &Lending<'_>) -> Result<()> {
        let forward_from = self.table.forward_from.ok_or_else(|| not_offered("forward_from"))?;
        // SAFETY: the host's function, with its run and tensors that outlive the call.
        self.check(unsafe { forward_from(self.run, layer as u64, activations.as_ptr(), scores.as_ptr()) })
    }

    fn vjp_lent(&self, at: At, point: &Lending<'_>, cotangent: &Lending<'_>, gradient: &Lending<'_>) -> Result<()> {
        let vjp = self.table.vjp.ok_or_else(|| not_offered("vjp"))?;
        // SAFETY: the host's function, with its run and tensors that outlive the call.
        self.check(unsafe { vjp(self.run, place(at), point.as_ptr(), cotangent.as_ptr(), gradient.as_ptr()) })
    }

    fn vjp(&self, at: At, point: &[f32], shape: &[usize], cotangent: &[f32], gradient: &mut [f32]) -> Result<()> {
        let vjp = self.table.vjp.ok_or_else(|| not_offered("vjp"))?;
        let at = place(at);
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

    fn hvp(
        &self,
        at: At,
        point: &[f32],
        shape: &[usize],
        cotangent: &[f32],
        direction: &[f32],
        product: &mut [f32],
    ) -> Result<()> {
        let hvp = self.hvp.and_then(|table| table.hvp).ok_or_else(|| not_offered(abi::HVP_ID))?;
        let cotangent_shape = [shape[0], cotangent.len() / shape[0].max(1)];
        self.check(lend_input(point, shape, |point| {
            lend_input(cotangent, &cotangent_shape, |cotangent| {
                lend_input(direction, shape, |direction| {
                    lend(product.as_mut_ptr(), shape, 0, |product| {
                        // SAFETY: the host's function, with its run and tensors that outlive the call.
                        unsafe { hvp(self.run, place(at), point, cotangent, direction, product) }
                    })
                })
            })
        }))
    }

    fn taps(&self, point: &[f32], shape: &[usize], cotangent: &[f32]) -> Result<Vec<TapInfo>> {
        let open = self.taps.and_then(|table| table.open).ok_or_else(|| not_offered(abi::TAPS_ID))?;
        let cotangent_shape = [shape[0], cotangent.len() / shape[0].max(1)];
        let mut count = 0;
        self.check(lend_input(point, shape, |point| {
            lend_input(cotangent, &cotangent_shape, |cotangent| {
                // SAFETY: the host's function, with its run, tensors that outlive the call and a place for one number.
                unsafe { open(self.run, point, cotangent, &raw mut count) }
            })
        }))?;
        (0..count).map(|index| self.describe_tap(index)).collect()
    }

    fn tap_values(
        &self,
        index: usize,
        what: TapValue,
        rows: usize,
        [channels, height, width]: [usize; 3],
        out: &mut [f32],
    ) -> Result<()> {
        let table = self.taps.ok_or_else(|| not_offered(abi::TAPS_ID))?;
        let read = match what {
            TapValue::Bias => table.bias,
            TapValue::Output => table.output,
            TapValue::Gradient => table.gradient,
        };
        let read = read.ok_or_else(|| not_offered(abi::TAPS_ID))?;
        let (own, whole) = ([channels], [rows, channels, height, width]);
        let shape: &[usize] = if what == TapValue::Bias { &own } else { &whole };
        self.check(lend(out.as_mut_ptr(), shape, 0, |out| {
            // SAFETY: the host's function, with its run and a tensor that outlives the call.
            unsafe { read(self.run, index as u64, out) }
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
        let resize = self.table.scale_and_resize.ok_or_else(|| not_offered("scale_and_resize"))?;
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
        let random = self.table.random_uniform.ok_or_else(|| not_offered("random_uniform"))?;
        // SAFETY: the host's function, with its run and a buffer of the length that is passed.
        self.check(unsafe { random(self.run, seed, out.as_mut_ptr(), out.len() as u64) })
    }

    fn random_normal(&self, seed: u64, out: &mut [f32]) -> Result<()> {
        let random = self.table.random_normal.ok_or_else(|| not_offered("random_normal"))?;
        // SAFETY: the host's function, with its run and a buffer of the length that is passed.
        self.check(unsafe { random(self.run, seed, out.as_mut_ptr(), out.len() as u64) })
    }

    fn scratch(&self, elements: usize) -> Result<*mut f32> {
        let scratch = self.table.scratch.ok_or_else(|| not_offered("scratch"))?;
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
