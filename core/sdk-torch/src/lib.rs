//! The SDK for model plugins: tch tensors and torchvision-compatible layers.
