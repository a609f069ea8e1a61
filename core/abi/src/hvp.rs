//! Second derivatives, for the methods that need one: an extension of the host that a run may have.

use crate::{Run, Status, Tensor};

/// Id of the second derivatives; [`Run::get_extension`] gives an [`Hvp`] for it.
pub const HVP_ID: &str = "lightbox.hvp/1";

/// Second derivatives. `[run]`, under the rules of [`crate::Services`], whose `last_error` gives the text of an error.
#[repr(C)]
pub struct Hvp {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Hessian-vector product: the derivative along `direction` of the gradient that [`crate::Services::vjp`] gives, that is
    /// H v with H the second derivative of sum(cotangent * logits) with respect to the value at `at`, taken at `point`.
    ///
    /// `at`, `point` and `cotangent` are as in `vjp`; `direction` and `product` have the shape of `point`. Where the rest of
    /// the network is affine the product is zero.
    pub hvp: Option<
        unsafe extern "C" fn(
            run: *const Run,
            at: i64,
            point: *const Tensor,
            cotangent: *const Tensor,
            direction: *const Tensor,
            product: *const Tensor,
        ) -> Status,
    >,
}

// SAFETY: a table of function pointers is a constant, which every thread may read.
unsafe impl Sync for Hvp {}
