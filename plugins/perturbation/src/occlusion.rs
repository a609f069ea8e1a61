//! Occlusion: how much the score falls when a window of the image is hidden, as a mean over the windows that hide a pixel.
//!
//! Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2. As Captum: the last window
//! of a row is cut at the border.

use lightbox_plugin::{
    Attribution, AttributionDescriptor, Batch, Error, Host, Layers, Maps, Needs, Output, Parameter, Parameters,
    Request, Resolution,
};

use crate::masked::Masked;

/// Occlusion.
pub struct Occlusion {
    window: usize,
    stride: usize,
    baseline: f32,
}

/// First and last row (or column) of each window along one axis.
fn windows(length: usize, window: usize, stride: usize) -> Vec<(usize, usize)> {
    let window = window.min(length);
    let count = (length - window).div_ceil(stride) + 1;
    (0..count).map(|place| (place * stride, (place * stride + window).min(length))).collect()
}

impl Attribution for Occlusion {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Zeiler and Fergus 2014, doi:10.1007/978-3-319-10590-1_53",
            description: "The fall of the target's logit when a window of the input is set to the baseline, as a mean over the \
                          windows that cover a pixel. Signed: below zero the score rises without the pixel.",
            needs: Needs { input: true, scores: true, forward: true, ..Needs::default() },
            layers: Layers::One,
            batch: Batch::Any,
            output: Output { signed: true, resolution: Resolution::Input },
            parameters: vec![
                Parameter::int("window", 32, 1, 4096, "Side of the window in pixels of the network's input."),
                Parameter::int("stride", 16, 1, 4096, "Pixels from one window to the next; at most the window's side."),
                Parameter::float(
                    "baseline",
                    0.0,
                    -100.0,
                    100.0,
                    "What hidden pixels are set to, in the normalised input's scale: 0 is the mean of the normalisation.",
                ),
            ],
            ..AttributionDescriptor::new("occlusion", "Occlusion")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        let size = |name: &str| -> Result<usize, Error> { Ok(usize::try_from(parameters.int(name)?)?) };
        let (window, stride) = (size("window")?, size("stride")?);
        if stride > window {
            return Err(Error::new(format!(
                "the stride {stride} is larger than the window {window}: pixels between windows would have no value; choose a \
                 stride of at most {window}"
            )));
        }
        Ok(Occlusion { window, stride, baseline: parameters.float("baseline")? as f32 })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let (input, scores) = (request.input()?, request.scores()?);
        let (height, width) = request.input_size();
        let columns = windows(width, self.window, self.stride);
        let places: Vec<_> = windows(height, self.window, self.stride)
            .into_iter()
            .flat_map(|rows| columns.iter().map(move |columns| (rows, *columns)))
            .collect();
        let map = maps.map(0)?;
        for (image, out) in map.chunks_exact_mut((height * width).max(1)).enumerate() {
            let target = request.targets()[image];
            let whole = f64::from(scores.image(image)[target]);
            let masked = Masked {
                host,
                image: input.image(image),
                shape: [request.input_channels(), height, width],
                baseline: self.baseline,
                steps: (image * places.len(), request.images() * places.len()),
            };
            let mut sums = vec![(0.0_f64, 0_u32); out.len()];
            let hide = |first: usize, masks: &mut [f32]| {
                masks.fill(1.0);
                for (mask, (rows, columns)) in masks.chunks_exact_mut(height * width).zip(&places[first..]) {
                    for row in mask.chunks_exact_mut(width).take(rows.1).skip(rows.0) {
                        row[columns.0..columns.1].fill(0.0);
                    }
                }
                Ok(())
            };
            masked.run(places.len(), hide, |mask, logits| {
                let fall = whole - f64::from(logits[target]);
                for (sum, _) in sums.iter_mut().zip(mask).filter(|(_, seen)| **seen == 0.0) {
                    *sum = (sum.0 + fall, sum.1 + 1);
                }
            })?;
            for (out, (sum, count)) in out.iter_mut().zip(sums) {
                *out = (sum / f64::from(count.max(1))) as f32;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, TensorView, Value};

    use super::*;
    use crate::masked::tests::Linear;

    #[test]
    fn windows_cover_all_and_are_cut_at_the_border() {
        assert_eq!(windows(7, 3, 2), [(0, 3), (2, 5), (4, 7)]);
        assert_eq!(windows(8, 3, 2), [(0, 3), (2, 5), (4, 7), (6, 8)]);
        assert_eq!(windows(2, 5, 5), [(0, 2)]);
    }

    #[test]
    fn a_pixel_has_the_mean_fall_of_its_windows() {
        // Weights 1, 2, 4 over pixels of 1: windows of 2 hide 3 and 6 (and the last, cut one, 4).
        let network = Linear(vec![1.0, 2.0, 4.0]);
        let (pixels, scores) = ([1.0; 3], [0.0, 7.0]);
        let parameters = Parameters::defaults(&Occlusion::descriptor().parameters)
            .with("window", Value::Int(2))
            .with("stride", Value::Int(1));
        let layer = Layer::new("layer", (1, 1), None, None);
        let request = Request::new(&[1], 2, [1, 1, 3], vec![layer])
            .with_input(TensorView::new(&pixels, &[1, 1, 1, 3]).unwrap())
            .with_scores(TensorView::new(&scores, &[1, 2]).unwrap());
        let mut maps = Maps::own(1, &[(1, 3)]);
        let host = Host::new(&network, 2);
        Occlusion::create(&parameters).unwrap().attribute(&request, &host, &mut maps).unwrap();
        assert_eq!(maps.map(0).unwrap(), [3.0, 4.5, 6.0]);
    }

    #[test]
    fn gaps_between_windows_are_refused() {
        let parameters = Parameters::defaults(&Occlusion::descriptor().parameters).with("stride", Value::Int(33));
        let error = Occlusion::create(&parameters).err().unwrap();
        assert!(error.message().contains("at most 32"), "{}", error.message());
    }
}
