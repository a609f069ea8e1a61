//! Explanations: host services, the shared pass, the heatmap pipeline.
