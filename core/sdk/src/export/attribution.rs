//! The C factory of a plugin's methods, and the C side of their instances.

use std::ffi::{CStr, c_char, c_void};
use std::sync::Mutex;

use lightbox_abi as abi;

use super::{guard, guard_pointer, guard_silent, leak_table, leak_text, read_values};
use crate::remote::RemoteServices;
use crate::{
    Attribution, AttributionDescriptor, Batch, Error, ErrorKind, Host, Layers, Maps, Merge, Parameters, Request,
    Resolution,
};

/// One method of a plugin: how to describe it and how to make one.
pub struct AttributionExport {
    describe: fn() -> AttributionDescriptor,
    create: fn(&Parameters) -> Result<Box<dyn Attribution>, Error>,
}

impl AttributionExport {
    /// The method `T`.
    pub const fn of<T: Attribution + 'static>() -> Self {
        AttributionExport { describe: T::descriptor, create: |parameters| Ok(Box::new(T::create(parameters)?)) }
    }
}

/// The factory of a plugin's methods. The host sees its first field.
#[repr(C)]
pub struct AttributionFactory {
    table: abi::AttributionFactory,
    methods: &'static [AttributionExport],
    described: Mutex<Vec<(u32, Described)>>,
}

#[derive(Clone, Copy)]
struct Described(*const abi::AttributionDescriptor);

// SAFETY: the descriptor is a leaked constant that every thread may read.
unsafe impl Send for Described {}

impl AttributionFactory {
    /// The factory of `methods`.
    pub const fn new(methods: &'static [AttributionExport]) -> Self {
        AttributionFactory {
            table: abi::AttributionFactory {
                struct_size: size_of::<abi::AttributionFactory>() as u64,
                count: Some(count),
                descriptor: Some(descriptor),
                create: Some(create),
            },
            methods,
            described: Mutex::new(Vec::new()),
        }
    }
}

/// # Safety
///
/// `factory` is the first field of an [`AttributionFactory`] that lives for ever, or null.
unsafe fn own<'a>(factory: *const abi::AttributionFactory) -> Result<&'a AttributionFactory, Error> {
    // SAFETY: the table is the first field of a `repr(C)` struct, and the host passes back what `get_factory` gave.
    unsafe { factory.cast::<AttributionFactory>().as_ref() }.ok_or_else(|| Error::new("the factory is null"))
}

unsafe extern "C" fn count(factory: *const abi::AttributionFactory) -> u32 {
    // SAFETY: the host passes the factory that it was given.
    unsafe { own(factory) }.map_or(0, |factory| factory.methods.len() as u32)
}

unsafe extern "C" fn descriptor(
    factory: *const abi::AttributionFactory,
    index: u32,
) -> *const abi::AttributionDescriptor {
    guard_pointer(|| {
        // SAFETY: the host passes the factory that it was given.
        let factory = unsafe { own(factory) }?;
        let method = factory
            .methods
            .get(index as usize)
            .ok_or_else(|| Error::of_kind(ErrorKind::InvalidArgument, format!("there is no method {index}")))?;
        // The plugin's own code runs before the lock, so that its panic does not poison it.
        let description = (method.describe)();
        let mut described = factory.described.lock().map_err(|_| Error::new("the descriptors are poisoned"))?;
        if let Some((_, known)) = described.iter().find(|(known, _)| *known == index) {
            return Ok(known.0);
        }
        let leaked = leak_descriptor(&description)?;
        described.push((index, Described(leaked)));
        Ok(leaked)
    })
}

fn leak_descriptor(descriptor: &AttributionDescriptor) -> Result<*const abi::AttributionDescriptor, Error> {
    let needs = &descriptor.needs;
    let flags = [
        (needs.activations, abi::NEED_ACTIVATIONS),
        (needs.gradients, abi::NEED_GRADIENTS),
        (needs.input, abi::NEED_INPUT),
        (needs.scores, abi::NEED_SCORES),
        (needs.forward, abi::NEED_FORWARD),
        (needs.forward_from, abi::NEED_FORWARD_FROM),
        (needs.vjp, abi::NEED_VJP),
    ];
    let (parameters, parameter_count) = leak_table(&descriptor.parameters)?;
    Ok(Box::leak(Box::new(abi::AttributionDescriptor {
        struct_size: size_of::<abi::AttributionDescriptor>() as u64,
        id: leak_text(descriptor.id)?,
        name: leak_text(descriptor.name)?,
        reference: leak_text(descriptor.reference)?,
        description: leak_text(descriptor.description)?,
        needs: flags.iter().filter(|(needed, _)| *needed).fold(0, |all, (_, flag)| all | flag),
        accepts: [(descriptor.accepts.strides, abi::ACCEPT_STRIDES), (descriptor.accepts.bf16, abi::ACCEPT_BF16)]
            .iter()
            .filter(|(accepted, _)| *accepted)
            .fold(0, |all, (_, flag)| all | flag),
        layers: match descriptor.layers {
            Layers::One => abi::LAYERS_ONE,
            Layers::Several => abi::LAYERS_SEVERAL,
        },
        merge: match descriptor.merge {
            Merge::Mean => abi::MERGE_MEAN,
            Merge::Sum => abi::MERGE_SUM,
            Merge::Plugin => abi::MERGE_PLUGIN,
        },
        batch: match descriptor.batch {
            Batch::Single => abi::BATCH_SINGLE,
            Batch::Any => abi::BATCH_ANY,
        },
        layout: abi::LAYOUT_IMAGE,
        dimensions: 4,
        sign: if descriptor.output.signed { abi::SIGN_SIGNED } else { abi::SIGN_NON_NEGATIVE },
        resolution: match descriptor.output.resolution {
            Resolution::Layer => abi::RESOLUTION_LAYER,
            Resolution::Input => abi::RESOLUTION_INPUT,
        },
        randomness: if descriptor.seeded { abi::RANDOMNESS_SEEDED } else { abi::RANDOMNESS_NONE },
        device: if descriptor.accepts.any_device { abi::WANT_ANY_DEVICE } else { abi::WANT_CPU },
        parameter_count,
        parameters,
    })))
}

/// An instance. The host sees its first field.
#[repr(C)]
struct Instance {
    table: abi::Attribution,
    method: Box<dyn Attribution>,
    merged: bool,
    resolution: Resolution,
}

unsafe extern "C" fn create(
    factory: *const abi::AttributionFactory,
    id: *const c_char,
    values: *const *const abi::ParameterValue,
    value_count: u32,
    out: *mut *mut abi::Attribution,
) -> abi::Status {
    guard(|| {
        // SAFETY: the host passes the factory that it was given.
        let factory = unsafe { own(factory) }?;
        if id.is_null() || out.is_null() {
            return Err(Error::of_kind(ErrorKind::InvalidArgument, "the id or the place for the instance is null"));
        }
        // SAFETY: the host passes zero-terminated text, and it is not null.
        let id = unsafe { CStr::from_ptr(id) }.to_string_lossy();
        for method in factory.methods {
            let descriptor = (method.describe)();
            if descriptor.id != id {
                continue;
            }
            // SAFETY: the host passes `value_count` values.
            let parameters = unsafe { read_values(&descriptor.parameters, values, u64::from(value_count)) }?;
            let instance = Box::new(Instance {
                table: abi::Attribution {
                    struct_size: size_of::<abi::Attribution>() as u64,
                    context: std::ptr::null_mut(),
                    attribute: Some(attribute),
                    destroy: Some(destroy),
                    get_extension: Some(get_extension),
                },
                method: (method.create)(&parameters)?,
                merged: descriptor.merge == Merge::Plugin,
                resolution: descriptor.output.resolution,
            });
            // SAFETY: the host passes a place for one pointer, and it is not null.
            unsafe { out.write(Box::into_raw(instance).cast()) };
            return Ok(());
        }
        Err(Error::of_kind(ErrorKind::InvalidArgument, format!("there is no method `{id}`")))
    })
}

unsafe extern "C" fn attribute(
    attribution: *mut abi::Attribution,
    request: *const abi::Request,
    maps: *const abi::Maps,
) -> abi::Status {
    guard(|| {
        // SAFETY: the host passes an instance that `create` gave, on one thread at a time, and tables that outlive the call.
        let (instance, maps) = unsafe { (attribution.cast::<Instance>().as_mut(), maps.as_ref()) };
        let (Some(instance), Some(maps)) = (instance, maps) else {
            return Err(Error::of_kind(ErrorKind::InvalidArgument, "the instance or the maps are null"));
        };
        // SAFETY: as above.
        let (parsed, run) = unsafe { (Request::from_abi(request)?, (*request).run) };
        // SAFETY: as above.
        let services = unsafe { RemoteServices::find(run) }?;
        let sizes: Vec<_> = parsed
            .layers()
            .iter()
            .take(if instance.merged { 1 } else { usize::MAX })
            .map(|layer| match instance.resolution {
                Resolution::Layer => (layer.height(), layer.width()),
                Resolution::Input => parsed.input_size(),
            })
            .collect();
        if maps.map_count != sizes.len() as u64 || maps.struct_size < size_of::<abi::Maps>() as u64 {
            return Err(Error::of_kind(
                ErrorKind::InvalidArgument,
                format!("the host wants {} maps, this method writes {}", maps.map_count, sizes.len()),
            ));
        }
        let mut maps = Maps::from_host(maps, parsed.images(), sizes);
        instance.method.attribute(&parsed, &Host::new(&services, parsed.classes()), &mut maps)
    })
}

unsafe extern "C" fn destroy(attribution: *mut abi::Attribution) {
    if !attribution.is_null() {
        // SAFETY: the host passes an instance that `create` gave, once.
        let instance = unsafe { Box::from_raw(attribution.cast::<Instance>()) };
        guard_silent(|| drop(instance));
    }
}

unsafe extern "C" fn get_extension(_attribution: *mut abi::Attribution, _id: *const c_char) -> *const c_void {
    std::ptr::null()
}
