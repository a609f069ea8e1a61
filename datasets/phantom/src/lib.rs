//! Seeded synthetic medical images with exact lesion masks.
