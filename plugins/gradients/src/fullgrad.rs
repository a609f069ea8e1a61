//! FullGrad: |input x its gradient| and, for every bias in the network, |bias x the gradient where it is added|.
//!
//! Srinivas and Fleuret, Full-Gradient Representation for Neural Network Visualization, NeurIPS 2019, equation 4. As grad-cam:
//! each channel's map is scaled by itself and enlarged, and all are summed.

use lightbox_plugin::{
    At, Attribution, AttributionDescriptor, Batch, Error, Host, Layers, Maps, Needs, Output, Parameters, Request,
    Resize, Resolution,
};

/// Maps that are enlarged at once, in elements of the result: 16 MiB of f32.
const CHUNK_ELEMENTS: usize = 4 << 20;

/// FullGrad.
pub struct FullGrad;

/// Adds maps \[C,h,w\], each scaled by itself and enlarged, to `sums` \[H,W\].
fn add_scaled(
    host: &Host<'_>,
    maps: &[f32],
    (height, width): (usize, usize),
    size: (usize, usize),
    sums: &mut [f64],
) -> Result<(), Error> {
    let per_call = (CHUNK_ELEMENTS / sums.len().max(1)).max(1);
    for part in maps.chunks(per_call * (height * width).max(1)) {
        let from = [part.len() / (height * width).max(1), height, width];
        let how = Resize { scale: true, align_corners: false };
        for enlarged in host.scale_and_resize(part, from, size, how)?.chunks_exact(sums.len()) {
            sums.iter_mut().zip(enlarged).for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }
    Ok(())
}

/// |scale x gradient| of every channel; `scale` has one value for each channel or for each element.
fn magnitudes(gradients: &[f32], scale: &[f32]) -> Vec<f32> {
    let run = gradients.len() / scale.len().max(1);
    gradients.iter().enumerate().map(|(place, g)| (scale[place / run.max(1)] * g).abs()).collect()
}

impl Attribution for FullGrad {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Srinivas and Fleuret 2019, arXiv:1905.00780",
            description: "The sum of |x dx| and of |b db| for every bias b of the network (of a batch normalisation, its effective \
                          one), each channel scaled by itself and enlarged to the input. It has no layer.",
            needs: Needs { input: true, vjp: true, ..Needs::default() },
            layers: Layers::One,
            batch: Batch::Single,
            output: Output { signed: false, resolution: Resolution::Input },
            ..AttributionDescriptor::new("fullgrad", "FullGrad")
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(FullGrad)
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let input = request.input()?;
        let size = request.input_size();
        let map = maps.map(0)?;
        for (image, out) in map.chunks_exact_mut((size.0 * size.1).max(1)).enumerate() {
            let own = input.image(image);
            let shape = [1, request.input_channels(), size.0, size.1];
            let mut one_hot = vec![0.0; request.classes()];
            one_hot[request.targets()[image]] = 1.0;
            let mut sums = vec![0.0_f64; out.len()];
            let gradient = host.vjp(At::Input, own, &shape, &one_hot)?;
            add_scaled(host, &magnitudes(&gradient, own), size, size, &mut sums)?;
            let taps = host.taps(own, &shape, &one_hot)?;
            let count = taps.infos().len();
            for (index, info) in taps.infos().iter().enumerate() {
                host.check_cancelled()?;
                let [_, height, width] = info.shape;
                let terms = magnitudes(&taps.gradient(index)?, &taps.bias(index)?);
                add_scaled(host, &terms, (height, width), size, &mut sums)?;
                host.progress((image * count + index + 1) as u64, (request.images() * count) as u64);
            }
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, Result, Services, TapInfo, TapValue, TensorView};

    use super::*;

    /// One tap of two channels of the input's size; resizing leaves maps as they are.
    struct OneTap;

    impl Services for OneTap {
        fn vjp(&self, _: At, _: &[f32], _: &[usize], _: &[f32], gradient: &mut [f32]) -> Result<()> {
            gradient.copy_from_slice(&[1.0, -2.0]);
            Ok(())
        }
        fn taps(&self, _: &[f32], _: &[usize], _: &[f32]) -> Result<Vec<TapInfo>> {
            Ok(vec![TapInfo { name: "norm".to_owned(), shape: [2, 1, 2] }])
        }
        fn tap_values(&self, _: usize, what: TapValue, _: usize, _: [usize; 3], out: &mut [f32]) -> Result<()> {
            match what {
                TapValue::Bias => out.copy_from_slice(&[2.0, -1.0]),
                _ => out.copy_from_slice(&[1.0, -3.0, 0.0, 4.0]),
            }
            Ok(())
        }
        fn scale_and_resize(
            &self,
            maps: &[f32],
            _: [usize; 3],
            _: (usize, usize),
            how: Resize,
            out: &mut [f32],
        ) -> Result<()> {
            assert!(how.scale);
            out.copy_from_slice(maps);
            Ok(())
        }
    }

    #[test]
    fn magnitudes_of_input_and_biases_are_summed() {
        let input = [3.0, 1.0];
        let request = Request::new(&[0], 1, [1, 1, 2], vec![Layer::new("layer", (1, 1), None, None)])
            .with_input(TensorView::new(&input, &[1, 1, 1, 2]).unwrap());
        let mut maps = Maps::own(1, &[(1, 2)]);
        FullGrad.attribute(&request, &Host::new(&OneTap, 1), &mut maps).unwrap();
        // |3 1| + |2 1| + |-1 0|, and |1 -2| + |2 -3| + |-1 4|.
        assert_eq!(maps.map(0).unwrap(), [5.0, 12.0]);
    }
}
