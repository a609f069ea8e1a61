//! A network made by a plugin, as the rest of the engine uses it.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lightbox_abi as abi;
use lightbox_abi::metadata::{ModelMetadata, ParameterValues, nearest};
use tch::Tensor;
use torch_sys::{C_tensor, at_shallow_clone};

use super::c_values::CValues;
use super::library::{Library, Missing};
use super::refusals::Refusals;
use super::{PluginError, Result};

/// How to make a network.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelOptions {
    /// Number of classes, at least 1.
    pub classes: usize,
    /// Number of input channels.
    pub channels: usize,
    /// A checked value for every option: see [`super::check`] and [`super::from_text`].
    pub options: ParameterValues,
    /// Seed of the initial weights.
    pub seed: u64,
}

/// A parameter or buffer of a network.
#[derive(Debug)]
pub struct Variable {
    /// Name in torchvision's `state_dict`.
    pub name: String,
    /// A shallow clone: its storage is the one that the network computes with.
    pub tensor: Tensor,
    /// A parameter, not a buffer.
    pub trainable: bool,
    /// Names of the same variable in older checkpoints.
    pub aliases: Vec<String>,
}

/// A network made by a plugin: a chain of segments between named cut points.
#[derive(Debug)]
pub struct ModelHandle {
    library: &'static Library,
    metadata: ModelMetadata,
    made_with: ModelOptions,
    raw: *mut abi::Model,
    broken: Cell<bool>,
}

// SAFETY: the ABI lets the host call an instance from any thread, one at a time; the handle is not `Sync`.
unsafe impl Send for ModelHandle {}

impl ModelHandle {
    /// Makes a network. libtorch's default generators are seeded with the request's seed.
    pub(crate) fn create(library: &'static Library, metadata: &ModelMetadata, with: &ModelOptions) -> Result<Self> {
        let id = &metadata.id;
        let unsuitable = |why: String| PluginError::Unsuitable { id: id.clone(), why };
        if with.classes == 0 {
            return Err(unsuitable("needs at least one class".to_owned()));
        }
        if !metadata.channels.iter().any(|&channels| channels as usize == with.channels) {
            let channels: Vec<_> = metadata.channels.iter().map(u32::to_string).collect();
            return Err(unsuitable(format!(
                "takes images of {} channels, not {}; set the channels of the dataset",
                channels.join(" or "),
                with.channels
            )));
        }
        let options = super::check(&metadata.options, with.options.iter().map(|(name, value)| (name.as_str(), value)))
            .map_err(|error| PluginError::Parameter { id: id.clone(), error })?;
        let values = CValues::new(&metadata.options, &options)?;
        let id_text = super::c_values::c_text(id)?;
        let request = abi::ModelRequest {
            struct_size: size_of::<abi::ModelRequest>() as u64,
            id: id_text.as_ptr(),
            class_count: with.classes as u64,
            channel_count: with.channels as u64,
            seed: with.seed,
            option_count: values.count(),
            options: values.as_ptr(),
        };
        let factory = library.model_factory()?;
        let create = factory.create.missing(library, "create")?;
        // libtorch takes a signed seed and reads it as the same 64 bits.
        tch::manual_seed(with.seed.cast_signed());
        let mut raw = std::ptr::null_mut();
        // SAFETY: the factory belongs to the library, which is never unloaded; the request outlives the call.
        let status = library.main_call(|| unsafe { create(factory, &request, &mut raw) });
        library.check(status, || format!("making the model `{id}`"))?;
        if raw.is_null() {
            return Err(PluginError::faulty(library.file(), format!("`create` gave no model for `{id}`")));
        }
        let made_with = ModelOptions { options, ..with.clone() };
        let handle = ModelHandle { library, metadata: metadata.clone(), made_with, raw, broken: Cell::new(false) };
        // SAFETY: `create` gave the instance; only its size is read before it is known to be whole.
        let size = unsafe { (*raw).struct_size };
        if size < size_of::<abi::Model>() as u64 {
            handle.broken.set(true);
            return Err(PluginError::faulty(library.file(), format!("the model `{id}` is shorter than its ABI says")));
        }
        let table = handle.table();
        table.forward_between.missing(library, "forward_between")?;
        table.variables.missing(library, "variables")?;
        table.release.missing(library, "release")?;
        table.destroy.missing(library, "destroy")?;
        Ok(handle)
    }

    /// What the plugin says of the network.
    pub fn metadata(&self) -> &ModelMetadata {
        &self.metadata
    }

    /// What the network was made with, options in full.
    pub fn made_with(&self) -> &ModelOptions {
        &self.made_with
    }

    /// The library that the network comes from.
    pub fn library(&self) -> &'static Library {
        self.library
    }

    /// The library's file.
    pub fn file(&self) -> &Path {
        self.library.file()
    }

    /// The place of a cut point by name, for example `layer4`.
    ///
    /// # Errors
    ///
    /// There is none of that name; the sentence gives the nearest.
    pub fn cut_point(&self, name: &str) -> Result<usize> {
        self.metadata.cut_points.iter().position(|known| known == name).ok_or_else(|| {
            let known = self.metadata.cut_points.iter().map(String::as_str);
            let hint = match nearest(name, known.clone()) {
                Some(nearest) => format!(" in `{}`; did you mean `{nearest}`?", self.metadata.id),
                None => format!(" in `{}`; there is {}", self.metadata.id, known.collect::<Vec<_>>().join(", ")),
            };
            PluginError::Unknown { kind: "layer", id: name.to_owned(), hint }
        })
    }

    /// The place of the cut point that methods use when none is named.
    ///
    /// # Errors
    ///
    /// Never for a network from a [`super::Registry`], whose descriptor was checked.
    pub fn default_cut_point(&self) -> Result<usize> {
        self.cut_point(&self.metadata.default_layer)
    }

    /// Runs the whole network: \[N,C,H,W\] to logits \[N,K\].
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor> {
        self.forward_between(input, None, None, train)
    }

    /// Runs the network up to cut point `layer`.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn forward_to(&self, input: &Tensor, layer: usize, train: bool) -> Result<Tensor> {
        self.forward_between(input, None, Some(layer), train)
    }

    /// Runs the rest of the network from cut point `layer` on.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn forward_from(&self, activations: &Tensor, layer: usize, train: bool) -> Result<Tensor> {
        self.forward_between(activations, Some(layer), None, train)
    }

    /// Runs the network from one cut point to a later one; `None` is the input or the logits.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn forward_between(
        &self,
        input: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
        train: bool,
    ) -> Result<Tensor> {
        self.whole()?;
        let table = self.table();
        let forward = table.forward_between.missing(self.library, "forward_between")?;
        let place = |cut: Option<usize>| cut.map_or(abi::CUT_END, |cut| cut as i64);
        let refusals = Refusals::so_far(input);
        let mut out: abi::TensorHandle = std::ptr::null_mut();
        // SAFETY: the instance is whole and used by one thread at a time; the plugin borrows the input for the call.
        let status = unsafe {
            let input = input.as_ptr().cast_mut().cast::<abi::TorchTensor>();
            forward(self.raw, input, place(from), place(to), i32::from(train), &mut out)
        };
        let outcome = self.check(status, || format!("running the model `{}`", self.metadata.id));
        outcome.map_err(|error| refusals.explain(error))?;
        self.take(out, "`forward_between`")
    }

    /// Takes over a tensor that the plugin gave.
    pub(super) fn take(&self, given: abi::TensorHandle, by: &str) -> Result<Tensor> {
        let release = self.table().release.missing(self.library, "release")?;
        if given.is_null() {
            return Err(self.faulty(&format!("{by} gave no tensor")));
        }
        // SAFETY: the plugin gave a new reference to a tensor of the libtorch that both share; it is ended by its maker.
        unsafe {
            let own = at_shallow_clone(given.cast::<C_tensor>());
            release(self.raw, given);
            if own.is_null() {
                return Err(self.faulty(&format!("{by} gave something that is no tensor")));
            }
            Ok(Tensor::from_ptr(own))
        }
    }

    /// A capability of the instance by id, when it has one that is as long as the host knows it.
    pub(super) fn extension<T: Sized>(&self, id: &CStr) -> Result<Option<&T>> {
        self.whole()?;
        let Some(get) = self.table().get_extension else { return Ok(None) };
        // SAFETY: the instance is whole and used by one thread at a time. An id names one struct, which begins with its size.
        unsafe {
            let raw = get(self.raw, id.as_ptr());
            if raw.is_null() || *raw.cast::<u64>() < size_of::<T>() as u64 {
                return Ok(None);
            }
            Ok(raw.cast::<T>().as_ref())
        }
    }

    pub(super) fn raw(&self) -> *mut abi::Model {
        self.raw
    }

    /// Every parameter and buffer, always in the same order.
    ///
    /// # Errors
    ///
    /// What the plugin says, or a variable without a name or tensor.
    pub fn variables(&self) -> Result<Vec<Variable>> {
        struct Visit {
            variables: Vec<Variable>,
            refused: RefCell<Option<String>>,
        }

        unsafe extern "C" fn visit(context: *mut c_void, variable: *const abi::Variable) -> abi::Status {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: the context is the `Visit` below, and the plugin passes a row that outlives the call.
                let (visit, variable) = unsafe { (&mut *context.cast::<Visit>(), variable.as_ref()) };
                // SAFETY: as above.
                match unsafe { read_variable(variable) } {
                    Ok(variable) => {
                        visit.variables.push(variable);
                        abi::STATUS_OK
                    }
                    Err(why) => {
                        visit.refused.replace(Some(why));
                        abi::STATUS_INVALID_ARGUMENT
                    }
                }
            }));
            outcome.unwrap_or(abi::STATUS_PANICKED)
        }

        self.whole()?;
        let variables = self.table().variables.missing(self.library, "variables")?;
        let mut context = Visit { variables: Vec::new(), refused: RefCell::new(None) };
        // SAFETY: the instance is whole and used by one thread at a time; the context outlives the call.
        let status = unsafe { variables(self.raw, Some(visit), (&raw mut context).cast()) };
        if let Some(why) = context.refused.take() {
            return Err(self.faulty(&format!("`{}` lists {why}", self.metadata.id)));
        }
        self.check(status, || format!("listing the variables of `{}`", self.metadata.id))?;
        Ok(context.variables)
    }

    /// Tells the network that its variables are now on another device or of another type.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn device_or_dtype_changed(&self) -> Result<()> {
        self.whole()?;
        match self.table().device_or_dtype_changed {
            // SAFETY: the instance is whole and used by one thread at a time.
            Some(changed) => self.check(unsafe { changed(self.raw) }, || format!("moving `{}`", self.metadata.id)),
            None => Ok(()),
        }
    }

    fn table(&self) -> &abi::Model {
        // SAFETY: `create` gave the instance, and it lives until `drop`.
        unsafe { &*self.raw }
    }

    fn whole(&self) -> Result<()> {
        if self.broken.get() {
            return Err(self.faulty(&format!("`{}` panicked earlier and is not used again", self.metadata.id)));
        }
        Ok(())
    }

    pub(super) fn check(&self, status: abi::Status, action: impl FnOnce() -> String) -> Result<()> {
        if status == abi::STATUS_PANICKED {
            self.broken.set(true);
        }
        self.library.check(status, action)
    }

    pub(super) fn faulty(&self, found: &str) -> PluginError {
        PluginError::faulty(self.library.file(), found)
    }
}

impl Drop for ModelHandle {
    fn drop(&mut self) {
        // SAFETY: `create` gave the instance, and nobody uses it after this.
        unsafe {
            if (*self.raw).struct_size >= size_of::<abi::Model>() as u64
                && let Some(destroy) = (*self.raw).destroy
            {
                destroy(self.raw);
            }
        }
    }
}

/// # Safety
///
/// The row keeps the promises of the ABI for the call.
unsafe fn read_variable(variable: Option<&abi::Variable>) -> std::result::Result<Variable, String> {
    let variable = variable.ok_or("a null variable")?;
    if variable.struct_size < size_of::<abi::Variable>() as u64 || variable.name.is_null() {
        return Err("a variable without a name".to_owned());
    }
    // SAFETY: zero-terminated text, not null.
    let name = unsafe { CStr::from_ptr(variable.name) }.to_string_lossy().into_owned();
    if variable.tensor.is_null() {
        return Err(format!("the variable `{name}` without a tensor"));
    }
    let mut aliases = Vec::new();
    if variable.alias_count > 0 && variable.aliases.is_null() {
        return Err(format!("the variable `{name}` with null aliases"));
    }
    for place in 0..variable.alias_count as usize {
        // SAFETY: the plugin lists as many aliases as it says.
        let alias = unsafe { *variable.aliases.add(place) };
        if alias.is_null() {
            return Err(format!("the variable `{name}` with a null alias"));
        }
        // SAFETY: zero-terminated text, not null.
        aliases.push(unsafe { CStr::from_ptr(alias) }.to_string_lossy().into_owned());
    }
    // SAFETY: a tensor of the libtorch that both share, borrowed for the call; the clone is the host's own reference.
    let tensor = unsafe { at_shallow_clone(variable.tensor.cast::<C_tensor>()) };
    if tensor.is_null() {
        return Err(format!("the variable `{name}` with something that is no tensor"));
    }
    // SAFETY: a new reference that nobody else ends.
    let tensor = unsafe { Tensor::from_ptr(tensor) };
    Ok(Variable { name, tensor, trainable: variable.trainable != 0, aliases })
}
