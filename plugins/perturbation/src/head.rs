//! Scores of the rest of the network with some channels of a layer set to zero.

use lightbox_plugin::{Error, Host, TensorView};

/// What fits into one call of the host, in elements: 64 MiB of f32. The host may run it in smaller parts.
const CHUNK_ELEMENTS: usize = 16 << 20;

/// The channels of one image, and how to ask for scores without some of them.
pub(crate) struct Head<'a> {
    host: &'a Host<'a>,
    layer: usize,
    activations: &'a [f32],
    shape: [usize; 3],
    target: usize,
}

impl<'a> Head<'a> {
    /// The head above `layer`, for one image of its activations \[N,C,h,w\] and one target class.
    pub fn new(
        host: &'a Host<'a>,
        layer: usize,
        activations: TensorView<'a>,
        image: usize,
        target: usize,
    ) -> Result<Self, Error> {
        let &[_, channels, height, width] = activations.shape() else {
            return Err(Error::unsupported(format!("activations of shape {:?} are not images", activations.shape())));
        };
        Ok(Head { host, layer, activations: activations.image(image), shape: [channels, height, width], target })
    }

    pub fn pixels(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    pub fn channels(&self) -> usize {
        self.shape[0]
    }

    /// Activations of channel k.
    pub fn channel(&self, channel: usize) -> &'a [f32] {
        &self.activations[channel * self.pixels()..][..self.pixels()]
    }

    /// For each set of channels: the score of the whole less the score with that set at zero.
    ///
    /// Both come from the same call, so that what its rounding has in common cancels. Returns the score of the whole too.
    pub fn drops(&self, sets: &[&[usize]]) -> Result<(f32, Vec<f64>), Error> {
        let image = self.activations.len();
        let per_call = (CHUNK_ELEMENTS / image.max(1)).saturating_sub(1).max(1);
        let mut whole = f32::NAN;
        let mut drops = Vec::with_capacity(sets.len());
        for (call, sets) in sets.chunks(per_call).enumerate() {
            self.host.check_cancelled()?;
            let rows = sets.len() + 1;
            let mut batch = Vec::with_capacity(rows * image);
            batch.extend_from_slice(self.activations);
            for set in sets {
                let start = batch.len();
                batch.extend_from_slice(self.activations);
                for &channel in *set {
                    batch[start + channel * self.pixels()..][..self.pixels()].fill(0.0);
                }
            }
            let [channels, height, width] = self.shape;
            let scores = self.host.forward_from(self.layer, &batch, &[rows, channels, height, width])?;
            let base = scores.get(0, self.target);
            if call == 0 {
                whole = base;
            }
            drops.extend((1..rows).map(|row| f64::from(base) - f64::from(scores.get(row, self.target))));
        }
        Ok((whole, drops))
    }
}
