//! An attribution method made by a plugin, as the explanation pipeline uses it.

use std::ffi::CString;
use std::path::Path;

use lightbox_abi as abi;
use lightbox_abi::metadata::{AttributionMetadata, LayersMetadata, MergeMetadata, ParameterValues};
use tch::{Device, Tensor};

use super::c_values::{CValues, c_text};
use super::lend::{Accepts, Lent, c_device};
use super::library::{Library, Missing};
use super::maps::{AttributionMap, MapFault, MapStore};
use super::services_table::RunContext;
use super::{HostServices, PluginError, Result};

/// One layer of a request.
#[derive(Clone, Copy, Debug)]
pub struct AttributionLayer<'a> {
    /// Name of the cut point.
    pub name: &'a str,
    /// Height and width of the layer's activations.
    pub size: (usize, usize),
    /// Activations \[N,C,h,w\]; needed when the method's needs say so.
    pub activations: Option<&'a Tensor>,
    /// Gradient of the target's logit with respect to the activations, \[N,C,h,w\]; needed when the method's needs say so.
    pub gradients: Option<&'a Tensor>,
}

/// What to explain: N images, one target class each, at one layer or several. Tensors may be on any device; they are moved
/// and made contiguous f32 when the method asks for it, and lent without a copy otherwise.
#[derive(Clone, Debug)]
pub struct AttributionRequest<'a> {
    /// The target class of each image, N.
    pub targets: &'a [usize],
    /// Number of classes, K.
    pub classes: usize,
    /// Channels, height and width of the network's input.
    pub input_shape: (usize, usize, usize),
    /// The normalised input \[N,C,H,W\]; needed when the method's needs say so.
    pub input: Option<&'a Tensor>,
    /// Raw logits \[N,K\]; needed when the method's needs say so.
    pub scores: Option<&'a Tensor>,
    /// The layers, at least one.
    pub layers: Vec<AttributionLayer<'a>>,
    /// The device that the network runs on.
    pub device: Device,
    /// Seed of the request.
    pub seed: u64,
    /// Seed of each image, N, independent of batching.
    pub image_seeds: &'a [u64],
}

/// An attribution method with its parameters.
#[derive(Debug)]
pub struct AttributionHandle {
    library: &'static Library,
    metadata: AttributionMetadata,
    parameters: ParameterValues,
    raw: *mut abi::Attribution,
    broken: bool,
    copied: u64,
    watched: bool,
}

// SAFETY: the ABI lets the host call an instance from any thread, one at a time; calls take `&mut self`.
unsafe impl Send for AttributionHandle {}

impl AttributionHandle {
    pub(crate) fn create(
        library: &'static Library,
        metadata: &AttributionMetadata,
        values: &ParameterValues,
    ) -> Result<Self> {
        let id = &metadata.id;
        let given = values.iter().map(|(name, value)| (name.as_str(), value));
        let parameters = super::check(&metadata.parameters, given)
            .map_err(|error| PluginError::Parameter { id: id.clone(), error })?;
        let c_values = CValues::new(&metadata.parameters, &parameters)?;
        let c_id = c_text(id)?;
        let factory = library.attribution_factory()?;
        let create = factory.create.missing(library, "create")?;
        let count = c_values.count() as u32;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the factory belongs to the library, which is never unloaded; the arguments outlive the call.
        let status =
            library.main_call(|| unsafe { create(factory, c_id.as_ptr(), c_values.as_ptr(), count, &mut raw) });
        library.check(status, || format!("making the method `{id}`"))?;
        if raw.is_null() {
            return Err(PluginError::faulty(library.file(), format!("`create` gave no instance of `{id}`")));
        }
        // SAFETY: `create` gave the instance; only its size is read before it is known to be whole.
        if unsafe { (*raw).struct_size } < size_of::<abi::Attribution>() as u64 {
            return Err(PluginError::faulty(
                library.file(),
                format!("the instance of `{id}` is shorter than its ABI says"),
            ));
        }
        let handle = AttributionHandle {
            library,
            metadata: metadata.clone(),
            parameters,
            raw,
            broken: false,
            copied: 0,
            watched: false,
        };
        handle.table().attribute.missing(library, "attribute")?;
        handle.table().destroy.missing(library, "destroy")?;
        Ok(handle)
    }

    /// What the plugin says of the method.
    pub fn metadata(&self) -> &AttributionMetadata {
        &self.metadata
    }

    /// The values of all parameters.
    pub fn parameters(&self) -> &ParameterValues {
        &self.parameters
    }

    /// The library that the method comes from.
    pub fn library(&self) -> &'static Library {
        self.library
    }

    /// Bytes of tensors that were copied for the method in all its calls, to move or convert what it does not take as it is. 0
    /// where it reads the host's own memory.
    pub fn copied_bytes(&self) -> u64 {
        self.copied
    }

    /// The library's file.
    pub fn file(&self) -> &Path {
        self.library.file()
    }

    /// Computes the raw maps \[N,h,w\] of a request: one per layer, or a single one when the plugin merges. Positive part,
    /// scaling, resizing and merging are the caller's.
    ///
    /// A method that takes single images is called once for each; the services then see one image's request at a time.
    ///
    /// # Errors
    ///
    /// A request that lacks what the method needs, what the plugin says, a map that was not written or written past its end.
    /// NaN is no error: see [`AttributionMap::not_finite`].
    pub fn attribute(
        &mut self,
        request: &AttributionRequest<'_>,
        services: &mut dyn HostServices,
    ) -> Result<Vec<AttributionMap>> {
        self.check_request(request)?;
        if !self.metadata.single_image || request.targets.len() == 1 {
            return self.attribute_batch(request, services);
        }
        let mut all: Vec<AttributionMap> = Vec::new();
        for image in 0..request.targets.len() {
            let row = |tensor: Option<&Tensor>| tensor.map(|tensor| tensor.narrow(0, image as i64, 1));
            let (input, scores) = (row(request.input), row(request.scores));
            let layers: Vec<_> =
                request.layers.iter().map(|layer| (row(layer.activations), row(layer.gradients))).collect();
            let single = AttributionRequest {
                targets: &request.targets[image..=image],
                image_seeds: &request.image_seeds[image..=image],
                input: input.as_ref(),
                scores: scores.as_ref(),
                layers: request
                    .layers
                    .iter()
                    .zip(&layers)
                    .map(|(layer, (activations, gradients))| AttributionLayer {
                        activations: activations.as_ref(),
                        gradients: gradients.as_ref(),
                        ..*layer
                    })
                    .collect(),
                ..*request
            };
            let maps = self.attribute_batch(&single, services)?;
            if all.is_empty() {
                all = maps;
                continue;
            }
            for (all, map) in all.iter_mut().zip(maps) {
                if (all.height, all.width) != (map.height, map.width) {
                    return Err(self.faulty("gives maps of other sizes for other images".to_owned()));
                }
                all.values.extend(map.values);
            }
        }
        Ok(all)
    }

    fn attribute_batch(
        &mut self,
        request: &AttributionRequest<'_>,
        services: &mut dyn HostServices,
    ) -> Result<Vec<AttributionMap>> {
        let id = &self.metadata.id;
        if self.broken {
            return Err(self.faulty("failed so badly earlier that it is not used again".to_owned()));
        }
        let attribute = self.table().attribute.missing(self.library, "attribute")?;
        let prepared = Prepared::new(&self.metadata, request)?;
        self.copied += prepared.lent().iter().map(|lent| lent.copied()).sum::<u64>();
        let before = self.watched.then(|| prepared.lent().into_iter().map(Lent::values).collect::<Vec<_>>());
        let count = if self.metadata.merge == MergeMetadata::Plugin { 1 } else { request.layers.len() };
        let context = RunContext::new(
            services,
            MapStore::new(request.targets.len(), count),
            request.classes,
            prepared.layers.len(),
            prepared.lent(),
        );
        let run = context.run();
        let maps = context.c_maps(count);
        let c_request = prepared.request(&run);
        // SAFETY: the instance is whole and used by one thread at a time; all that is lent outlives the call.
        let status = unsafe { attribute(self.raw, &c_request, &maps) };
        let store = context.into_maps();
        let layer = |index: usize| match self.metadata.merge {
            MergeMetadata::Plugin => String::new(),
            _ => request.layers.get(index).map(|layer| format!(" of layer `{}`", layer.name)).unwrap_or_default(),
        };
        // Written-over memory matters more than what the plugin says of the call.
        if let Some(index) = store.overrun() {
            self.broken = true;
            return Err(self.faulty(format!("wrote outside the memory of its map{}", layer(index))));
        }
        let outcome = self.library.check(status, || format!("`{id}`"));
        if status == abi::STATUS_PANICKED {
            self.broken = true;
        }
        outcome?;
        let written = |before: Vec<Tensor>| prepared.lent().iter().zip(before).any(|(lent, old)| !lent.holds(&old));
        if before.is_some_and(written) {
            return Err(self.faulty("wrote to a tensor of the request, which is lent to be read".to_owned()));
        }
        store.finish().map_err(|fault| match fault {
            MapFault::Overrun(index) => self.faulty(format!("wrote outside the memory of its map{}", layer(index))),
            MapFault::NotWritten(index) => self.faulty(format!("left its map{} unwritten", layer(index))),
        })
    }

    /// From now on a call that writes to what the host lent it fails. It costs a copy of every tensor.
    pub(crate) fn watch_what_is_lent(&mut self) {
        self.watched = true;
    }

    fn check_request(&self, request: &AttributionRequest<'_>) -> Result<()> {
        let unsuitable = |why: String| Err(PluginError::Unsuitable { id: self.metadata.id.clone(), why });
        let images = request.targets.len();
        if images == 0 || request.layers.is_empty() || request.image_seeds.len() != images {
            return unsuitable("was asked for no image, no layer, or images without seeds".to_owned());
        }
        if self.metadata.layers == LayersMetadata::One && request.layers.len() > 1 {
            return unsuitable(format!("works on one layer, not on {}; name one", request.layers.len()));
        }
        if let Some(target) = request.targets.iter().find(|&&target| target >= request.classes) {
            return unsuitable(format!("was asked for class {target} of {}", request.classes));
        }
        let needs = &self.metadata.needs;
        let rows = |tensor: Option<&Tensor>, needed: bool, dimensions: usize, what: &str| match tensor {
            None if needed => unsuitable(format!("needs {what}, which the request lacks")),
            Some(tensor) if needed && (tensor.dim() != dimensions || tensor.size()[0] != images as i64) => {
                unsuitable(format!("was given {what} of shape {:?} for {images} images", tensor.size()))
            }
            _ => Ok(()),
        };
        rows(request.input, needs.input, 4, "the input")?;
        rows(request.scores, needs.scores, 2, "the scores")?;
        for layer in &request.layers {
            rows(layer.activations, needs.activations, 4, "activations")?;
            rows(layer.gradients, needs.gradients, 4, "gradients")?;
        }
        Ok(())
    }

    fn table(&self) -> &abi::Attribution {
        // SAFETY: `create` gave the instance, and it lives until `drop`.
        unsafe { &*self.raw }
    }

    fn faulty(&self, what: String) -> PluginError {
        PluginError::faulty(self.library.file(), format!("the method `{}` {what}", self.metadata.id))
    }
}

impl Drop for AttributionHandle {
    fn drop(&mut self) {
        if let Some(destroy) = self.table().destroy {
            // SAFETY: `create` gave the instance, and nobody uses it after this.
            unsafe { destroy(self.raw) };
        }
    }
}

/// A request in its C form, and what it points to.
struct Prepared {
    input: Option<Lent>,
    scores: Option<Lent>,
    layers: Vec<PreparedLayer>,
    c_layers: Vec<abi::Layer>,
    layer_pointers: Vec<*const abi::Layer>,
    targets: Vec<u64>,
    image_seeds: Vec<u64>,
    seed: u64,
    classes: u64,
    input_shape: (usize, usize, usize),
    device: abi::TensorDevice,
}

struct PreparedLayer {
    name: CString,
    activations: Option<Lent>,
    gradients: Option<Lent>,
}

impl Prepared {
    fn new(metadata: &AttributionMetadata, request: &AttributionRequest<'_>) -> Result<Self> {
        let accepts =
            Accepts { cpu_only: metadata.cpu_only, strides: metadata.accepts_strides, bf16: metadata.accepts_bf16 };
        let lend = |tensor: Option<&Tensor>, needed: bool| match tensor.filter(|_| needed) {
            None => Ok(None),
            Some(tensor) => Lent::new(tensor, accepts).map(Some).map_err(|error| PluginError::Unsuitable {
                id: metadata.id.clone(),
                why: format!("cannot be given its tensors: {error}"),
            }),
        };
        let needs = &metadata.needs;
        let mut layers = Vec::with_capacity(request.layers.len());
        for layer in &request.layers {
            layers.push(PreparedLayer {
                name: c_text(layer.name)?,
                activations: lend(layer.activations, needs.activations)?,
                gradients: lend(layer.gradients, needs.gradients)?,
            });
        }
        let view = |lent: &Option<Lent>| lent.as_ref().map_or(std::ptr::null(), Lent::as_ptr);
        let c_layers: Vec<_> = layers
            .iter()
            .zip(&request.layers)
            .map(|(layer, asked)| abi::Layer {
                struct_size: size_of::<abi::Layer>() as u64,
                name: layer.name.as_ptr(),
                height: asked.size.0 as u64,
                width: asked.size.1 as u64,
                activations: view(&layer.activations),
                gradients: view(&layer.gradients),
            })
            .collect();
        Ok(Prepared {
            input: lend(request.input, needs.input)?,
            scores: lend(request.scores, needs.scores)?,
            layer_pointers: c_layers.iter().map(std::ptr::from_ref).collect(),
            layers,
            c_layers,
            targets: request.targets.iter().map(|&target| target as u64).collect(),
            image_seeds: request.image_seeds.to_vec(),
            seed: request.seed,
            classes: request.classes as u64,
            input_shape: request.input_shape,
            device: c_device(request.device),
        })
    }

    /// Every tensor of the request.
    fn lent(&self) -> Vec<&Lent> {
        let of_layers = self.layers.iter().flat_map(|layer| [&layer.activations, &layer.gradients]);
        of_layers.chain([&self.input, &self.scores]).flatten().collect()
    }

    fn request(&self, run: &abi::Run) -> abi::Request {
        let view = |lent: &Option<Lent>| lent.as_ref().map_or(std::ptr::null(), Lent::as_ptr);
        abi::Request {
            struct_size: size_of::<abi::Request>() as u64,
            image_count: self.targets.len() as u64,
            class_count: self.classes,
            input_height: self.input_shape.1 as u64,
            input_width: self.input_shape.2 as u64,
            input_channels: self.input_shape.0 as u64,
            targets: self.targets.as_ptr(),
            input: view(&self.input),
            scores: view(&self.scores),
            layer_count: self.c_layers.len() as u64,
            layers: self.layer_pointers.as_ptr(),
            seed: self.seed,
            image_seeds: self.image_seeds.as_ptr(),
            // Everything runs on libtorch's default stream.
            cuda_stream: std::ptr::null_mut(),
            device: self.device,
            run,
        }
    }
}
