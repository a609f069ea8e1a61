//! Baselines that know nothing of the network, as plugins: what a method must beat before its score means anything.

mod center;
mod random;

pub use center::Center;
pub use random::Random;

lightbox_plugin::export_plugin! {
    id: "org.lightbox.baselines",
    version: env!("CARGO_PKG_VERSION"),
    attributions: [Random, Center],
}
