//! Uniform random numbers, one for each place of the layer: as coarse and as smooth as a CAM of that layer, and nothing else.

use lightbox_plugin::{Attribution, AttributionDescriptor, Error, Host, Maps, Parameters, Request};

/// Random numbers, drawn from each image's own seed.
pub struct Random;

/// Seeds of different layers differ, so that their mean is not one of them.
const LAYER_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Attribution for Random {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            description: "Uniform random numbers at the layer's size, drawn from each image's seed.",
            seeded: true,
            ..AttributionDescriptor::new("random", "Random")
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(Random)
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        for (index, layer) in request.layers().iter().enumerate() {
            let map = maps.map(index)?;
            for (image, out) in map.chunks_exact_mut((layer.height() * layer.width()).max(1)).enumerate() {
                let seed = request.image_seed(image) ^ (index as u64).wrapping_mul(LAYER_STEP);
                host.random_uniform(seed, out)?;
            }
        }
        Ok(())
    }
}
