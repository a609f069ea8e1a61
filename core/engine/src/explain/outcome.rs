//! What became of a map: not every map is a heatmap.

use serde::{Deserialize, Serialize};

/// What became of the map of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A heatmap.
    Ok,
    /// The same value everywhere: no pixel is above another, for example because all evidence is negative.
    ConstantMap,
    /// NaN or infinity somewhere.
    NanMap,
}

impl Outcome {
    /// The word for it in files: `ok`, `constant-map` or `nan-map`.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::ConstantMap => "constant-map",
            Outcome::NanMap => "nan-map",
        }
    }

    /// The outcome of a finished map.
    pub(super) fn of(map: &[f32]) -> Self {
        if map.iter().any(|value| !value.is_finite()) {
            Outcome::NanMap
        } else if map.iter().all(|value| Some(value) == map.first()) {
            Outcome::ConstantMap
        } else {
            Outcome::Ok
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes() {
        assert_eq!(Outcome::of(&[0.0, 1.0]), Outcome::Ok);
        assert_eq!(Outcome::of(&[0.5, 0.5]), Outcome::ConstantMap);
        assert_eq!(Outcome::of(&[0.5, f32::NAN]), Outcome::NanMap);
        assert_eq!(Outcome::of(&[0.5, f32::INFINITY]), Outcome::NanMap);
    }
}
