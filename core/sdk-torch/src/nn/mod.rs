//! Building blocks that compute, name and initialise as torchvision does.
//!
//! A network is made with a [`Builder`], which walks the modules in the order in which torchvision's constructor makes
//! them: every layer draws its default initialisation from libtorch's default generator at once, as torch's own
//! constructors do, also where the network overwrites it afterwards. The same seed then gives the same weights, bit for
//! bit. Variables carry the names of torchvision's `state_dict`.

mod builder;
mod chain;
mod init;
mod layers;
mod taps;

pub use builder::Builder;
pub use chain::{Chain, Layer};
pub use init::{Fan, kaiming_normal, normal, uniform};
pub use layers::{BatchNorm2d, Conv2d, ConvSettings, Linear, dropout, pool_and_flatten, stochastic_depth};
pub use taps::{Tap, record};
