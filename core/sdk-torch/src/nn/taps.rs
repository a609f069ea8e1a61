//! Taps: what the layers that add a bias gave, written down during one forward pass.

use std::cell::RefCell;

use tch::{TchError, Tensor};

/// The output of one layer that added a bias.
#[derive(Debug)]
pub struct Tap {
    /// Name of the layer, as the prefix of its variables' names.
    pub name: String,
    /// Its output \[N,C,h,w\], which nothing has written to since.
    pub output: Tensor,
    /// The bias \[C\] that it added.
    pub bias: Tensor,
}

thread_local! {
    /// The taps of the pass that this thread records; none when it records none.
    static TAPS: RefCell<Option<Vec<Tap>>> = const { RefCell::new(None) };
}

/// Ends a recording, whatever ends the pass.
struct Recording;

impl Drop for Recording {
    fn drop(&mut self) {
        TAPS.with_borrow_mut(Option::take);
    }
}

/// What `pass` gives, and the taps of every layer of [`super`] that ran in it on this thread.
///
/// # Errors
/// Those of `pass`.
pub fn record<T, E>(pass: impl FnOnce() -> Result<T, E>) -> Result<(T, Vec<Tap>), E> {
    TAPS.set(Some(Vec::new()));
    let _recording = Recording;
    let outcome = pass()?;
    Ok((outcome, TAPS.take().unwrap_or_default()))
}

/// Writes a layer's output down when the thread records, and gives what the next layer takes: a copy then, since networks
/// write to a layer's output (`relu_`), after which its gradient is no longer that of the layer.
pub(super) fn tap(
    name: &str,
    output: Tensor,
    bias: impl FnOnce() -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    if !TAPS.with_borrow(Option::is_some) {
        return Ok(output);
    }
    let next = output.f_mul_scalar(1.0)?;
    let tap = Tap { name: name.to_owned(), output, bias: bias()? };
    TAPS.with_borrow_mut(|taps| taps.as_mut().map(|taps| taps.push(tap)));
    Ok(next)
}
