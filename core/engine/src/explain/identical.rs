//! Methods whose maps are equal up to rounding: identical by construction, for this network and layer.
//!
//! With global pooling and a linear head, Grad-CAM, XGrad-CAM and HiResCAM at the last layer are the same map. A test of one
//! against the other would test rounding: it is said instead, and no p-value is printed.

use serde::{Deserialize, Serialize};

use super::{Explanations, Outcome};

/// The largest difference between heatmaps in \[0,1\] that rounding explains. Single precision leaves some 1e-5 after channels
/// of both signs have cancelled; maps that differ by design do so by 1e-2 and more somewhere.
pub const IDENTICAL_WITHIN: f32 = 2e-4;

/// More than any two heatmaps differ; unlike an infinity it can be written as JSON.
const APART: f32 = 2.0;

/// Watches the maps of a run and tells which methods always gave the same ones. What it saw can be written down, so that a job
/// that goes on later still knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IdenticalMaps {
    methods: Vec<String>,
    /// For each pair (i < j): the largest difference so far.
    differences: Vec<Vec<f32>>,
    /// For each pair: whether any image told.
    compared: Vec<Vec<bool>>,
}

impl IdenticalMaps {
    /// Nothing seen yet.
    pub fn new() -> Self {
        IdenticalMaps::default()
    }

    /// Looks at the maps of a batch. All batches come from the same methods. A constant map, and one that is not finite, says
    /// nothing; unless only one of the two is so, which makes the methods differ.
    pub fn observe(&mut self, explanations: &Explanations) {
        let methods = &explanations.methods;
        if self.methods.is_empty() {
            self.methods = methods.iter().map(|method| method.method.clone()).collect();
            self.differences = vec![vec![0.0; methods.len()]; methods.len()];
            self.compared = vec![vec![false; methods.len()]; methods.len()];
        }
        for image in 0..explanations.images() {
            let ok = |index: usize| methods[index].outcomes[image] == Outcome::Ok;
            for first in 0..methods.len() {
                for second in first + 1..methods.len() {
                    let known = &mut self.differences[first][second];
                    if *known > IDENTICAL_WITHIN || !ok(first) && !ok(second) {
                        continue;
                    }
                    self.compared[first][second] = true;
                    *known = if ok(first) && ok(second) {
                        let maps = methods[first].heatmap(image).zip(methods[second].heatmap(image));
                        maps.map_or(APART, |(a, b)| known.max(largest_difference(a, b)))
                    } else {
                        APART
                    };
                }
            }
        }
    }

    /// The pairs of methods whose maps were equal up to rounding in every image; none before any map was seen.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = Vec::new();
        for first in 0..self.methods.len() {
            for second in first + 1..self.methods.len() {
                if self.compared[first][second] && self.differences[first][second] <= IDENTICAL_WITHIN {
                    pairs.push((self.methods[first].as_str(), self.methods[second].as_str()));
                }
            }
        }
        pairs
    }

    /// Whether these two methods always gave the same map.
    pub fn are_identical(&self, first: &str, second: &str) -> bool {
        self.pairs().iter().any(|pair| *pair == (first, second) || *pair == (second, first))
    }
}

/// The largest difference of two maps, leaving off early once it is beyond rounding.
fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    let mut largest = 0.0_f32;
    for (a, b) in a.iter().zip(b) {
        largest = largest.max((a - b).abs());
        if largest > IDENTICAL_WITHIN {
            break;
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::MethodMaps;

    fn batch(maps: &[(&str, [f32; 2], Outcome)]) -> Explanations {
        let methods = maps.iter().map(|(method, map, outcome)| MethodMaps {
            method: (*method).to_owned(),
            heatmaps: map.to_vec(),
            peaks: vec![1.0],
            outcomes: vec![*outcome],
            seconds: 0.0,
        });
        Explanations {
            size: (1, 2),
            classes: 2,
            targets: vec![0],
            predicted: vec![0],
            scores: vec![0.0, 0.0],
            methods: methods.collect(),
        }
    }

    #[test]
    fn equal_up_to_rounding_in_every_image() {
        let mut seen = IdenticalMaps::new();
        assert!(seen.pairs().is_empty());
        let ok = Outcome::Ok;
        seen.observe(&batch(&[("a", [0.0, 1.0], ok), ("b", [1e-5, 1.0], ok), ("c", [0.0, 1.0], ok)]));
        assert_eq!(seen.pairs(), [("a", "b"), ("a", "c"), ("b", "c")]);
        seen.observe(&batch(&[("a", [0.0, 1.0], ok), ("b", [0.0, 1.0], ok), ("c", [1.0, 0.0], ok)]));
        assert_eq!(seen.pairs(), [("a", "b")]);
        assert!(seen.are_identical("b", "a") && !seen.are_identical("a", "c"));
        let written = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<IdenticalMaps>(&written).unwrap(), seen);
    }

    #[test]
    fn maps_without_evidence_say_nothing_unless_only_one_is_so() {
        let (ok, constant) = (Outcome::Ok, Outcome::ConstantMap);
        let mut seen = IdenticalMaps::new();
        seen.observe(&batch(&[("a", [0.0, 0.0], constant), ("b", [0.0, 0.0], constant)]));
        assert!(seen.pairs().is_empty());
        seen.observe(&batch(&[("a", [0.0, 1.0], ok), ("b", [0.0, 1.0], ok)]));
        assert_eq!(seen.pairs(), [("a", "b")]);
        seen.observe(&batch(&[("a", [0.0, 1.0], ok), ("b", [0.0, 0.0], constant)]));
        assert!(seen.pairs().is_empty());
    }
}
