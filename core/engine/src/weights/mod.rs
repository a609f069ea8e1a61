//! Weights files: reading, comparing, loading into a network, exporting.
//!
//! [`WeightsFile::open`] reads the table of contents of a safetensors file or of what `torch.save` wrote (as zip archive or as
//! the pickles of before torch 1.6), executing nothing and trusting no length in it. [`load()`] copies a file into a network's
//! variables by name, or refuses it with the first names that differ; [`inspect()`] says which networks a file fits;
//! [`export()`] writes safetensors under torchvision's names.

mod compare;
mod element;
mod error;
mod export;
mod file;
mod inspect;
mod key_map;
mod load;
mod pickle;
mod safetensors;
mod torch_file;

pub use compare::{Comparison, Mismatch, NetworkShape, VariableShape};
pub use element::ElementType;
pub use error::{Result, WeightsError};
pub use export::export;
pub use file::{FileFormat, TensorInfo, WeightsFile};
pub use inspect::{Fit, Inspection, channels, inspect};
pub use key_map::KeyMap;
pub use load::{ChannelRule, ClassifierRule, LoadOptions, LoadReport, load, load_into};
pub(crate) use safetensors::write as write_safetensors;
