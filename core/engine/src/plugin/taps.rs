//! The taps of a network: outputs of the layers that add a bias, an optional capability of a model plugin.

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use lightbox_abi as abi;
use tch::Tensor;
use torch_sys::{C_tensor, at_shallow_clone};

use super::Result;
use super::c_values::c_text;
use super::model::ModelHandle;

/// A forward pass with the outputs inside it.
#[derive(Debug)]
pub struct Tapped {
    /// Logits \[N,K\].
    pub logits: Tensor,
    /// The taps in the order of computation.
    pub taps: Vec<ModelTap>,
}

/// One tap of a network.
#[derive(Debug)]
pub struct ModelTap {
    /// Name of the layer, as the prefix of its variables' names.
    pub name: String,
    /// Its output \[N,C,h,w\] in the graph of the pass.
    pub output: Tensor,
    /// The bias \[C\] that it added.
    pub bias: Tensor,
}

/// What the plugin's calls of the visitor fill.
#[derive(Default)]
struct Visit {
    taps: Vec<ModelTap>,
    refused: RefCell<Option<String>>,
}

impl ModelHandle {
    /// Runs the whole network in evaluation mode and shows its taps; none when the plugin offers no taps.
    ///
    /// # Errors
    ///
    /// What the plugin says, or a tap without a name, output or bias.
    pub fn forward_tapped(&self, input: &Tensor) -> Result<Option<Tapped>> {
        let id = c_text(abi::MODEL_TAPS_ID)?;
        let Some(forward) = self.extension::<abi::ModelTaps>(&id)?.and_then(|table| table.forward) else {
            return Ok(None);
        };
        let mut context = Visit::default();
        let mut out: abi::TensorHandle = std::ptr::null_mut();
        // SAFETY: the instance is whole and used by one thread at a time; input and context outlive the call.
        let status = unsafe {
            let input = input.as_ptr().cast_mut().cast::<abi::TorchTensor>();
            forward(self.raw(), input, Some(visit), (&raw mut context).cast(), &raw mut out)
        };
        if let Some(why) = context.refused.take() {
            return Err(self.faulty(&format!("`{}` shows {why}", self.metadata().id)));
        }
        self.check(status, || format!("running the model `{}` with its taps", self.metadata().id))?;
        Ok(Some(Tapped { logits: self.take(out, "the pass with taps")?, taps: context.taps }))
    }
}

unsafe extern "C" fn visit(context: *mut c_void, tap: *const abi::ModelTap) -> abi::Status {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the context is the `Visit` above, and the plugin passes a tap that outlives the call.
        let (visit, tap) = unsafe { (&mut *context.cast::<Visit>(), tap.as_ref()) };
        // SAFETY: as above.
        match unsafe { read(tap) } {
            Ok(tap) => {
                visit.taps.push(tap);
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

/// # Safety
///
/// The tap keeps the promises of the ABI for the call.
unsafe fn read(tap: Option<&abi::ModelTap>) -> std::result::Result<ModelTap, String> {
    let tap = tap.ok_or("a null tap")?;
    if tap.struct_size < size_of::<abi::ModelTap>() as u64 || tap.name.is_null() {
        return Err("a tap without a name".to_owned());
    }
    // SAFETY: zero-terminated text, not null.
    let name = unsafe { CStr::from_ptr(tap.name) }.to_string_lossy().into_owned();
    // SAFETY: tensors of the libtorch that both share, borrowed for the call, or null.
    let (output, bias) = unsafe { (own(tap.output), own(tap.bias)) };
    let (Some(output), Some(bias)) = (output, bias) else {
        return Err(format!("the tap `{name}` without an output or a bias"));
    };
    if output.dim() != 4 || bias.size() != [output.size()[1]] {
        return Err(format!("the tap `{name}` with an output {:?} and a bias {:?}", output.size(), bias.size()));
    }
    Ok(ModelTap { name, output, bias })
}

/// A reference of the host's own to a tensor that is lent.
///
/// # Safety
///
/// `handle` is null or a tensor of the libtorch that both share.
unsafe fn own(handle: abi::TensorHandle) -> Option<Tensor> {
    if handle.is_null() {
        return None;
    }
    // SAFETY: the caller promises the tensor; the clone is a new reference that nobody else ends.
    unsafe {
        let clone = at_shallow_clone(handle.cast::<C_tensor>());
        (!clone.is_null()).then(|| Tensor::from_ptr(clone))
    }
}
