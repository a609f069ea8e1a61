//! The SDK for attribution plugins, without torch.
