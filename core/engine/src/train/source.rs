//! Where images come from, and the thread that gathers the next batch while the present one is computed.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Decoded images of one size, by index: bytes \[H,W,C\]. The decode cache is one.
pub trait ImageSource: Sync {
    /// Number of images.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes of image `index`, row by row, channels innermost; as many as width x height x channels.
    fn image(&self, index: usize) -> &[u8];
    /// Width and height.
    fn size(&self) -> (usize, usize);
    /// Channels, 1 or 3.
    fn channels(&self) -> usize;
}

/// Batches gathered and not yet taken: one being taken, one ready.
const AHEAD: usize = 2;

/// Bytes of consecutive batches, gathered by a thread that ends with the receiver or after the last batch.
#[derive(Debug)]
pub struct Prefetch {
    receiver: Receiver<Vec<u8>>,
}

impl Prefetch {
    /// Gathers `batches`, each a list of image indices, in order.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        source: &'env dyn ImageSource,
        batches: Vec<Vec<usize>>,
    ) -> Self {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for batch in batches {
                if sender.send(gather(source, &batch)).is_err() {
                    return;
                }
            }
        });
        Self { receiver }
    }

    /// The next batch's bytes; none after the last.
    pub fn next(&self) -> Option<Vec<u8>> {
        self.receiver.recv().ok()
    }
}

/// The bytes of some images, one after the other.
pub fn gather(source: &dyn ImageSource, indices: &[usize]) -> Vec<u8> {
    let (width, height) = source.size();
    let mut bytes = Vec::with_capacity(indices.len() * width * height * source.channels());
    for index in indices {
        bytes.extend_from_slice(source.image(*index));
    }
    bytes
}
