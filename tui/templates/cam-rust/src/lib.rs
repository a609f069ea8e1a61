//! My Cam: Grad-CAM over the strongest channels.
//!
//! For each image, with A_k and G_k the activation and the gradient of channel k at a layer, [h,w]:
//!
//! ```text
//! weight_k = mean of G_k,    map = sum of weight_k A_k over the channels that are kept
//! ```
//!
//! Kept are the channels with the greatest |weight_k|, the share `keep` of all. With `keep` 1, the
//! default, it is Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391).

use lightbox_plugin::{
    Attribution, AttributionDescriptor, Error, Host, Maps, Needs, Parameter, Parameters, Request,
    export_plugin,
};

/// An instance of the method, made for one set of parameters.
struct Cam {
    /// Share of the channels that are kept, above 0 and at most 1.
    keep: f64,
}

impl Attribution for Cam {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Selvaraju et al. 2017, arXiv:1610.02391",
            description: "Grad-CAM over the channels with the greatest weights, by their size.",
            needs: Needs {
                activations: true,
                gradients: true,
                ..Needs::default()
            },
            parameters: vec![Parameter::float(
                "keep",
                1.0,
                0.01,
                1.0,
                "share of the channels, the strongest first, that make up the map",
            )],
            ..AttributionDescriptor::new("my-cam", "My Cam")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Cam {
            keep: parameters.float("keep")?,
        })
    }

    fn attribute(
        &mut self,
        request: &Request<'_>,
        host: &Host<'_>,
        maps: &mut Maps<'_>,
    ) -> Result<(), Error> {
        for (index, layer) in request.layers().iter().enumerate() {
            let (activations, gradients) = (layer.activations()?, layer.gradients()?);
            let pixels = layer.height() * layer.width();
            let map = maps.map(index)?;
            for image in 0..request.images() {
                host.check_cancelled()?;
                let out = &mut map[image * pixels..][..pixels];
                self.add_channels(activations.image(image), gradients.image(image), out);
            }
        }
        Ok(())
    }
}

impl Cam {
    /// Adds the kept channels of one image, [C,h,w], to its map, [h,w].
    fn add_channels(&self, activations: &[f32], gradients: &[f32], map: &mut [f32]) {
        let pixels = map.len();
        let mut weights: Vec<(usize, f32)> = gradients
            .chunks_exact(pixels)
            .map(mean)
            .enumerate()
            .collect();
        weights.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let kept = (self.keep * weights.len() as f64).ceil() as usize;
        for &(channel, weight) in weights.iter().take(kept) {
            let activation = &activations[channel * pixels..][..pixels];
            for (out, activation) in map.iter_mut().zip(activation) {
                *out += weight * activation;
            }
        }
    }
}

/// The mean, summed in f64: a layer may have many pixels.
fn mean(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
    (sum / values.len() as f64) as f32
}

export_plugin! {
    id: "org.example.my-cam",
    version: env!("CARGO_PKG_VERSION"),
    attributions: [Cam],
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, Services, TensorView, Value};

    use super::*;

    /// A host without services, since the method calls none.
    struct NoServices;

    impl Services for NoServices {}

    /// The map of one image of two channels with 1 x 2 pixels, whose weights are 1 and -0.25.
    fn map(keep: f64) -> Vec<f32> {
        let (activations, gradients) = ([1.0, 2.0, 10.0, 20.0], [0.5, 1.5, -0.25, -0.25]);
        let layer = Layer::new(
            "layer",
            (1, 2),
            TensorView::new(&activations, &[1, 2, 1, 2]),
            TensorView::new(&gradients, &[1, 2, 1, 2]),
        );
        let request = Request::new(&[0], 2, [3, 8, 16], vec![layer]);
        let parameters =
            Parameters::defaults(&Cam::descriptor().parameters).with("keep", Value::Float(keep));
        let mut maps = Maps::own(1, &[(1, 2)]);
        let mut cam = Cam::create(&parameters).unwrap();
        cam.attribute(&request, &Host::new(&NoServices, 2), &mut maps)
            .unwrap();
        maps.map(0).unwrap().to_vec()
    }

    #[test]
    fn all_channels_make_grad_cam() {
        assert_eq!(map(1.0), [1.0 - 0.25 * 10.0, 2.0 - 0.25 * 20.0]);
    }

    #[test]
    fn half_of_two_channels_is_the_stronger_one() {
        assert_eq!(map(0.5), [1.0, 2.0]);
    }
}
