//! Reads the descriptors of a loaded plugin into plain data, and refuses what does not keep the promises of the ABI.

use std::ffi::c_char;

use lightbox_abi as abi;
use lightbox_abi::metadata::{
    AttributionMetadata, LayersMetadata, METADATA_SCHEMA, MergeMetadata, ModelMetadata, NeedsMetadata, ParameterKind,
    ParameterMetadata, PluginMetadata, Unsupported,
};

use super::library::{Library, Missing};
use super::{PluginError, Result};

/// More methods or networks, table rows, choices or cut points than this are a mistake.
const MOST_ROWS: u32 = 4096;
/// A longer text is a mistake.
const LONGEST_TEXT: usize = 16 * 1024;
/// A longer id is a mistake.
const LONGEST_ID: usize = 64;

/// Why a descriptor was not taken.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// It breaks the ABI: the whole library is refused.
    Broken(String),
    /// It is well formed, but asks for something that this host does not have: only this capability is left out.
    Unsupported { id: String, reason: String },
}

fn broken<T>(what: impl Into<String>) -> std::result::Result<T, Fault> {
    Err(Fault::Broken(what.into()))
}

/// Everything that the plugin says of itself.
pub(super) fn plugin(library: &'static Library) -> Result<PluginMetadata> {
    let entry = library.entry();
    let fault = |fault| match fault {
        Fault::Broken(what) | Fault::Unsupported { reason: what, .. } => PluginError::faulty(library.file(), what),
    };
    // SAFETY: the entry's texts are zero-terminated constants.
    let (id, version) = unsafe {
        (
            text(entry.plugin_id, "the id of the plugin").map_err(fault)?,
            text(entry.plugin_version, "the version of the plugin").map_err(fault)?,
        )
    };
    if id.is_empty() || id.len() > LONGEST_TEXT {
        return Err(PluginError::faulty(library.file(), "its id is empty"));
    }
    let mut metadata = PluginMetadata {
        schema: METADATA_SCHEMA,
        id,
        version,
        abi: [entry.abi_major, entry.abi_minor],
        sdk: library.facts().sdk.clone(),
        libtorch: library.facts().libtorch.clone(),
        attributions: Vec::new(),
        models: Vec::new(),
        unsupported: Vec::new(),
        library_hash: None,
    };
    let (attributions, models) = (library.find_attribution_factory()?, library.find_model_factory()?);
    if attributions.is_none() && models.is_none() {
        // Built with a draft of the ABI, or for a host of years to come.
        return Err(PluginError::refused(
            library.file(),
            format!(
                "offers neither `{}` nor `{}`, which is all that this Lightbox knows",
                abi::ATTRIBUTION_ID,
                abi::MODEL_ID
            ),
            "rebuild it with the current SDK, or update Lightbox",
        ));
    }
    if let Some(factory) = attributions {
        let count = factory.count.missing(library, "count")?;
        let descriptor = factory.descriptor.missing(library, "descriptor")?;
        factory.create.missing(library, "create")?;
        // SAFETY: the factory is the plugin's own.
        let count = library.main_call(|| unsafe { count(factory) });
        for index in 0..rows(library, count)? {
            // SAFETY: as above.
            let raw = library.main_call(|| unsafe { descriptor(factory, index) });
            let raw = described(library, raw, "method", index)?;
            // SAFETY: the plugin keeps the promises of the ABI for a descriptor.
            match unsafe { attribution(raw) } {
                Ok(method) => metadata.attributions.push(method),
                Err(Fault::Unsupported { id, reason }) => metadata.unsupported.push(Unsupported { id, reason }),
                Err(Fault::Broken(what)) => return Err(PluginError::faulty(library.file(), what)),
            }
        }
    }
    if let Some(factory) = models {
        let count = factory.count.missing(library, "count")?;
        let descriptor = factory.descriptor.missing(library, "descriptor")?;
        factory.create.missing(library, "create")?;
        // SAFETY: the factory is the plugin's own.
        let count = library.main_call(|| unsafe { count(factory) });
        for index in 0..rows(library, count)? {
            // SAFETY: as above.
            let raw = library.main_call(|| unsafe { descriptor(factory, index) });
            let raw = described(library, raw, "model", index)?;
            // SAFETY: the plugin keeps the promises of the ABI for a descriptor.
            match unsafe { model(raw) } {
                Ok(model) => metadata.models.push(model),
                Err(Fault::Unsupported { id, reason }) => metadata.unsupported.push(Unsupported { id, reason }),
                Err(Fault::Broken(what)) => return Err(PluginError::faulty(library.file(), what)),
            }
        }
    }
    once(library, "method", metadata.attributions.iter().map(|method| &method.id))?;
    once(library, "model", metadata.models.iter().map(|model| &model.id))?;
    Ok(metadata)
}

fn rows(library: &Library, count: u32) -> Result<u32> {
    if count > MOST_ROWS {
        return Err(PluginError::faulty(library.file(), format!("it says that it offers {count} methods or models")));
    }
    Ok(count)
}

fn described<T>(library: &Library, raw: *const T, kind: &str, index: u32) -> Result<*const T> {
    if !raw.is_null() {
        return Ok(raw);
    }
    let message = match library.last_error() {
        text if text.is_empty() => "it gave no descriptor and no text".to_owned(),
        text => text,
    };
    Err(PluginError::Failed {
        file: library.file().to_owned(),
        action: format!("describing {kind} {index}"),
        message: format!("{message}; report it to the plugin's author"),
    })
}

fn once<'a>(library: &Library, kind: &str, ids: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(PluginError::faulty(library.file(), format!("it offers two {kind}s with the id `{id}`")));
        }
    }
    Ok(())
}

/// Reads the descriptor of a method.
///
/// # Safety
///
/// `raw` leads to its size and, as far as that covers them, to fields whose pointers are null or keep the promises of the
/// ABI. Numbers may have any value.
pub(super) unsafe fn attribution(
    raw: *const abi::AttributionDescriptor,
) -> std::result::Result<AttributionMetadata, Fault> {
    // SAFETY: only the size is read until it is known to cover the rest.
    if unsafe { (*raw).struct_size } < size_of::<abi::AttributionDescriptor>() as u64 {
        return broken("the descriptor of a method is shorter than its ABI says");
    }
    // SAFETY: the size covers every field.
    let raw = unsafe { &*raw };
    // SAFETY: the caller promises the pointers.
    unsafe {
        let id = identifier(raw.id, "a method")?;
        let unsupported = |reason: String| {
            Err(Fault::Unsupported { id: id.clone(), reason: format!("{reason}; a newer Lightbox may know it") })
        };
        const KNOWN_NEEDS: u64 = abi::NEED_ACTIVATIONS
            | abi::NEED_GRADIENTS
            | abi::NEED_INPUT
            | abi::NEED_SCORES
            | abi::NEED_FORWARD
            | abi::NEED_FORWARD_FROM
            | abi::NEED_VJP;
        if raw.needs & !KNOWN_NEEDS != 0 {
            return unsupported(format!("it needs something unknown (flags {:#x})", raw.needs & !KNOWN_NEEDS));
        }
        if raw.layout != abi::LAYOUT_IMAGE || raw.dimensions != 4 {
            return unsupported(format!(
                "it works on layout {} of {} dimensions, not on images",
                raw.layout, raw.dimensions
            ));
        }
        let layers = match raw.layers {
            abi::LAYERS_ONE => LayersMetadata::One,
            abi::LAYERS_SEVERAL => LayersMetadata::Several,
            other => return unsupported(format!("its number of layers has the unknown value {other}")),
        };
        let merge = match raw.merge {
            abi::MERGE_MEAN => MergeMetadata::Mean,
            abi::MERGE_SUM => MergeMetadata::Sum,
            abi::MERGE_PLUGIN => MergeMetadata::Plugin,
            other => return unsupported(format!("its merging has the unknown value {other}")),
        };
        let either = |value: u32, no: u32, yes: u32| match value {
            value if value == no => Some(false),
            value if value == yes => Some(true),
            _ => None,
        };
        let Some(single_image) = either(raw.batch, abi::BATCH_ANY, abi::BATCH_SINGLE) else {
            return unsupported(format!("its batching has the unknown value {}", raw.batch));
        };
        let Some(signed) = either(raw.sign, abi::SIGN_NON_NEGATIVE, abi::SIGN_SIGNED) else {
            return unsupported(format!("its sign has the unknown value {}", raw.sign));
        };
        let Some(input_resolution) = either(raw.resolution, abi::RESOLUTION_LAYER, abi::RESOLUTION_INPUT) else {
            return unsupported(format!("its resolution has the unknown value {}", raw.resolution));
        };
        let Some(seeded) = either(raw.randomness, abi::RANDOMNESS_NONE, abi::RANDOMNESS_SEEDED) else {
            return unsupported(format!("its randomness has the unknown value {}", raw.randomness));
        };
        let Some(cpu_only) = either(raw.device, abi::WANT_ANY_DEVICE, abi::WANT_CPU) else {
            return unsupported(format!("its device has the unknown value {}", raw.device));
        };
        let needs = |flag: u64| raw.needs & flag != 0;
        Ok(AttributionMetadata {
            name: text(raw.name, &format!("the name of `{id}`"))?,
            reference: optional_text(raw.reference, &format!("the reference of `{id}`"))?,
            description: optional_text(raw.description, &format!("the description of `{id}`"))?,
            needs: NeedsMetadata {
                activations: needs(abi::NEED_ACTIVATIONS),
                gradients: needs(abi::NEED_GRADIENTS),
                input: needs(abi::NEED_INPUT),
                scores: needs(abi::NEED_SCORES),
                forward: needs(abi::NEED_FORWARD),
                forward_from: needs(abi::NEED_FORWARD_FROM),
                vjp: needs(abi::NEED_VJP),
            },
            layers,
            merge,
            single_image,
            signed,
            input_resolution,
            seeded,
            cpu_only,
            accepts_strides: raw.accepts & abi::ACCEPT_STRIDES != 0,
            accepts_bf16: raw.accepts & abi::ACCEPT_BF16 != 0,
            parameters: parameters(raw.parameters, raw.parameter_count, &id)?,
            id,
        })
    }
}

/// Reads the descriptor of a network.
///
/// # Safety
///
/// As for [`attribution`].
pub(super) unsafe fn model(raw: *const abi::ModelDescriptor) -> std::result::Result<ModelMetadata, Fault> {
    // SAFETY: only the size is read until it is known to cover the rest.
    if unsafe { (*raw).struct_size } < size_of::<abi::ModelDescriptor>() as u64 {
        return broken("the descriptor of a model is shorter than its ABI says");
    }
    // SAFETY: the size covers every field.
    let raw = unsafe { &*raw };
    // SAFETY: the caller promises the pointers.
    unsafe {
        let id = identifier(raw.id, "a model")?;
        if raw.layout != abi::LAYOUT_IMAGE || raw.dimensions != 4 {
            return Err(Fault::Unsupported {
                reason: format!(
                    "it works on layout {} of {} dimensions, not on images; a newer Lightbox may know it",
                    raw.layout, raw.dimensions
                ),
                id,
            });
        }
        let sizes = [raw.input_height, raw.input_width, raw.minimum_height, raw.minimum_width];
        if sizes.contains(&0) || raw.minimum_height > raw.input_height || raw.minimum_width > raw.input_width {
            return broken(format!("the input sizes of `{id}` are zero, or its least size is above its native one"));
        }
        if raw.mean.iter().chain(&raw.std).any(|value| !value.is_finite()) || raw.std.iter().any(|&std| std <= 0.0) {
            return broken(format!("the normalisation of `{id}` is not finite and positive"));
        }
        let channels = array(raw.channels, raw.channel_count, &format!("the channels of `{id}`"))?.to_vec();
        if channels.is_empty() || channels.contains(&0) {
            return broken(format!("`{id}` takes no number of channels"));
        }
        let cut_points = array(raw.cut_points, raw.cut_point_count, &format!("the cut points of `{id}`"))?
            .iter()
            .map(|&name| text(name, &format!("a cut point of `{id}`")))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let Some(default_layer) = cut_points.get(raw.default_cut_point as usize).cloned() else {
            return broken(format!("the default cut point of `{id}` is none of its {}", cut_points.len()));
        };
        let distinct: std::collections::BTreeSet<_> = cut_points.iter().collect();
        if distinct.len() < cut_points.len() {
            return broken(format!("`{id}` has two cut points of one name"));
        }
        Ok(ModelMetadata {
            name: text(raw.name, &format!("the name of `{id}`"))?,
            reference: optional_text(raw.reference, &format!("the reference of `{id}`"))?,
            description: optional_text(raw.description, &format!("the description of `{id}`"))?,
            input_size: [raw.input_height, raw.input_width],
            min_size: [raw.minimum_height, raw.minimum_width],
            mean: raw.mean,
            std: raw.std,
            channels,
            cut_points,
            default_layer,
            options: parameters(raw.options, raw.option_count, &id)?,
            weights_url: optional_text(raw.weights_url, &format!("the weights' URL of `{id}`"))?,
            id,
        })
    }
}

/// # Safety
///
/// `rows` is null or leads to `count` pointers that are null or lead to rows.
unsafe fn parameters(
    rows: *const *const abi::Parameter,
    count: u32,
    id: &str,
) -> std::result::Result<Vec<ParameterMetadata>, Fault> {
    let mut table: Vec<ParameterMetadata> = Vec::new();
    // SAFETY: the caller promises the pointers.
    for &row in unsafe { array(rows, count, &format!("the parameters of `{id}`")) }? {
        // SAFETY: as above; only the size is read until it is known to cover the rest.
        if row.is_null() || unsafe { (*row).struct_size } < size_of::<abi::Parameter>() as u64 {
            return broken(format!("a parameter of `{id}` is null or shorter than its ABI says"));
        }
        // SAFETY: the size covers every field.
        let row = unsafe { &*row };
        // SAFETY: the caller promises the pointers.
        let name = unsafe { identifier(row.name, &format!("a parameter of `{id}`")) }?;
        if table.iter().any(|known| known.name == name) {
            return broken(format!("`{id}` has two parameters named `{name}`"));
        }
        let out_of_bounds = || broken(format!("the default of parameter `{name}` of `{id}` is out of its bounds"));
        let kind = match row.kind {
            abi::PARAMETER_FLOAT => {
                let (default, min, max) = (row.float_default, row.float_min, row.float_max);
                if !(default.is_finite() && min <= default && default <= max) {
                    return out_of_bounds();
                }
                let bound = |bound: f64| bound.is_finite().then_some(bound);
                ParameterKind::Float { default, min: bound(min), max: bound(max) }
            }
            abi::PARAMETER_INT => {
                let (default, min, max) = (row.int_default, row.int_min, row.int_max);
                if !(min <= default && default <= max) {
                    return out_of_bounds();
                }
                ParameterKind::Int { default, min, max }
            }
            abi::PARAMETER_BOOL => match row.int_default {
                0 => ParameterKind::Bool { default: false },
                1 => ParameterKind::Bool { default: true },
                _ => return out_of_bounds(),
            },
            abi::PARAMETER_CHOICE => {
                let what = format!("a choice of parameter `{name}` of `{id}`");
                // SAFETY: the caller promises the pointers.
                let choices = unsafe { array(row.choices, row.choice_count, &what) }?
                    .iter()
                    // SAFETY: as above.
                    .map(|&choice| unsafe { text(choice, &what) })
                    .collect::<std::result::Result<Vec<_>, _>>()?;
                match usize::try_from(row.int_default).ok().and_then(|place| choices.get(place)).cloned() {
                    Some(default) => ParameterKind::Choice { default, choices },
                    None => return out_of_bounds(),
                }
            }
            other => {
                return Err(Fault::Unsupported {
                    id: id.to_owned(),
                    reason: format!(
                        "its parameter `{name}` is of the unknown kind {other}; a newer Lightbox may know it"
                    ),
                });
            }
        };
        // SAFETY: the caller promises the pointers.
        let help = unsafe { optional_text(row.help, &format!("the help of parameter `{name}` of `{id}`")) }?;
        table.push(ParameterMetadata { name, help, kind });
    }
    Ok(table)
}

/// # Safety
///
/// `pointer` is null or leads to `count` elements.
unsafe fn array<'a, T>(pointer: *const T, count: u32, what: &str) -> std::result::Result<&'a [T], Fault> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() || count > MOST_ROWS {
        return broken(format!("{what} are null, or {count} are too many"));
    }
    // SAFETY: the caller promises the elements.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count as usize) })
}

/// # Safety
///
/// `pointer` is null or leads to zero-terminated text.
unsafe fn optional_text(pointer: *const c_char, what: &str) -> std::result::Result<String, Fault> {
    // SAFETY: the caller promises the text.
    if pointer.is_null() { Ok(String::new()) } else { unsafe { text(pointer, what) } }
}

/// # Safety
///
/// `pointer` is null or leads to zero-terminated text.
unsafe fn text(pointer: *const c_char, what: &str) -> std::result::Result<String, Fault> {
    if pointer.is_null() {
        return broken(format!("{what} is null"));
    }
    // SAFETY: the caller promises the text; the length is bounded in case its end is missing.
    let length = unsafe { libc::strnlen(pointer, LONGEST_TEXT) };
    if length == LONGEST_TEXT {
        return broken(format!("{what} is longer than {LONGEST_TEXT} bytes"));
    }
    // SAFETY: `length` bytes lie before the end.
    let bytes = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), length) };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => broken(format!("{what} is not UTF-8")),
    }
}

/// # Safety
///
/// `pointer` is null or leads to zero-terminated text.
unsafe fn identifier(pointer: *const c_char, what: &str) -> std::result::Result<String, Fault> {
    // SAFETY: the caller promises the text.
    let id = unsafe { text(pointer, &format!("the id of {what}")) }?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_+".contains(&byte);
    if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(allowed) {
        return broken(format!(
            "the id `{}` of {what} is not made of lower-case letters, digits, `-`, `_` and `+`",
            id.escape_debug()
        ));
    }
    Ok(id)
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
