//! The stream that a method works on, without a GPU: with a stand-in for the two functions of libtorch's CUDA half.

use std::ffi::CString;
use std::process::Command;
use std::sync::Mutex;

use lightbox_plugin::export::{AttributionExport, AttributionFactory};
use lightbox_plugin::{Accepts, Attribution, AttributionDescriptor, Host, Maps, Needs, Parameters, Request, abi};

use super::super::Tensors;
use super::*;

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
}

/// `RTLD_NOW | RTLD_GLOBAL`, as the host opens libtorch's CUDA half.
const NOW_GLOBAL: c_int = 0x102;

const STAND_IN: &str = "#include <stdint.h>
    uintptr_t seen_stream; int32_t seen_device, entered, left;
    int aoti_torch_create_cuda_stream_guard(void *stream, int32_t device, void **out) {
        seen_stream = (uintptr_t)stream; seen_device = device; entered++; *out = &seen_stream;
        return device == 9;
    }
    int aoti_torch_delete_cuda_stream_guard(void *guard) { left += guard == (void *)&seen_stream; return 0; }";

/// Opens a library with the two functions.
fn open_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("cuda.c"), folder.path().join("cuda.so"));
    std::fs::write(&source, STAND_IN).unwrap();
    assert!(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap().success());
    let name = CString::new(library.to_str().unwrap()).unwrap();
    // SAFETY: the library has no initialisers and stays loaded.
    assert!(!unsafe { dlopen(name.as_ptr(), NOW_GLOBAL) }.is_null());
}

/// The stand-in's stream and device, and how often a guard was made and ended.
type Seen = (usize, i32, i32, i32);

fn seen() -> Seen {
    // SAFETY: the stand-in is loaded for good, and its variables are of these types.
    unsafe {
        let find = |name: &CStr| dlsym(std::ptr::null_mut(), name.as_ptr());
        let number = |name: &CStr| find(name).cast::<i32>().read();
        (find(c"seen_stream").cast::<usize>().read(), number(c"seen_device"), number(c"entered"), number(c"left"))
    }
}

/// What was seen while a method had its tensors, and what it heard when it asked for slices.
static DURING: Mutex<Option<(Seen, String)>> = Mutex::new(None);

struct Method;

impl Attribution for Method {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            needs: Needs { activations: true, ..Needs::default() },
            accepts: Accepts { any_device: true, ..Accepts::default() },
            ..AttributionDescriptor::new("method", "Method")
        }
    }

    fn create(_: &Parameters) -> Result<Self> {
        Ok(Method)
    }

    fn attribute(&mut self, request: &Request<'_>, _: &Host<'_>, _: &mut Maps<'_>) -> Result<()> {
        let _tensors = Tensors::of(request)?;
        let refused = request.layers()[0].activations().err().unwrap();
        *DURING.lock().unwrap() = Some((seen(), refused.message().to_owned()));
        Ok(())
    }
}

unsafe extern "C" fn services(_: *const abi::Run, id: *const c_char) -> *const c_void {
    static NONE: abi::Services = abi::Services {
        struct_size: size_of::<abi::Services>() as u64,
        forward: None,
        forward_from: None,
        vjp: None,
        scale_and_resize: None,
        random_uniform: None,
        random_normal: None,
        scratch: None,
        log: None,
        progress: None,
        is_cancelled: None,
        last_error: None,
    };
    // SAFETY: the SDK passes zero-terminated text.
    let known = unsafe { CStr::from_ptr(id) }.to_bytes() == abi::SERVICES_ID.as_bytes();
    if known { (&raw const NONE).cast() } else { std::ptr::null() }
}

/// Calls [`Method`] as a host does, with activations that are said to be on CUDA device 3, in the order of `stream`.
fn call_on_a_gpu(stream: usize) -> abi::Status {
    static METHODS: &[AttributionExport] = &[AttributionExport::of::<Method>()];
    static FACTORY: AttributionFactory = AttributionFactory::new(METHODS);
    let (mut shape, mut strides) = ([1_i64, 2, 1, 1], [2_i64, 1, 1, 1]);
    let activations = abi::Tensor {
        version: abi::TensorVersion { major: abi::DLPACK_MAJOR, minor: abi::DLPACK_MINOR },
        manager_context: std::ptr::null_mut(),
        deleter: None,
        flags: abi::TENSOR_READ_ONLY,
        tensor: abi::TensorData {
            // An address of a GPU: to read it here would crash.
            data: std::ptr::without_provenance_mut(0x7000_0000),
            device: abi::TensorDevice { device_type: abi::DEVICE_CUDA, device_id: 3 },
            ndim: 4,
            dtype: abi::TensorType::F32,
            shape: shape.as_mut_ptr(),
            strides: strides.as_mut_ptr(),
            byte_offset: 0,
        },
    };
    let layer = abi::Layer {
        struct_size: size_of::<abi::Layer>() as u64,
        name: c"layer".as_ptr(),
        height: 1,
        width: 1,
        activations: &raw const activations,
        gradients: std::ptr::null(),
    };
    let run = abi::Run {
        struct_size: size_of::<abi::Run>() as u64,
        context: std::ptr::null_mut(),
        get_extension: Some(services),
    };
    let (target, layers) = (0_u64, [&raw const layer]);
    let request = abi::Request {
        struct_size: size_of::<abi::Request>() as u64,
        image_count: 1,
        class_count: 2,
        input_height: 8,
        input_width: 8,
        input_channels: 3,
        targets: &raw const target,
        input: std::ptr::null(),
        scores: std::ptr::null(),
        layer_count: 1,
        layers: layers.as_ptr(),
        seed: 0,
        image_seeds: &raw const target,
        cuda_stream: std::ptr::without_provenance_mut(stream),
        device: abi::TensorDevice { device_type: abi::DEVICE_CUDA, device_id: 3 },
        run: &raw const run,
    };
    let maps = abi::Maps {
        struct_size: size_of::<abi::Maps>() as u64,
        context: std::ptr::null_mut(),
        map_count: 1,
        get: None,
    };
    // SAFETY: the factory's table is its first field, and all that is passed outlives the calls.
    unsafe {
        let factory = (&raw const FACTORY).cast::<abi::AttributionFactory>();
        let mut instance = std::ptr::null_mut();
        let create = (*factory).create.unwrap();
        assert_eq!(create(factory, c"method".as_ptr(), std::ptr::null(), 0, &raw mut instance), abi::STATUS_OK);
        let status = (*instance).attribute.unwrap()(instance, &raw const request, &raw const maps);
        (*instance).destroy.unwrap()(instance);
        status
    }
}

/// One test, since the stand-in belongs to the whole process.
#[test]
fn the_requests_stream_is_the_current_one_for_as_long_as_its_tensors() {
    if tch::Cuda::is_available() {
        assert!(StreamGuard::enter(0, 0).is_ok());
        return;
    }
    let refused = StreamGuard::enter(0, 0).err().unwrap();
    assert_eq!(refused.message(), "the tensors are on a GPU, and libtorch's CUDA half is not loaded");
    assert_eq!(call_on_a_gpu(0x1230), abi::STATUS_UNSUPPORTED);
    assert!(DURING.lock().unwrap().is_none());

    open_stand_in();
    let failed = StreamGuard::enter(0, 9).err().unwrap();
    assert!(failed.message().contains("the stream of CUDA device 9"), "{}", failed.message());
    assert_eq!(seen(), (0, 9, 1, 0), "a guard that was not made is not ended");

    assert_eq!(call_on_a_gpu(0x1230), abi::STATUS_OK);
    let (during, refused) = DURING.lock().unwrap().take().unwrap();
    assert_eq!(during, (0x1230, 3, 2, 0));
    assert_eq!(seen(), (0x1230, 3, 2, 1), "ended with the tensors");
    assert!(refused.starts_with("the tensor of activations is not f32 in CPU memory"), "{refused}");
}
