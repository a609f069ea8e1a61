//! My Cam: a small network of three convolutions.
//!
//! A network is a chain of segments. Each ends at a named cut point, which is a layer that users
//! can explain; what comes after the last one makes the logits.

use lightbox_plugin_torch::nn::{Builder, Chain, ConvSettings, pool_and_flatten};
use lightbox_plugin_torch::tch::{TchError, Tensor};
use lightbox_plugin_torch::{
    CreateRequest, Error, Model, ModelDescriptor, Parameter, Variable, export_plugin,
};

/// The cut points: the activation after each convolution, with its stride.
const CUTS: [(&str, i64); 3] = [("features.0", 1), ("features.1", 2), ("features.2", 2)];

/// The network, with variables that share their memory with those of its layers.
struct Network {
    chain: Chain,
    variables: Vec<Variable>,
}

impl Model for Network {
    fn descriptor() -> ModelDescriptor {
        ModelDescriptor {
            description: "Three 3x3 convolutions with batch normalisation, pooling, a linear layer.",
            input_size: (64, 64),
            min_size: (16, 16),
            channels: &[1, 3],
            cut_points: CUTS.iter().map(|(name, _)| *name).collect(),
            default_layer: CUTS[2].0,
            options: vec![
                Parameter::int(
                    "width",
                    16,
                    4,
                    256,
                    "channels of the first convolution; each next one has twice as many",
                ),
                Parameter::choice(
                    "activation",
                    "relu",
                    &["relu", "silu"],
                    "after each convolution",
                ),
            ],
            ..ModelDescriptor::new("my-cam", "My Cam")
        }
    }

    fn create(request: &CreateRequest) -> Result<Self, Error> {
        let activate = activation(request.options.choice("activation")?);
        let (mut builder, mut chain) = (Builder::new(), Chain::new());
        let (mut inputs, mut outputs) = (request.channels, request.options.int("width")?);
        for (name, stride) in CUTS {
            let settings = ConvSettings::new(3).stride(stride).padding(1);
            let conv = builder.conv2d(&format!("{name}.conv"), inputs, outputs, settings)?;
            let norm = builder.batch_norm2d(&format!("{name}.norm"), outputs)?;
            chain.cut(name, move |x: &Tensor, train| {
                activate(&norm.forward(&conv.forward(x)?, train)?)
            });
            (inputs, outputs) = (outputs, outputs * 2);
        }
        let classifier = builder.linear("classifier", inputs, request.classes)?;
        chain.head(|x: &Tensor, _| pool_and_flatten(x));
        chain.head(move |x: &Tensor, _| classifier.forward(x));
        Ok(Network {
            chain,
            variables: builder.finish(),
        })
    }

    fn forward_between(
        &self,
        input: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
        train: bool,
    ) -> Result<Tensor, Error> {
        self.chain.forward_between(input, from, to, train)
    }

    fn has_taps(&self) -> bool {
        true
    }

    fn variables(&self) -> Vec<Variable> {
        let share = |variable: &Variable| Variable {
            name: variable.name.clone(),
            tensor: variable.tensor.shallow_clone(),
            trainable: variable.trainable,
            aliases: variable.aliases.clone(),
        };
        self.variables.iter().map(share).collect()
    }
}

/// The function of that name. It writes to new memory: what a tap shows must stay as it was.
fn activation(name: &str) -> fn(&Tensor) -> Result<Tensor, TchError> {
    if name == "silu" {
        Tensor::f_silu
    } else {
        Tensor::f_relu
    }
}

export_plugin! {
    id: "org.example.my-cam",
    version: env!("CARGO_PKG_VERSION"),
    models: [Network],
}

#[cfg(test)]
mod tests {
    use lightbox_plugin_torch::tch::{Device, Kind};
    use lightbox_plugin_torch::{Parameters, Value};

    use super::*;

    #[test]
    fn the_way_over_a_cut_point_gives_the_same_logits() {
        for activation in ["relu", "silu"] {
            let options = Parameters::defaults(&Network::descriptor().options)
                .with("activation", Value::Choice(activation.to_owned()));
            let request = CreateRequest {
                classes: 4,
                channels: 3,
                options,
                seed: 0,
            };
            let network = Network::create(&request).unwrap();
            let input = Tensor::rand([2, 3, 32, 32], (Kind::Float, Device::Cpu));
            let whole = network.forward(&input, false).unwrap();
            assert_eq!(whole.size(), [2, 4]);
            for cut in 0..CUTS.len() {
                let there = network.forward_to(&input, cut, false).unwrap();
                assert_eq!(network.forward_from(&there, cut, false).unwrap(), whole);
            }
        }
    }
}
