//! Which images make up each batch of an epoch.

use super::random::{Random, Stream, derive};

/// Optimizer steps in an epoch of `images` images. A last batch of a single image is left out, because batch
/// normalisation has no variance of one image; the order differs in each epoch, so no image is always the one.
pub fn steps_per_epoch(images: usize, batch_size: usize) -> usize {
    let rest = images % batch_size;
    images / batch_size + usize::from(rest > 1 || (rest == 1 && batch_size == 1))
}

/// The batches of an epoch, as places in the training part.
pub fn batches(images: usize, batch_size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..images).collect();
    Random::new(derive(seed, epoch, 0, Stream::Order)).shuffle(&mut order);
    order.chunks(batch_size).take(steps_per_epoch(images, batch_size)).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_image_comes_at_most_once_and_all_but_one_come(n in 1_usize..200, b in 1_usize..40, epoch in 0_usize..5) {
            let batches = batches(n, b, 3, epoch);
            prop_assert_eq!(batches.len(), steps_per_epoch(n, b));
            let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), batches.iter().map(Vec::len).sum::<usize>());
            let dropped = usize::from(b > 1 && n % b == 1);
            prop_assert_eq!(seen.len(), n - dropped);
        }
    }

    #[test]
    fn epochs_differ() {
        assert_ne!(batches(50, 8, 1, 0), batches(50, 8, 1, 1));
        assert_eq!(batches(50, 8, 1, 1), batches(50, 8, 1, 1));
    }
}
