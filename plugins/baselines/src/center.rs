//! A Gaussian in the middle of the image: exp(-(dx^2 + dy^2) / (2 sigma^2)), distances as shares of width and height.
//!
//! Photographers put things in the middle: a map that says "the centre" scores well on many data sets, whatever the network.

use lightbox_plugin::{
    Attribution, AttributionDescriptor, Error, Host, Maps, Output, Parameter, Parameters, Request, Resolution,
};

/// The centred Gaussian.
pub struct Center {
    sigma: f64,
}

/// The Gaussian of one axis at the pixels' centres.
fn profile(length: usize, sigma: f64) -> Vec<f64> {
    let at = |place: usize| (place as f64 + 0.5) / length as f64 - 0.5;
    (0..length).map(|place| (-at(place).powi(2) / (2.0 * sigma * sigma)).exp()).collect()
}

impl Attribution for Center {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            description: "A centred Gaussian, whatever the image and the network.",
            output: Output { resolution: Resolution::Input, ..Output::default() },
            parameters: vec![Parameter::float(
                "sigma",
                0.25,
                0.001,
                10.0,
                "Standard deviation of the Gaussian as a share of the image's width and height.",
            )],
            ..AttributionDescriptor::new("center", "Centre")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Center { sigma: parameters.float("sigma")? })
    }

    fn attribute(&mut self, request: &Request<'_>, _host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let (height, width) = request.input_size();
        let (rows, columns) = (profile(height, self.sigma), profile(width, self.sigma));
        for index in 0..maps.count() {
            let map = maps.map(index)?;
            for image in map.chunks_exact_mut((height * width).max(1)) {
                for (out, row) in image.chunks_exact_mut(width).zip(&rows) {
                    out.iter_mut().zip(&columns).for_each(|(out, column)| *out = (row * column) as f32);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_highest_and_sides_are_equal() {
        let middle = profile(5, 0.25);
        assert_eq!(middle[2], 1.0);
        assert!((middle[0] - (-0.16_f64 / 0.125).exp()).abs() < 1e-12);
        assert_eq!(middle[0], middle[4]);
        let even = profile(4, 0.25);
        assert_eq!((even[1], even[0]), (even[2], even[3]));
    }
}
