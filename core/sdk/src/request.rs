//! What to explain: images, one target class each, at one layer or several.

use std::ffi::CStr;
use std::marker::PhantomData;

use lightbox_abi as abi;

use crate::{Device, Error, ErrorKind, LentTensor, TensorView};

/// What to explain. What the descriptor does not name as a need is not there.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    targets: Vec<usize>,
    classes: usize,
    input_size: (usize, usize),
    input_channels: usize,
    input: Option<Given<'a>>,
    scores: Option<Given<'a>>,
    layers: Vec<Layer<'a>>,
    seed: u64,
    image_seeds: Vec<u64>,
    /// An address, so that requests can be shared between threads.
    cuda_stream: usize,
    device: Option<Device>,
}

/// A tensor of the request, in the two ways in which it can be read.
#[derive(Clone, Copy, Debug)]
struct Given<'a> {
    /// As a slice, or why it is none.
    view: Result<TensorView<'a>, &'static str>,
    /// As the host has it; none in tests.
    lent: Option<LentTensor<'a>>,
}

impl<'a> Given<'a> {
    fn made(view: TensorView<'a>) -> Self {
        Given { view: Ok(view), lent: None }
    }
}

/// The tensor as a slice.
fn view_of<'a>(given: Option<Given<'a>>, what: &str) -> Result<TensorView<'a>, Error> {
    let given = given.ok_or_else(|| not_needed(what))?;
    given.view.map_err(|why| {
        let what = format!("the tensor of {what} {why}; take it as it is, or do not accept such in the descriptor");
        Error::of_kind(ErrorKind::InvalidArgument, what)
    })
}

/// The tensor as the host has it; none when a test made it.
fn lent_of<'a>(given: Option<Given<'a>>, what: &str) -> Result<Option<LentTensor<'a>>, Error> {
    Ok(given.ok_or_else(|| not_needed(what))?.lent)
}

/// One layer of a request.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    name: String,
    height: usize,
    width: usize,
    activations: Option<Given<'a>>,
    gradients: Option<Given<'a>>,
    lifetime: PhantomData<&'a [f32]>,
}

impl<'a> Layer<'a> {
    /// A layer with its tensors \[N,C,h,w\], for tests of a plugin.
    pub fn new(
        name: &str,
        (height, width): (usize, usize),
        activations: Option<TensorView<'a>>,
        gradients: Option<TensorView<'a>>,
    ) -> Self {
        let (activations, gradients) = (activations.map(Given::made), gradients.map(Given::made));
        Layer { name: name.to_owned(), height, width, activations, gradients, lifetime: PhantomData }
    }

    /// Name of the layer, such as `layer4`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Height of its activations, h.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width of its activations, w.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Activations \[N,C,h,w\]. An error when the descriptor does not need them.
    pub fn activations(&self) -> Result<TensorView<'a>, Error> {
        view_of(self.activations, "activations")
    }

    /// The activations as the host has them, on whatever device; none in a test of a plugin.
    pub fn activations_lent(&self) -> Result<Option<LentTensor<'a>>, Error> {
        lent_of(self.activations, "activations")
    }

    /// Gradient of the target's logit with respect to the activations, \[N,C,h,w\]. An error when the descriptor does not
    /// need it.
    pub fn gradients(&self) -> Result<TensorView<'a>, Error> {
        view_of(self.gradients, "gradients")
    }

    /// The gradients as the host has them, on whatever device; none in a test of a plugin.
    pub fn gradients_lent(&self) -> Result<Option<LentTensor<'a>>, Error> {
        lent_of(self.gradients, "gradients")
    }
}

impl<'a> Request<'a> {
    /// A request for tests of a plugin, with seed 0 and image seeds 0, 1, 2, ...; `input_shape` is \[C,H,W\].
    pub fn new(targets: &[usize], classes: usize, input_shape: [usize; 3], layers: Vec<Layer<'a>>) -> Self {
        Request {
            targets: targets.to_vec(),
            classes,
            input_size: (input_shape[1], input_shape[2]),
            input_channels: input_shape[0],
            input: None,
            scores: None,
            layers,
            seed: 0,
            image_seeds: (0..targets.len() as u64).collect(),
            cuda_stream: 0,
            device: Some(Device::Cpu),
        }
    }

    /// The same request with the network's input \[N,C,H,W\], for tests of a plugin.
    pub fn with_input(mut self, input: TensorView<'a>) -> Self {
        self.input = Some(Given::made(input));
        self
    }

    /// The same request with logits \[N,K\], for tests of a plugin.
    pub fn with_scores(mut self, scores: TensorView<'a>) -> Self {
        self.scores = Some(Given::made(scores));
        self
    }

    /// The same request with another seed and image seeds, for tests of a plugin.
    pub fn with_seeds(mut self, seed: u64, image_seeds: Vec<u64>) -> Self {
        (self.seed, self.image_seeds) = (seed, image_seeds);
        self
    }

    /// Number of images, N.
    pub fn images(&self) -> usize {
        self.targets.len()
    }

    /// Number of classes, K.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The target class of each image.
    pub fn targets(&self) -> &[usize] {
        &self.targets
    }

    /// Height and width of the network's input.
    pub fn input_size(&self) -> (usize, usize) {
        self.input_size
    }

    /// Number of channels of the network's input.
    pub fn input_channels(&self) -> usize {
        self.input_channels
    }

    /// The normalised input \[N,C,H,W\]. An error when the descriptor does not need it.
    pub fn input(&self) -> Result<TensorView<'a>, Error> {
        view_of(self.input, "input")
    }

    /// The input as the host has it, on whatever device; none in a test of a plugin.
    pub fn input_lent(&self) -> Result<Option<LentTensor<'a>>, Error> {
        lent_of(self.input, "input")
    }

    /// Raw logits \[N,K\]. An error when the descriptor does not need them.
    pub fn scores(&self) -> Result<TensorView<'a>, Error> {
        view_of(self.scores, "scores")
    }

    /// The logits as the host has them, on whatever device; none in a test of a plugin.
    pub fn scores_lent(&self) -> Result<Option<LentTensor<'a>>, Error> {
        lent_of(self.scores, "scores")
    }

    /// Address of the CUDA stream (a `cudaStream_t`) that tensors on a CUDA device are ordered on; 0 is the default stream.
    pub fn cuda_stream(&self) -> usize {
        self.cuda_stream
    }

    /// The device that the network runs on; none for one that this SDK does not know. The request's tensors are there too,
    /// unless the descriptor wants them on the CPU.
    pub fn device(&self) -> Option<Device> {
        self.device
    }

    /// The layers, at least one, in the order asked for.
    pub fn layers(&self) -> &[Layer<'a>] {
        &self.layers
    }

    /// Seed of the whole request.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Seed of one image, which does not depend on how images were batched.
    pub fn image_seed(&self, image: usize) -> u64 {
        self.image_seeds.get(image).copied().unwrap_or(self.seed)
    }

    /// Reads a request that crossed the ABI.
    ///
    /// # Safety
    ///
    /// `raw` is null or points to a request that keeps the promises of the ABI for `'a`.
    pub(crate) unsafe fn from_abi(raw: *const abi::Request) -> Result<Self, Error> {
        // SAFETY: the caller promises a valid request or null.
        let raw = unsafe { raw.as_ref() }.ok_or_else(|| bad_request("it is null"))?;
        if raw.struct_size < size_of::<abi::Request>() as u64 {
            return Err(bad_request("it is shorter than this plugin's ABI says"));
        }
        let images = length(raw.image_count)?;
        let layer_count = length(raw.layer_count)?;
        if images == 0 || layer_count == 0 {
            return Err(bad_request("it has no image or no layer"));
        }
        // SAFETY: the ABI promises N targets, N seeds and as many layer pointers as it says, each valid for the call.
        let (targets, image_seeds, raw_layers) =
            unsafe { (array(raw.targets, images)?, array(raw.image_seeds, images)?, array(raw.layers, layer_count)?) };
        let mut layers = Vec::with_capacity(layer_count);
        for &layer in raw_layers {
            // SAFETY: the ABI promises valid layers.
            let layer = unsafe { layer.as_ref() }.ok_or_else(|| bad_request("a layer is null"))?;
            if layer.name.is_null() {
                return Err(bad_request("a layer has no name"));
            }
            layers.push(Layer {
                // SAFETY: the ABI promises zero-terminated text, and it is not null.
                name: unsafe { CStr::from_ptr(layer.name) }.to_string_lossy().into_owned(),
                height: length(layer.height)?,
                width: length(layer.width)?,
                // SAFETY: the ABI promises valid tensors or null.
                activations: unsafe { given(layer.activations, raw.run, "activations") }?,
                // SAFETY: as above.
                gradients: unsafe { given(layer.gradients, raw.run, "gradients") }?,
                lifetime: PhantomData,
            });
        }
        Ok(Request {
            targets: targets.iter().map(|&target| length(target)).collect::<Result<_, _>>()?,
            classes: length(raw.class_count)?,
            input_size: (length(raw.input_height)?, length(raw.input_width)?),
            input_channels: length(raw.input_channels)?,
            // SAFETY: the ABI promises valid tensors or null.
            input: unsafe { given(raw.input, raw.run, "input") }?,
            // SAFETY: as above.
            scores: unsafe { given(raw.scores, raw.run, "scores") }?,
            layers,
            seed: raw.seed,
            image_seeds: image_seeds.to_vec(),
            cuda_stream: raw.cuda_stream.expose_provenance(),
            device: Device::from_abi(raw.device),
        })
    }
}

fn not_needed(what: &str) -> Error {
    Error::of_kind(
        ErrorKind::InvalidArgument,
        format!("the request has no {what}; set `{what}` in the needs of the descriptor"),
    )
}

fn bad_request(why: &str) -> Error {
    Error::of_kind(ErrorKind::InvalidArgument, format!("the request cannot be read: {why}"))
}

fn length(value: u64) -> Result<usize, Error> {
    usize::try_from(value).map_err(|_| bad_request("a size is too large"))
}

/// # Safety
///
/// `pointer` is null or leads to `length` elements that are valid and unchanged for `'a`.
unsafe fn array<'a, T>(pointer: *const T, length: usize) -> Result<&'a [T], Error> {
    if pointer.is_null() {
        return Err(bad_request("an array is null"));
    }
    // SAFETY: the caller promises the elements.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// # Safety
///
/// `tensor` is null or leads to a tensor that is valid and unchanged for `'a`, as `run` is.
unsafe fn given<'a>(tensor: *const abi::Tensor, run: *const abi::Run, what: &str) -> Result<Option<Given<'a>>, Error> {
    // SAFETY: the caller promises a valid tensor or null.
    let Some(tensor) = (unsafe { tensor.as_ref() }) else { return Ok(None) };
    let refuse = |why: &str| Err(bad_request(&format!("the tensor of {what} {why}")));
    if tensor.version.major != abi::DLPACK_MAJOR {
        return refuse("is of another DLPack version");
    }
    let data = &tensor.tensor;
    let dimensions = usize::try_from(data.ndim).unwrap_or(usize::MAX);
    if dimensions > TensorView::MAX_DIMENSIONS || data.shape.is_null() || data.strides.is_null() || data.data.is_null()
    {
        return refuse("has no shape, strides or data");
    }
    // SAFETY: shape and strides have `ndim` entries.
    let (sizes, strides) = unsafe {
        (std::slice::from_raw_parts(data.shape, dimensions), std::slice::from_raw_parts(data.strides, dimensions))
    };
    let mut shape = [0_usize; TensorView::MAX_DIMENSIONS];
    let (mut elements, mut row_major) = (1_usize, true);
    for dimension in (0..dimensions).rev() {
        let Ok(size) = usize::try_from(sizes[dimension]) else { return refuse("has a negative size") };
        row_major &= size <= 1 || usize::try_from(strides[dimension]) == Ok(elements);
        shape[dimension] = size;
        let Some(product) = elements.checked_mul(size) else { return refuse("is too large") };
        elements = product;
    }
    let Ok(offset) = usize::try_from(data.byte_offset) else { return refuse("is too large") };
    let view = if data.device.device_type != abi::DEVICE_CPU || data.dtype != abi::TensorType::F32 {
        Err("is not f32 in CPU memory")
    } else if !row_major {
        Err("is not row-major")
    } else {
        // SAFETY: the tensor's memory, which the CPU reads, holds `elements` f32 from `byte_offset` on.
        let values = unsafe { std::slice::from_raw_parts(data.data.cast::<u8>().add(offset).cast::<f32>(), elements) };
        TensorView::new(values, &shape[..dimensions]).ok_or("has another number of elements than its shape")
    };
    // SAFETY: the caller promises tensor and run, and the shape and the strides were found.
    Ok(Some(Given { view, lent: Some(unsafe { LentTensor::new(tensor, run) }) }))
}
