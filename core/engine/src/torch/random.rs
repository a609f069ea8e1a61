//! libtorch's default generators.

/// Seeds the default generators of the CPU and of every CUDA device.
pub fn seed_default_generators(seed: u64) {
    // libtorch reads the signed number's bits as an unsigned one.
    tch::manual_seed(seed.cast_signed());
}
