//! From bytes to the network's input, on the device: float, augmentation, normalisation, memory format.

use tch::{Device, Kind, Tensor};

use super::augment::{self, Change};
use super::error::TrainError;
use crate::torch;

/// How bytes become the network's input.
#[derive(Debug)]
pub struct Pixels {
    /// (width, height).
    size: (usize, usize),
    channels: usize,
    mean: Tensor,
    std: Tensor,
    device: Device,
    channels_last: bool,
}

impl Pixels {
    /// For images of one size on one device.
    ///
    /// # Errors
    /// When libtorch cannot place a few numbers on the device.
    pub fn new(
        size: (usize, usize),
        mean: &[f64],
        std: &[f64],
        device: Device,
        channels_last: bool,
    ) -> Result<Self, TrainError> {
        let row = |values: &[f64]| -> Result<Tensor, TrainError> {
            let tensor = Tensor::f_from_slice(values)?.f_to_kind(Kind::Float)?;
            Ok(tensor.f_reshape([1, values.len() as i64, 1, 1])?.f_to_device(device)?)
        };
        Ok(Self { size, channels: mean.len(), mean: row(mean)?, std: row(std)?, device, channels_last })
    }

    /// A batch \[N,C,H,W\] of bytes \[N,H,W,C\]: x/255, changed, (x - mean)/std in torchvision's order of operations.
    ///
    /// # Errors
    /// When the bytes are too few or too many, or memory is short.
    pub fn batch(&self, bytes: &[u8], changes: Option<&[Change]>) -> Result<Tensor, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let (width, height) = self.size;
        let image = width * height * self.channels;
        if image == 0 || bytes.is_empty() || !bytes.len().is_multiple_of(image) {
            return Err(TrainError::setting(
                "images",
                format!("{} bytes are not images of {width} x {height} x {}", bytes.len(), self.channels),
            ));
        }
        let shape = [(bytes.len() / image) as i64, height as i64, width as i64, self.channels as i64];
        let bytes = Tensor::f_from_data_size(bytes, &shape, Kind::Uint8)?.f_to_device(self.device)?;
        let mut x = bytes.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar_(255.0)?;
        if let Some(changes) = changes {
            x = augment::apply(&x, changes)?;
        }
        let x = x.f_sub_(&self.mean)?.f_div_(&self.std)?;
        if self.channels_last { Ok(torch::to_channels_last(&x)?) } else { Ok(x.f_contiguous()?) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_land_where_they_belong_in_both_formats() {
        // One image of 2 x 1 pixels, 3 channels.
        let bytes = [0_u8, 51, 102, 153, 204, 255];
        for channels_last in [false, true] {
            let pixels = Pixels::new((2, 1), &[0.0, 0.2, 0.0], &[1.0, 1.0, 0.5], Device::Cpu, channels_last).unwrap();
            let x = pixels.batch(&bytes, None).unwrap();
            assert_eq!(x.size(), [1, 3, 1, 2]);
            let values = Vec::<f32>::try_from(x.contiguous().flatten(0, -1)).unwrap();
            let expected = [0.0, 0.6, 0.0, 0.6, 0.8, 2.0];
            assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?}");
        }
    }

    #[test]
    fn a_wrong_number_of_bytes_is_an_error() {
        let pixels = Pixels::new((2, 2), &[0.0], &[1.0], Device::Cpu, true).unwrap();
        assert!(pixels.batch(&[0; 7], None).unwrap_err().to_string().contains("7 bytes"));
    }
}
