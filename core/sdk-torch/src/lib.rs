//! The SDK for model plugins: implement [`Model`] on tch tensors, name it in [`export_plugin!`].
//!
//! A plugin built with this crate is bound to one version of libtorch, which it records; a host on another refuses it with a
//! sentence. Methods need no torch: see `lightbox-plugin`, whose items are here as [`plugin`]. Those that want its tensors, on
//! a GPU where there is one, find them in [`tensors`].

pub mod export;
mod model;
pub mod nn;
pub mod tensors;

pub use lightbox_plugin as plugin;
pub use lightbox_plugin::{Error, ErrorKind, Parameter, ParameterKind, Parameters, Result, Value};
pub use model::{CreateRequest, Model, ModelDescriptor, Variable};
pub use tch;

/// Version of the libtorch that this crate was built against, such as `2.11.0`.
pub const LIBTORCH: &str = env!("LIGHTBOX_LIBTORCH");
