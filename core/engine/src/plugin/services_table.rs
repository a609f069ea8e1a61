//! The C side of [`HostServices`]: what a plugin calls during a run. Nothing unwinds into the plugin.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::ThreadId;

use lightbox_abi as abi;
use tch::{Kind, Tensor};

use super::keep::KEEP;
use super::lend::{Lent, borrow};
use super::maps::MapStore;
use super::services_extensions::{HVP, OpenTap, TAPS};
use super::{At, HostServices, LogLevel, Resize, ServiceError};

/// One call of a method. Its address is in the tables that the plugin gets, so it stays where it is.
pub(super) struct RunContext<'a> {
    services: RefCell<&'a mut dyn HostServices>,
    maps: MapStore,
    scratch: RefCell<Vec<Vec<Block>>>,
    pub(super) taps: RefCell<Vec<OpenTap>>,
    error: RefCell<String>,
    thread: ThreadId,
    pub(super) classes: i64,
    layers: usize,
    /// The tensors of the request.
    pub(super) lent: Vec<&'a Lent>,
}

/// The unit of scratch memory, for its alignment.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Block([u8; 64]);

impl<'a> RunContext<'a> {
    pub(super) fn new(
        services: &'a mut dyn HostServices,
        maps: MapStore,
        classes: usize,
        layers: usize,
        lent: Vec<&'a Lent>,
    ) -> Self {
        RunContext {
            services: RefCell::new(services),
            maps,
            scratch: RefCell::default(),
            taps: RefCell::default(),
            error: RefCell::default(),
            thread: std::thread::current().id(),
            classes: classes as i64,
            layers,
            lent,
        }
    }

    pub(super) fn run(&self) -> abi::Run {
        abi::Run {
            struct_size: size_of::<abi::Run>() as u64,
            context: std::ptr::from_ref(self).cast_mut().cast(),
            get_extension: Some(get_extension),
        }
    }

    pub(super) fn c_maps(&self, count: usize) -> abi::Maps {
        abi::Maps {
            struct_size: size_of::<abi::Maps>() as u64,
            context: std::ptr::from_ref(self).cast_mut().cast(),
            map_count: count as u64,
            get: Some(map),
        }
    }

    pub(super) fn into_maps(self) -> MapStore {
        self.maps
    }
}

/// What went wrong in a service, and the status that says so.
pub(super) type Fault = (abi::Status, String);

pub(super) fn invalid(why: impl Into<String>) -> Fault {
    (abi::STATUS_INVALID_ARGUMENT, why.into())
}

pub(super) fn fault(error: ServiceError) -> Fault {
    let status = match error {
        ServiceError::Cancelled => abi::STATUS_CANCELLED,
        ServiceError::OutOfMemory(_) => abi::STATUS_OUT_OF_MEMORY,
        ServiceError::Unsupported(_) => abi::STATUS_UNSUPPORTED,
        ServiceError::Failed(_) => abi::STATUS_FAILED,
    };
    (status, error.to_string())
}

/// # Safety
///
/// `run` is null or the table that the host made for a call that has not ended.
unsafe fn context<'a>(run: *const abi::Run) -> Option<&'a RunContext<'a>> {
    // SAFETY: the caller promises the table, whose context is the run's own.
    unsafe { run.as_ref()?.context.cast::<RunContext<'_>>().as_ref() }
}

/// Runs one service: on the run's own thread only, never from inside another, and without letting a panic out.
///
/// # Safety
///
/// As for [`context`].
pub(super) unsafe fn serve(
    run: *const abi::Run,
    name: &str,
    call: impl FnOnce(&RunContext<'_>, &mut dyn HostServices) -> Result<(), Fault>,
) -> abi::Status {
    // SAFETY: the caller promises the table.
    let Some(context) = (unsafe { context(run) }) else { return abi::STATUS_INVALID_ARGUMENT };
    if std::thread::current().id() != context.thread {
        // The text of the last error belongs to the run's thread.
        return abi::STATUS_INVALID_ARGUMENT;
    }
    let outcome = match context.services.try_borrow_mut() {
        Err(_) => Err((abi::STATUS_FAILED, "a host service was called from inside another".to_owned())),
        Ok(mut services) => catch_unwind(AssertUnwindSafe(|| call(context, *services)))
            .unwrap_or_else(|_| Err((abi::STATUS_FAILED, "the host panicked".to_owned()))),
    };
    match outcome {
        Ok(()) => abi::STATUS_OK,
        Err((status, text)) => {
            if let Ok(mut error) = context.error.try_borrow_mut() {
                *error = format!("host service `{name}`: {text}");
            }
            status
        }
    }
}

static SERVICES: abi::Services = abi::Services {
    struct_size: size_of::<abi::Services>() as u64,
    forward: Some(forward),
    forward_from: Some(forward_from),
    vjp: Some(vjp),
    scale_and_resize: Some(scale_and_resize),
    random_uniform: Some(random_uniform),
    random_normal: Some(random_normal),
    scratch: Some(scratch),
    log: Some(log),
    progress: Some(progress),
    is_cancelled: Some(is_cancelled),
    last_error: Some(last_error),
};

unsafe extern "C" fn get_extension(_run: *const abi::Run, id: *const c_char) -> *const c_void {
    if id.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the plugin passes zero-terminated text, and it is not null.
    match unsafe { CStr::from_ptr(id) }.to_str() {
        Ok(abi::SERVICES_ID) => (&raw const SERVICES).cast(),
        Ok(abi::HVP_ID) => (&raw const HVP).cast(),
        Ok(abi::TAPS_ID) => (&raw const TAPS).cast(),
        Ok(abi::KEEP_ID) => (&raw const KEEP).cast(),
        _ => std::ptr::null(),
    }
}

unsafe extern "C" fn map(
    maps: *const abi::Maps,
    index: u64,
    height: u64,
    width: u64,
    out: *mut *mut f32,
) -> abi::Status {
    // SAFETY: the plugin passes back the table that it was given, during the call.
    let context = unsafe { maps.as_ref().and_then(|maps| maps.context.cast::<RunContext<'_>>().as_ref()) };
    let (Some(context), false) = (context, out.is_null()) else { return abi::STATUS_INVALID_ARGUMENT };
    if std::thread::current().id() != context.thread {
        return abi::STATUS_INVALID_ARGUMENT;
    }
    match catch_unwind(AssertUnwindSafe(|| context.maps.get(index, height, width))) {
        Ok(Ok(memory)) => {
            // SAFETY: the plugin passes a place for one pointer, and it is not null.
            unsafe { out.write(memory) };
            abi::STATUS_OK
        }
        Ok(Err(status)) => status,
        Err(_) => abi::STATUS_FAILED,
    }
}

/// A copy of a tensor that the plugin lends, on the same device: it may be reused or freed as soon as the call returns, and
/// an autograd graph could still hold it.
///
/// # Safety
///
/// As for [`borrow`].
pub(super) unsafe fn input(raw: *const abi::Tensor, what: &str) -> Result<Tensor, Fault> {
    // SAFETY: the caller promises the tensor.
    let lent = unsafe { borrow(raw, what) }.map_err(invalid)?;
    let copy = lent.f_empty_like().and_then(|copy| copy.f_contiguous()).map_err(|error| fault(error.into()))?;
    let mut copy = copy;
    copy.f_copy_(&lent).map_err(|error| fault(error.into()))?;
    Ok(copy)
}

/// Writes a result to a tensor that the plugin lends.
///
/// # Safety
///
/// As for [`borrow`], and the memory may be written.
pub(super) unsafe fn output(raw: *const abi::Tensor, what: &str, result: &Tensor) -> Result<(), Fault> {
    // SAFETY: the caller promises the tensor.
    let mut lent = unsafe { borrow(raw, what) }.map_err(invalid)?;
    if lent.size() != result.size() {
        return Err(invalid(format!("{what} has the shape {:?}, the result {:?}", lent.size(), result.size())));
    }
    tch::no_grad(|| lent.f_copy_(&result.detach().to_kind(Kind::Float))).map_err(|error| fault(error.into()))
}

/// Checks that the result will fit before anything is computed.
///
/// # Safety
///
/// As for [`borrow`].
pub(super) unsafe fn expect_shape(raw: *const abi::Tensor, what: &str, shape: &[i64]) -> Result<(), Fault> {
    // SAFETY: the caller promises the tensor.
    let found = unsafe { borrow(raw, what) }.map_err(invalid)?.size();
    if found != shape {
        return Err(invalid(format!("{what} has the shape {found:?}, not {shape:?}")));
    }
    Ok(())
}

pub(super) fn dimensions(tensor: &Tensor, wanted: usize, what: &str) -> Result<(), Fault> {
    if tensor.dim() != wanted {
        return Err(invalid(format!("{what} has {} dimensions, not {wanted}", tensor.dim())));
    }
    Ok(())
}

unsafe extern "C" fn forward(
    run: *const abi::Run,
    batch: *const abi::Tensor,
    scores: *const abi::Tensor,
) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "forward", |context, services| {
            let batch = input(batch, "the batch")?;
            dimensions(&batch, 4, "the batch")?;
            expect_shape(scores, "the scores", &[batch.size()[0], context.classes])?;
            output(scores, "the scores", &services.forward(&batch).map_err(fault)?)
        })
    }
}

unsafe extern "C" fn forward_from(
    run: *const abi::Run,
    layer: u64,
    activations: *const abi::Tensor,
    scores: *const abi::Tensor,
) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "forward_from", |context, services| {
            let layer = context.layer(layer)?;
            let activations = input(activations, "the activations")?;
            dimensions(&activations, 4, "the activations")?;
            expect_shape(scores, "the scores", &[activations.size()[0], context.classes])?;
            output(scores, "the scores", &services.forward_from(layer, &activations).map_err(fault)?)
        })
    }
}

unsafe extern "C" fn vjp(
    run: *const abi::Run,
    at: i64,
    point: *const abi::Tensor,
    cotangent: *const abi::Tensor,
    gradient: *const abi::Tensor,
) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "vjp", |context, services| {
            let at = context.place(at)?;
            let point = input(point, "the point")?;
            dimensions(&point, 4, "the point")?;
            expect_shape(cotangent, "the cotangent", &[point.size()[0], context.classes])?;
            expect_shape(gradient, "the gradient", &point.size())?;
            let cotangent = input(cotangent, "the cotangent")?;
            output(gradient, "the gradient", &services.vjp(at, &point, &cotangent).map_err(fault)?)
        })
    }
}

unsafe extern "C" fn scale_and_resize(
    run: *const abi::Run,
    maps: *const abi::Tensor,
    flags: u32,
    out: *const abi::Tensor,
) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "scale_and_resize", |_, services| {
            if flags & !(abi::RESIZE_SCALE | abi::RESIZE_ALIGN_CORNERS) != 0 {
                return Err((abi::STATUS_UNSUPPORTED, format!("the flags {flags:#x} are not all known")));
            }
            let how =
                Resize { scale: flags & abi::RESIZE_SCALE != 0, align_corners: flags & abi::RESIZE_ALIGN_CORNERS != 0 };
            let maps = input(maps, "the maps")?;
            dimensions(&maps, 3, "the maps")?;
            let size = borrow(out, "the result").map_err(invalid)?.size();
            let &[count, height, width] = size.as_slice() else {
                return Err(invalid(format!("the result has {} dimensions, not 3", size.len())));
            };
            if count != maps.size()[0] {
                return Err(invalid(format!("the result has {count} maps, not {}", maps.size()[0])));
            }
            output(out, "the result", &services.scale_and_resize(&maps, (height, width), how).map_err(fault)?)
        })
    }
}

/// # Safety
///
/// `out` is null or has room for `count` elements.
unsafe fn numbers<'a>(out: *mut f32, count: u64) -> Result<&'a mut [f32], Fault> {
    let count = usize::try_from(count).map_err(|_| invalid("the count is too large"))?;
    if count == 0 {
        return Ok(&mut []);
    }
    if out.is_null() || count > isize::MAX as usize / size_of::<f32>() {
        return Err(invalid("the place for the numbers is null, or they are too many"));
    }
    // SAFETY: the caller promises the room; any bits are an f32, and the memory is only written.
    unsafe {
        std::ptr::write_bytes(out, 0, count);
        Ok(std::slice::from_raw_parts_mut(out, count))
    }
}

unsafe extern "C" fn random_uniform(run: *const abi::Run, seed: u64, out: *mut f32, count: u64) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "random_uniform", |_, services| {
            services.random_uniform(seed, numbers(out, count)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn random_normal(run: *const abi::Run, seed: u64, out: *mut f32, count: u64) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "random_normal", |_, services| {
            services.random_normal(seed, numbers(out, count)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn scratch(run: *const abi::Run, bytes: u64, out: *mut *mut c_void) -> abi::Status {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "scratch", |context, _| {
            if out.is_null() {
                return Err(invalid("the place for the memory is null"));
            }
            let blocks = usize::try_from(bytes.div_ceil(size_of::<Block>() as u64))
                .map_err(|_| invalid(format!("{bytes} bytes are too many")))?;
            let mut memory: Vec<Block> = Vec::new();
            memory
                .try_reserve_exact(blocks.max(1))
                .map_err(|_| (abi::STATUS_OUT_OF_MEMORY, format!("there is no room for {bytes} bytes")))?;
            memory.resize(blocks.max(1), Block([0; 64]));
            // SAFETY: the plugin passes a place for one pointer, and it is not null. The memory stays where it is when its
            // owner moves.
            out.write(memory.as_mut_ptr().cast());
            let mut kept = context.scratch.try_borrow_mut().map_err(|_| invalid("called from inside itself"))?;
            kept.push(memory);
            Ok(())
        })
    }
}

unsafe extern "C" fn log(run: *const abi::Run, level: u32, text: *const c_char) {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "log", |_, services| {
            let level = match level {
                abi::LOG_ERROR => LogLevel::Error,
                abi::LOG_WARNING => LogLevel::Warning,
                abi::LOG_INFO => LogLevel::Info,
                _ => LogLevel::Debug,
            };
            if !text.is_null() {
                services.log(level, &CStr::from_ptr(text).to_string_lossy());
            }
            Ok(())
        });
    }
}

unsafe extern "C" fn progress(run: *const abi::Run, done: u64, total: u64) {
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "progress", |_, services| {
            services.progress(done.min(total), total);
            Ok(())
        });
    }
}

unsafe extern "C" fn is_cancelled(run: *const abi::Run) -> i32 {
    let mut cancelled = false;
    // SAFETY: the plugin keeps the promises of the ABI.
    unsafe {
        serve(run, "is_cancelled", |_, services| {
            cancelled = services.is_cancelled();
            Ok(())
        });
    }
    i32::from(cancelled)
}

unsafe extern "C" fn last_error(run: *const abi::Run, buffer: *mut c_char, capacity: u64) -> u64 {
    // SAFETY: the plugin keeps the promises of the ABI.
    let Some(context) = (unsafe { context(run) }) else { return 0 };
    if std::thread::current().id() != context.thread {
        return 0;
    }
    let Ok(text) = context.error.try_borrow() else { return 0 };
    let room = usize::try_from(capacity).unwrap_or(usize::MAX);
    if !buffer.is_null() && room > 0 {
        let length = text.len().min(room - 1);
        // SAFETY: the plugin promises `capacity` bytes of room; the text and its zero fit.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), length);
            buffer.add(length).write(0);
        }
    }
    text.len() as u64
}

impl RunContext<'_> {
    /// Where a gradient is taken.
    pub(super) fn place(&self, at: i64) -> Result<At, Fault> {
        match u64::try_from(at) {
            Ok(layer) => Ok(At::Layer(self.layer(layer)?)),
            Err(_) if at == abi::AT_INPUT => Ok(At::Input),
            Err(_) => Err(invalid(format!("there is no place {at}"))),
        }
    }

    fn layer(&self, layer: u64) -> Result<usize, Fault> {
        usize::try_from(layer)
            .ok()
            .filter(|&layer| layer < self.layers)
            .ok_or_else(|| invalid(format!("the request has {} layers, there is no layer {layer}", self.layers)))
    }
}
