//! Heatmaps as pictures and arrays.
