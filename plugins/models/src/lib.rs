//! Networks as plugins: names, initialisation and numerics of torchvision 0.26.

mod densenet;
mod efficientnet;
mod resnet;
mod small;
mod vgg;

pub use densenet::DenseNet121;
pub use efficientnet::EfficientNetB0;
pub use resnet::ResNet50;
pub use small::SmallCnn;
pub use vgg::Vgg16;

lightbox_plugin_torch::export_plugin! {
    id: "org.lightbox.models",
    version: env!("CARGO_PKG_VERSION"),
    models: [ResNet50, DenseNet121, Vgg16, EfficientNetB0, SmallCnn],
}

/// Shallow clones of a network's variables.
fn share(variables: &[lightbox_plugin_torch::Variable]) -> Vec<lightbox_plugin_torch::Variable> {
    let share = |v: &lightbox_plugin_torch::Variable| lightbox_plugin_torch::Variable {
        name: v.name.clone(),
        tensor: v.tensor.shallow_clone(),
        trainable: v.trainable,
        aliases: v.aliases.clone(),
    };
    variables.iter().map(share).collect()
}

/// Sets a variable to zero without leaving a trace in the graph.
fn zero(tensor: &mut tch::Tensor) -> Result<(), tch::TchError> {
    let _no_grad = tch::no_grad_guard();
    tensor.f_zero_().map(drop)
}
