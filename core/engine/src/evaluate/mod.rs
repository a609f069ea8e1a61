//! A trained network over images: predictions and metrics.
