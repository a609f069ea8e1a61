//! The SDK for attribution plugins, without torch: implement [`Attribution`], name it in [`export_plugin!`].
//!
//! ```
//! use lightbox_plugin::{
//!     Attribution, AttributionDescriptor, Error, Host, Maps, Needs, Parameters, Request, export_plugin,
//! };
//!
//! /// The sum over channels of activation times gradient.
//! struct HiResCam;
//!
//! impl Attribution for HiResCam {
//!     fn descriptor() -> AttributionDescriptor {
//!         AttributionDescriptor {
//!             needs: Needs { activations: true, gradients: true, ..Needs::default() },
//!             ..AttributionDescriptor::new("hirescam", "HiResCAM")
//!         }
//!     }
//!
//!     fn create(_parameters: &Parameters) -> Result<Self, Error> {
//!         Ok(HiResCam)
//!     }
//!
//!     fn attribute(&mut self, request: &Request<'_>, _host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
//!         for (index, layer) in request.layers().iter().enumerate() {
//!             let (activations, gradients) = (layer.activations()?, layer.gradients()?);
//!             let pixels = layer.height() * layer.width();
//!             let map = maps.map(index)?;
//!             for image in 0..request.images() {
//!                 let (a, g) = (activations.image(image), gradients.image(image));
//!                 let out = &mut map[image * pixels..][..pixels];
//!                 for (a, g) in a.chunks_exact(pixels).zip(g.chunks_exact(pixels)) {
//!                     for ((out, a), g) in out.iter_mut().zip(a).zip(g) {
//!                         *out += a * g;
//!                     }
//!                 }
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! export_plugin! {
//!     id: "org.example.hirescam",
//!     version: "1.0.0",
//!     attributions: [HiResCam],
//! }
//! ```

mod descriptor;
mod error;
pub mod export;
#[cfg(doctest)]
mod guide;
mod host;
mod lent;
mod maps;
mod parameters;
mod remote;
mod request;
mod taps;
mod tensor;

pub use descriptor::{
    Accepts, AttributionDescriptor, Batch, Layers, Merge, Needs, Output, Parameter, ParameterKind, Resolution,
};
pub use error::{Error, ErrorKind, Result};
pub use host::{At, Host, LogLevel, Resize, Scores, Services};
pub use lent::{Device, Element, KeptTensor, Lending, LentTensor};
pub use lightbox_abi as abi;
pub use maps::Maps;
pub use parameters::{Parameters, Value};
pub use request::{Layer, Request};
pub use taps::{TapInfo, TapValue, Taps};
pub use tensor::TensorView;

/// A method that says which part of an image a network's answer rests on.
///
/// The host makes an instance with checked parameters, and calls it with any number of images (or with one, see
/// [`Batch`]). A panic is caught and shown as an error; the instance is not used again.
pub trait Attribution: Send {
    /// What the method is and needs.
    fn descriptor() -> AttributionDescriptor
    where
        Self: Sized;

    /// Makes an instance. `parameters` has a value within bounds for every row of the descriptor's table.
    fn create(parameters: &Parameters) -> Result<Self, Error>
    where
        Self: Sized;

    /// Computes the raw maps of a request: taking the positive part, scaling, resizing and merging are the host's.
    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error>;
}
