//! A plugin for the tests: a small network with two cut points, dropout and a buffer, and a method that keeps tensors.

use lightbox_plugin_torch::plugin::{
    Accepts, Attribution, AttributionDescriptor, Host, LogLevel, Maps, Needs, Request,
};
use lightbox_plugin_torch::tch::{Device, Kind, Tensor};
use lightbox_plugin_torch::tensors::Tensors;
use lightbox_plugin_torch::{
    CreateRequest, Error, Model, ModelDescriptor, Parameter, Parameters, Variable, export_plugin,
};

/// Convolution, ReLU (cut `features`), mean over pixels (cut `pooled`), dropout, linear layer.
struct Small {
    weight: Tensor,
    head: Tensor,
    shift: Tensor,
    dropout: f64,
    constant: Tensor,
}

impl Model for Small {
    fn descriptor() -> ModelDescriptor {
        ModelDescriptor {
            reference: "Nobody, never",
            input_size: (8, 8),
            min_size: (3, 3),
            channels: &[1, 3],
            cut_points: vec!["features", "pooled"],
            default_layer: "features",
            options: vec![Parameter::float("dropout", 0.5, 0.0, 0.9, "Share of features to drop while training.")],
            ..ModelDescriptor::new("small", "Small")
        }
    }

    fn create(request: &CreateRequest) -> Result<Self, Error> {
        if request.classes == 13 {
            panic!("thirteen classes");
        }
        let options = (Kind::Float, Device::Cpu);
        Ok(Small {
            weight: Tensor::randn([4, request.channels, 3, 3], options).set_requires_grad(true),
            head: Tensor::randn([request.classes, 4], options).set_requires_grad(true),
            shift: Tensor::zeros([4], options),
            dropout: request.options.float("dropout")?,
            constant: Tensor::ones([1], options),
        })
    }

    fn forward_between(
        &self,
        input: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
        train: bool,
    ) -> Result<Tensor, Error> {
        let start = from.map_or(0, |cut| cut + 1);
        let end = to.map_or(3, |cut| cut + 1);
        let mut x = input.shallow_clone();
        for segment in start..end {
            x = match segment {
                0 => x.f_conv2d(&self.weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)?.f_relu()?,
                1 => x.f_mean_dim([2_i64, 3].as_slice(), false, Kind::Float)? + &self.shift,
                _ => x.f_dropout(self.dropout, train)?.f_matmul(&self.head.tr())? * &self.constant,
            };
        }
        Ok(x)
    }

    fn variables(&self) -> Vec<Variable> {
        let variable = |name: &str, tensor: &Tensor, trainable, aliases: &[&str]| Variable {
            name: name.to_owned(),
            tensor: tensor.shallow_clone(),
            trainable,
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        };
        vec![
            variable("features.weight", &self.weight, true, &["features.0.weight", "conv.weight"]),
            variable("head.weight", &self.head, true, &[]),
            variable("features.shift", &self.shift, false, &[]),
        ]
    }

    fn device_or_dtype_changed(&mut self) -> Result<(), Error> {
        self.constant = self.constant.to_kind(self.weight.kind()).to_device(self.weight.device());
        Ok(())
    }
}

/// Keeps the activations of one call, and shows their sum in the next.
struct Keeper {
    kept: Option<Tensor>,
}

impl Attribution for Keeper {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            needs: Needs { activations: true, ..Needs::default() },
            accepts: Accepts { any_device: true, strides: true, bf16: true },
            ..AttributionDescriptor::new("keeper", "Keeps a tensor")
        }
    }

    fn create(_: &Parameters) -> Result<Self, Error> {
        Ok(Keeper { kept: None })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let own = Tensors::of(request)?.activations(0)?;
        host.log(LogLevel::Info, &format!("{:p} {:?} {:?}", own.data_ptr(), own.stride(), own.kind()));
        let sum = self.kept.replace(own).map_or(0.0, |kept| kept.sum(Kind::Double).double_value(&[]));
        maps.map(0)?.fill(sum as f32);
        Ok(())
    }
}

export_plugin! {
    id: "org.example.zoo-model",
    version: "0.0.1",
    models: [Small],
    attributions: [Keeper],
}
