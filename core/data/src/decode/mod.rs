//! Reading image files: formats, limits, orientation and the intensity rule.
