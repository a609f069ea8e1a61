//! Tables with significance markers, from run directories.
