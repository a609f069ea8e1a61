//! Adjustment of p-values for a family of comparisons whose size is fixed beforehand.

use crate::distribution::clamp_p;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the p-values of a family are adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// Holm 1979, step down; controls the family-wise error rate under any dependence.
    #[default]
    Holm,
    /// Bonferroni: m times p.
    Bonferroni,
    /// Benjamini and Hochberg 1995, step up; controls the false discovery rate, a weaker promise.
    BenjaminiHochberg,
    /// As they are.
    None,
}

impl Correction {
    /// Its name for a table's caption.
    pub fn name(self) -> &'static str {
        match self {
            Correction::Holm => "Holm",
            Correction::Bonferroni => "Bonferroni",
            Correction::BenjaminiHochberg => "Benjamini–Hochberg (false discovery rate)",
            Correction::None => "unadjusted",
        }
    }
}

impl fmt::Display for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Adjusts the p-values of a family; the answer has the order of the input.
///
/// A member without a p (identical, not testable) keeps its place in the count: the family was fixed before anyone
/// knew that it could not be tested. Holm: `p'_(i) = max_{j<=i} min(1, (m - j + 1) p_(j))`.
pub fn adjust(correction: Correction, p: &[Option<f64>]) -> Vec<Option<f64>> {
    let m = p.len() as f64;
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| p[i].is_some()).collect();
    let value = |i: usize| p[i].map_or(1.0, clamp_p);
    order.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
    let mut adjusted = vec![None; p.len()];
    match correction {
        Correction::None => order.iter().for_each(|&i| adjusted[i] = Some(value(i))),
        Correction::Bonferroni => order.iter().for_each(|&i| adjusted[i] = Some(clamp_p(m * value(i)))),
        Correction::Holm => {
            let mut largest = 0.0_f64;
            for (rank, &i) in order.iter().enumerate() {
                largest = largest.max(clamp_p((m - rank as f64) * value(i)));
                adjusted[i] = Some(largest);
            }
        }
        Correction::BenjaminiHochberg => {
            let mut smallest = 1.0_f64;
            for (rank, &i) in order.iter().enumerate().rev() {
                smallest = smallest.min(clamp_p(m / (rank as f64 + 1.0) * value(i)));
                adjusted[i] = Some(smallest);
            }
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_by_hand() {
        let adjusted = adjust(Correction::Holm, &[Some(0.03), Some(0.01), Some(0.04)]);
        assert_eq!(adjusted, [Some(0.06), Some(0.03), Some(0.06)]);
    }

    #[test]
    fn an_untestable_member_keeps_its_place() {
        assert_eq!(adjust(Correction::Holm, &[None, Some(0.01), None]), [None, Some(0.03), None]);
    }
}
