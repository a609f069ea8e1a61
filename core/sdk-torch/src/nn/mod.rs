//! Building blocks that compute, name and initialise as torchvision does.
