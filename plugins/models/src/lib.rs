//! ResNet50, DenseNet121, VGG16, EfficientNet-B0 and a small network, as plugins.
