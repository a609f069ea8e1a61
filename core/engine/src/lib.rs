//! Training, evaluation and explanation on libtorch, with plugins.
