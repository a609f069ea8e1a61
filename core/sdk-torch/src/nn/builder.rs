//! Makes layers in torchvision's order and keeps their variables under torchvision's names.

use tch::{Device, Kind, TchError, Tensor};

use super::init;
use super::layers::{BatchNorm2d, Conv2d, ConvSettings, Linear};
use crate::Variable;

/// Makes the layers of one network. Variables are listed in the order of torchvision's `state_dict`, which is the order
/// of registration; layers that are made before they are registered are put in place by [`Builder::registered_last`].
#[derive(Debug, Default)]
pub struct Builder {
    variables: Vec<Entry>,
    place: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    /// Where it stands in the `state_dict`: places are compared number by number.
    place: Vec<usize>,
    variable: Variable,
}

impl Builder {
    /// Nothing made yet.
    pub fn new() -> Self {
        Builder { variables: Vec::new(), place: vec![0] }
    }

    /// A convolution without padding rules of its own: see [`ConvSettings`].
    ///
    /// # Errors
    /// What libtorch says.
    pub fn conv2d(&mut self, name: &str, inputs: i64, outputs: i64, with: ConvSettings) -> Result<Conv2d, TchError> {
        let shape = [outputs, inputs / with.groups, with.kernel, with.kernel];
        let mut weight = empty(&shape)?;
        init::default_weight(&mut weight)?;
        let weight = self.parameter(format!("{name}.weight"), weight)?;
        let bias = match with.bias {
            true => {
                let mut bias = empty(&[outputs])?;
                init::default_bias(&mut bias, &weight)?;
                Some(self.parameter(format!("{name}.bias"), bias)?)
            }
            false => None,
        };
        Ok(Conv2d { name: name.to_owned(), weight, bias, settings: with })
    }

    /// A fully connected layer.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn linear(&mut self, name: &str, inputs: i64, outputs: i64) -> Result<Linear, TchError> {
        let mut weight = empty(&[outputs, inputs])?;
        init::default_weight(&mut weight)?;
        let weight = self.parameter(format!("{name}.weight"), weight)?;
        let mut bias = empty(&[outputs])?;
        init::default_bias(&mut bias, &weight)?;
        let bias = self.parameter(format!("{name}.bias"), bias)?;
        Ok(Linear { weight, bias })
    }

    /// A batch normalisation with torch's defaults: eps 1e-5, momentum 0.1, scale 1, shift 0.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn batch_norm2d(&mut self, name: &str, channels: i64) -> Result<BatchNorm2d, TchError> {
        let options = (Kind::Float, Device::Cpu);
        let weight = self.parameter(format!("{name}.weight"), Tensor::f_ones([channels], options)?)?;
        let bias = self.parameter(format!("{name}.bias"), Tensor::f_zeros([channels], options)?)?;
        let running_mean = self.buffer(format!("{name}.running_mean"), Tensor::f_zeros([channels], options)?);
        let running_var = self.buffer(format!("{name}.running_var"), Tensor::f_ones([channels], options)?);
        Ok(BatchNorm2d { name: name.to_owned(), weight, bias, running_mean, running_var })
    }

    /// For modules that torchvision makes first and registers last: runs `make` and then `rest`, and lists the variables of
    /// `rest` before those of `make`.
    ///
    /// # Errors
    /// Those of `make` and `rest`.
    pub fn registered_last<A, B>(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<A, TchError>,
        rest: impl FnOnce(&mut Self) -> Result<B, TchError>,
    ) -> Result<(A, B), TchError> {
        let here = self.place.clone();
        self.place = [here.as_slice(), &[1, 0]].concat();
        let made = make(self)?;
        self.place = [here.as_slice(), &[0, 0]].concat();
        let rest = rest(self)?;
        self.place = here;
        if let Some(last) = self.place.last_mut() {
            *last += 1;
        }
        Ok((made, rest))
    }

    /// Gives a variable a second name that older checkpoints use.
    pub fn alias(&mut self, name: &str, alias: impl Into<String>) {
        if let Some(entry) = self.variables.iter_mut().find(|entry| entry.variable.name == name) {
            entry.variable.aliases.push(alias.into());
        }
    }

    /// The variables in the order of torchvision's `state_dict`.
    pub fn finish(self) -> Vec<Variable> {
        let mut entries = self.variables;
        entries.sort_by(|a, b| a.place.cmp(&b.place));
        entries.into_iter().map(|entry| entry.variable).collect()
    }

    fn parameter(&mut self, name: String, tensor: Tensor) -> Result<Tensor, TchError> {
        let tensor = tensor.f_set_requires_grad(true)?;
        Ok(self.keep(name, tensor, true))
    }

    fn buffer(&mut self, name: String, tensor: Tensor) -> Tensor {
        self.keep(name, tensor, false)
    }

    fn keep(&mut self, name: String, tensor: Tensor, trainable: bool) -> Tensor {
        let variable = Variable { name, tensor: tensor.shallow_clone(), trainable, aliases: Vec::new() };
        self.variables.push(Entry { place: self.place.clone(), variable });
        if let Some(last) = self.place.last_mut() {
            *last += 1;
        }
        tensor
    }
}

fn empty(shape: &[i64]) -> Result<Tensor, TchError> {
    Tensor::f_empty(shape, (Kind::Float, Device::Cpu))
}
