//! The C side of a model plugin: what [`export_plugin!`](crate::export_plugin) is made of.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::ManuallyDrop;
use std::sync::Mutex;

use lightbox_plugin::abi;
use lightbox_plugin::export::{guard, guard_pointer, guard_silent, leak_table, leak_text, read_values};
use tch::Tensor;
use torch_sys::{C_tensor, at_free};

use crate::{CreateRequest, Error, ErrorKind, Model, ModelDescriptor};

/// One network of a plugin: how to describe it and how to make one.
pub struct ModelExport {
    describe: fn() -> ModelDescriptor,
    create: fn(&CreateRequest) -> Result<Box<dyn Model>, Error>,
}

impl ModelExport {
    /// The network `T`.
    pub const fn of<T: Model + 'static>() -> Self {
        ModelExport { describe: T::descriptor, create: |request| Ok(Box::new(T::create(request)?)) }
    }
}

/// The factory of a plugin's networks. The host sees its first field.
#[repr(C)]
pub struct ModelFactory {
    table: abi::ModelFactory,
    models: &'static [ModelExport],
    described: Mutex<Vec<(u32, Described)>>,
}

#[derive(Clone, Copy)]
struct Described(*const abi::ModelDescriptor);

// SAFETY: the descriptor is a leaked constant that every thread may read.
unsafe impl Send for Described {}

impl ModelFactory {
    /// The factory of `models`.
    pub const fn new(models: &'static [ModelExport]) -> Self {
        ModelFactory {
            table: abi::ModelFactory {
                struct_size: size_of::<abi::ModelFactory>() as u64,
                count: Some(count),
                descriptor: Some(descriptor),
                create: Some(create),
            },
            models,
            described: Mutex::new(Vec::new()),
        }
    }
}

/// # Safety
///
/// `factory` is the first field of a [`ModelFactory`] that lives for ever, or null.
unsafe fn own<'a>(factory: *const abi::ModelFactory) -> Result<&'a ModelFactory, Error> {
    // SAFETY: the table is the first field of a `repr(C)` struct, and the host passes back what `get_factory` gave.
    unsafe { factory.cast::<ModelFactory>().as_ref() }.ok_or_else(|| Error::new("the factory is null"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::of_kind(ErrorKind::InvalidArgument, message)
}

unsafe extern "C" fn count(factory: *const abi::ModelFactory) -> u32 {
    // SAFETY: the host passes the factory that it was given.
    unsafe { own(factory) }.map_or(0, |factory| factory.models.len() as u32)
}

unsafe extern "C" fn descriptor(factory: *const abi::ModelFactory, index: u32) -> *const abi::ModelDescriptor {
    guard_pointer(|| {
        // SAFETY: the host passes the factory that it was given.
        let factory = unsafe { own(factory) }?;
        let model = factory.models.get(index as usize).ok_or_else(|| invalid(format!("there is no model {index}")))?;
        // The plugin's own code runs before the lock, so that its panic does not poison it.
        let description = (model.describe)();
        let mut described = factory.described.lock().map_err(|_| Error::new("the descriptors are poisoned"))?;
        if let Some((_, known)) = described.iter().find(|(known, _)| *known == index) {
            return Ok(known.0);
        }
        let leaked = leak_descriptor(&description)?;
        described.push((index, Described(leaked)));
        Ok(leaked)
    })
}

fn leak_descriptor(descriptor: &ModelDescriptor) -> Result<*const abi::ModelDescriptor, Error> {
    let default_cut_point =
        descriptor.cut_points.iter().position(|name| *name == descriptor.default_layer).ok_or_else(|| {
            Error::new(format!("the default layer {:?} is none of the cut points", descriptor.default_layer))
        })?;
    let cut_points = descriptor.cut_points.iter().map(|name| leak_text(name)).collect::<Result<Vec<_>, _>>()?;
    let (options, option_count) = leak_table(&descriptor.options)?;
    Ok(Box::leak(Box::new(abi::ModelDescriptor {
        struct_size: size_of::<abi::ModelDescriptor>() as u64,
        id: leak_text(descriptor.id)?,
        name: leak_text(descriptor.name)?,
        reference: leak_text(descriptor.reference)?,
        description: leak_text(descriptor.description)?,
        input_height: descriptor.input_size.0,
        input_width: descriptor.input_size.1,
        minimum_height: descriptor.min_size.0,
        minimum_width: descriptor.min_size.1,
        layout: abi::LAYOUT_IMAGE,
        dimensions: 4,
        mean: descriptor.mean,
        std: descriptor.std,
        channel_count: u32::try_from(descriptor.channels.len())?,
        cut_point_count: u32::try_from(cut_points.len())?,
        channels: descriptor.channels.as_ptr(),
        cut_points: cut_points.leak().as_ptr(),
        default_cut_point: u32::try_from(default_cut_point)?,
        option_count,
        options,
        weights_url: leak_text(descriptor.weights_url)?,
    })))
}

/// An instance. The host sees its first field.
#[repr(C)]
struct Instance {
    table: abi::Model,
    model: Box<dyn Model>,
    cut_points: usize,
}

unsafe extern "C" fn create(
    factory: *const abi::ModelFactory,
    request: *const abi::ModelRequest,
    out: *mut *mut abi::Model,
) -> abi::Status {
    guard(|| {
        // SAFETY: the host passes the factory that it was given, and a request that outlives the call.
        let (factory, request) = unsafe { (own(factory)?, request.as_ref()) };
        let request = match request {
            Some(request) if !request.id.is_null() && !out.is_null() => request,
            _ => return Err(invalid("the request, its id or the place for the model is null")),
        };
        if request.struct_size < size_of::<abi::ModelRequest>() as u64 {
            return Err(invalid("the request is shorter than this plugin's ABI says"));
        }
        // SAFETY: the host passes zero-terminated text, and it is not null.
        let id = unsafe { CStr::from_ptr(request.id) }.to_string_lossy();
        for model in factory.models {
            let descriptor = (model.describe)();
            if descriptor.id != id {
                continue;
            }
            if !descriptor.channels.iter().any(|&channels| u64::from(channels) == request.channel_count) {
                return Err(invalid(format!(
                    "`{id}` takes {:?} channels, not {}",
                    descriptor.channels, request.channel_count
                )));
            }
            let request = CreateRequest {
                classes: i64::try_from(request.class_count)?,
                channels: i64::try_from(request.channel_count)?,
                // SAFETY: the host passes as many values as it says.
                options: unsafe { read_values(&descriptor.options, request.options, request.option_count) }?,
                seed: request.seed,
            };
            let instance = Box::new(Instance {
                table: abi::Model {
                    struct_size: size_of::<abi::Model>() as u64,
                    context: std::ptr::null_mut(),
                    forward_between: Some(forward_between),
                    variables: Some(variables),
                    device_or_dtype_changed: Some(device_or_dtype_changed),
                    release: Some(release),
                    destroy: Some(destroy),
                    get_extension: Some(get_extension),
                },
                model: (model.create)(&request)?,
                cut_points: descriptor.cut_points.len(),
            });
            // SAFETY: the host passes a place for one pointer, and it is not null.
            unsafe { out.write(Box::into_raw(instance).cast()) };
            return Ok(());
        }
        Err(invalid(format!("there is no model `{id}`")))
    })
}

/// # Safety
///
/// `model` is null or the first field of an [`Instance`] that `create` gave and nobody else uses during the call.
unsafe fn instance<'a>(model: *mut abi::Model) -> Result<&'a mut Instance, Error> {
    // SAFETY: the table is the first field of a `repr(C)` struct.
    unsafe { model.cast::<Instance>().as_mut() }.ok_or_else(|| invalid("the model is null"))
}

unsafe extern "C" fn forward_between(
    model: *mut abi::Model,
    input: abi::TensorHandle,
    from: i64,
    to: i64,
    train: i32,
    out: *mut abi::TensorHandle,
) -> abi::Status {
    guard(|| {
        // SAFETY: the host passes an instance that `create` gave, on one thread at a time.
        let instance = unsafe { instance(model) }?;
        if input.is_null() || out.is_null() {
            return Err(invalid("the input or the place for the result is null"));
        }
        let cut = |index: i64| match usize::try_from(index) {
            Ok(index) if index < instance.cut_points => Ok(Some(index)),
            _ if index == abi::CUT_END => Ok(None),
            _ => Err(invalid(format!("there is no cut point {index}"))),
        };
        let (from, to) = (cut(from)?, cut(to)?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(invalid(format!("cut point {to} does not come after {from}")));
        }
        // SAFETY: the host passes a tensor that outlives the call; it is borrowed, so it must not be dropped.
        let input = ManuallyDrop::new(unsafe { Tensor::from_ptr(input.cast::<C_tensor>()) });
        let mut result = ManuallyDrop::new(instance.model.forward_between(&input, from, to, train != 0)?);
        // SAFETY: the host passes a place for one handle, and it is not null; the reference is now the host's.
        unsafe { out.write(result.as_mut_ptr().cast()) };
        Ok(())
    })
}

unsafe extern "C" fn variables(
    model: *mut abi::Model,
    visit: Option<abi::VariableVisitor>,
    context: *mut c_void,
) -> abi::Status {
    let mut refused = abi::STATUS_OK;
    let status = guard(|| {
        // SAFETY: the host passes an instance that `create` gave, on one thread at a time.
        let instance = unsafe { instance(model) }?;
        let visit = visit.ok_or_else(|| invalid("the visitor is null"))?;
        for mut variable in instance.model.variables() {
            let name = CString::new(variable.name)?;
            let aliases = variable.aliases.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
            let aliases: Vec<*const c_char> = aliases.iter().map(|alias| alias.as_ptr()).collect();
            let row = abi::Variable {
                struct_size: size_of::<abi::Variable>() as u64,
                name: name.as_ptr(),
                tensor: variable.tensor.as_mut_ptr().cast(),
                trainable: u32::from(variable.trainable),
                alias_count: u32::try_from(aliases.len())?,
                aliases: aliases.as_ptr(),
            };
            // SAFETY: the host's function, with its context and a row that outlives the call.
            refused = unsafe { visit(context, &row) };
            if refused != abi::STATUS_OK {
                return Err(Error::new("the host ended the listing of variables"));
            }
        }
        Ok(())
    });
    if refused == abi::STATUS_OK { status } else { refused }
}

unsafe extern "C" fn device_or_dtype_changed(model: *mut abi::Model) -> abi::Status {
    guard(|| {
        // SAFETY: the host passes an instance that `create` gave, on one thread at a time.
        unsafe { instance(model) }?.model.device_or_dtype_changed()
    })
}

unsafe extern "C" fn release(_model: *mut abi::Model, tensor: abi::TensorHandle) {
    if !tensor.is_null() {
        // SAFETY: the host passes a reference that `forward_between` gave, once.
        guard_silent(|| unsafe { at_free(tensor.cast::<C_tensor>()) });
    }
}

unsafe extern "C" fn destroy(model: *mut abi::Model) {
    if !model.is_null() {
        // SAFETY: the host passes an instance that `create` gave, once.
        let instance = unsafe { Box::from_raw(model.cast::<Instance>()) };
        guard_silent(|| drop(instance));
    }
}

unsafe extern "C" fn get_extension(model: *mut abi::Model, id: *const c_char) -> *const c_void {
    guard_pointer(|| {
        // SAFETY: the host passes an instance that `create` gave, on one thread at a time, and zero-terminated text or null.
        let (instance, known) = unsafe {
            (instance(model)?, !id.is_null() && CStr::from_ptr(id).to_bytes() == abi::MODEL_TAPS_ID.as_bytes())
        };
        let offered = known && instance.model.has_taps();
        Ok(if offered { (&raw const TAPS).cast() } else { std::ptr::null() })
    })
}

static TAPS: abi::ModelTaps =
    abi::ModelTaps { struct_size: size_of::<abi::ModelTaps>() as u64, forward: Some(forward_tapped) };

unsafe extern "C" fn forward_tapped(
    model: *mut abi::Model,
    input: abi::TensorHandle,
    visit: Option<abi::TapVisitor>,
    context: *mut c_void,
    out: *mut abi::TensorHandle,
) -> abi::Status {
    let mut refused = abi::STATUS_OK;
    let status = guard(|| {
        // SAFETY: the host passes an instance that `create` gave, on one thread at a time.
        let instance = unsafe { instance(model) }?;
        let visit = visit.ok_or_else(|| invalid("the visitor is null"))?;
        if input.is_null() || out.is_null() {
            return Err(invalid("the input or the place for the result is null"));
        }
        // SAFETY: the host passes a tensor that outlives the call; it is borrowed, so it must not be dropped.
        let input = ManuallyDrop::new(unsafe { Tensor::from_ptr(input.cast::<C_tensor>()) });
        let (logits, taps) = crate::nn::record(|| instance.model.forward(&input, false))?;
        for mut tap in taps {
            let name = CString::new(tap.name)?;
            let row = abi::ModelTap {
                struct_size: size_of::<abi::ModelTap>() as u64,
                name: name.as_ptr(),
                output: tap.output.as_mut_ptr().cast(),
                bias: tap.bias.as_mut_ptr().cast(),
            };
            // SAFETY: the host's function, with its context and a tap that outlives the call.
            refused = unsafe { visit(context, &raw const row) };
            if refused != abi::STATUS_OK {
                return Err(Error::new("the host ended the pass"));
            }
        }
        let mut logits = ManuallyDrop::new(logits);
        // SAFETY: the host passes a place for one handle, and it is not null; the reference is now the host's.
        unsafe { out.write(logits.as_mut_ptr().cast()) };
        Ok(())
    });
    if refused == abi::STATUS_OK { status } else { refused }
}

/// Makes a dynamic library a plugin with networks, methods or both.
///
/// ```ignore
/// lightbox_plugin_torch::export_plugin! {
///     id: "org.example.my-models",
///     version: env!("CARGO_PKG_VERSION"),
///     models: [MyNetwork],
///     attributions: [],
/// }
/// ```
///
/// `init: function,` after the version names a `fn() -> Result<(), Error>` that runs once, before anything else. A program or
/// library links at most one plugin crate, since each defines the same symbol.
#[macro_export]
macro_rules! export_plugin {
    (
        id: $id:expr,
        version: $version:expr,
        $(init: $init:path,)?
        models: [$($model:ty),* $(,)?]
        $(, attributions: [$($method:ty),* $(,)?])? $(,)?
    ) => {
        const _: () = {
            static LIGHTBOX_MODELS: &[$crate::export::ModelExport] = &[$($crate::export::ModelExport::of::<$model>()),*];
            static LIGHTBOX_MODEL_FACTORY: $crate::export::ModelFactory = $crate::export::ModelFactory::new(LIGHTBOX_MODELS);
            static LIGHTBOX_METHODS: &[$crate::plugin::export::AttributionExport] =
                &[$($($crate::plugin::export::AttributionExport::of::<$method>()),*)?];
            static LIGHTBOX_METHOD_FACTORY: $crate::plugin::export::AttributionFactory =
                $crate::plugin::export::AttributionFactory::new(LIGHTBOX_METHODS);

            /// The libtorch that this plugin needs.
            #[unsafe(no_mangle)]
            #[allow(non_upper_case_globals)]
            pub static lightbox_plugin_libtorch: [u8; $crate::plugin::abi::LIBTORCH_CAPACITY] =
                $crate::export::LIBTORCH_CONSTANT;

            $crate::plugin::export_plugin! {
                @entry $id, $version, [$($init)?], [
                    ($crate::plugin::abi::MODEL_ID, LIGHTBOX_MODEL_FACTORY),
                    ($crate::plugin::abi::ATTRIBUTION_ID, LIGHTBOX_METHOD_FACTORY)
                ]
            }
        };
    };
}

/// The value of [`abi::LIBTORCH_SYMBOL`] in a plugin built with this crate.
pub const LIBTORCH_CONSTANT: [u8; abi::LIBTORCH_CAPACITY] =
    lightbox_plugin::export::constant_text(concat!("=", env!("LIGHTBOX_LIBTORCH")));
