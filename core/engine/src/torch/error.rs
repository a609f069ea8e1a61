//! What libtorch says when it fails.

use std::ffi::c_char;

use super::ffi;

/// A failure inside libtorch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("libtorch: {message}")]
pub struct TorchError {
    /// libtorch's sentence, without its C++ stack.
    pub message: String,
}

impl TorchError {
    /// An error with libtorch's text, cut at its C++ stack.
    pub fn new(text: &str) -> Self {
        let end = text.find("\nException raised from").unwrap_or(text.len());
        Self { message: text[..end].trim().to_owned() }
    }

    pub(super) fn check(status: i32) -> Result<(), Self> {
        if status == 0 {
            return Ok(());
        }
        let mut buffer = vec![0_u8; 4096];
        // SAFETY: the buffer is as long as said; the shim ends the text with a zero within it.
        unsafe { ffi::lightbox_torch_last_error(buffer.as_mut_ptr().cast::<c_char>(), buffer.len()) };
        Err(Self::new(&text(&buffer)))
    }
}

impl From<tch::TchError> for TorchError {
    fn from(error: tch::TchError) -> Self {
        match error {
            tch::TchError::Torch(text) => Self::new(&text),
            other => Self::new(&other.to_string()),
        }
    }
}

/// Whether a sentence of libtorch, or of a plugin that passes one on, means that the device ran out of memory.
pub fn says_out_of_memory(text: &str) -> bool {
    // CUDA: "CUDA out of memory. Tried to allocate"; CPU: "DefaultCPUAllocator: can't allocate memory"; cuDNN and
    // cuBLAS name their own status for the same reason.
    const SIGNS: [&str; 5] = [
        "out of memory",
        "can't allocate memory",
        "not enough memory",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_ALLOC_FAILED",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// The text of a zero-terminated buffer.
pub(super) fn text(buffer: &[u8]) -> String {
    let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
    String::from_utf8_lossy(&buffer[..end]).into_owned()
}
