//! Attribution methods that follow the gradient to the input or through the whole network, as plugins. Formulas, parameters and
//! what differs from the publications are in `docs/explanations.md`.

mod fullgrad;
mod integrated;
mod quadrature;

pub use fullgrad::FullGrad;
pub use integrated::IntegratedGradients;

lightbox_plugin::export_plugin! {
    id: "org.lightbox.gradients",
    version: env!("CARGO_PKG_VERSION"),
    attributions: [IntegratedGradients, FullGrad],
}
