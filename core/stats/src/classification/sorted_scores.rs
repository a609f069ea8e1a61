//! Scores sorted once, so that AUROC and average precision of any reweighting take one pass.

/// Marks the last row of a run of equal scores.
const LAST_OF_TIES: u32 = 1 << 31;
/// Marks a row of the positive class.
const POSITIVE: u32 = 1 << 30;
const ROW: u32 = POSITIVE - 1;

/// Rows in rising order of the score of one class, each with its marks: one pass reads nothing but these and weights.
#[derive(Debug, Clone)]
pub(crate) struct SortedScores {
    rows: Vec<u32>,
}

impl SortedScores {
    /// Sorts the scores of at most 2^30 rows.
    pub fn new(scores: &[f64], positive: &[bool]) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|&a, &b| scores[a as usize].total_cmp(&scores[b as usize]));
        let mark = |at: usize| {
            let row = order[at];
            let tied = order.get(at + 1).is_some_and(|&next| scores[next as usize] == scores[row as usize]);
            let last = if tied { 0 } else { LAST_OF_TIES };
            row | last | if positive[row as usize] { POSITIVE } else { 0 }
        };
        SortedScores { rows: (0..order.len()).map(mark).collect() }
    }

    /// Weighted `P(positive > negative) + P(equal) / 2`; none without weight on both sides.
    pub fn auroc(&self, weights: &[u32]) -> Option<f64> {
        let (mut below, mut twice, mut all) = (0_u64, 0_u64, 0_u64);
        // Weights of the current run of equal scores: negatives, positives.
        let mut tied = [0_u64; 2];
        for &entry in &self.rows {
            let weight = weights[(entry & ROW) as usize];
            tied[usize::from(entry & POSITIVE != 0)] += u64::from(weight);
            if entry & LAST_OF_TIES != 0 {
                twice += tied[1] * (2 * below + tied[0]);
                below += tied[0];
                all += tied[1];
                tied = [0, 0];
            }
        }
        (all > 0 && below > 0).then(|| twice as f64 / 2.0 / (all as f64 * below as f64))
    }

    /// Weighted sum over falling thresholds of precision times the step in recall; none without a positive.
    pub fn average_precision(&self, weights: &[u32]) -> Option<f64> {
        let (mut hits, mut taken, mut sum) = (0_u64, 0_u64, 0.0);
        let mut step = 0_u64;
        for (at, &entry) in self.rows.iter().enumerate().rev() {
            let weight = u64::from(weights[(entry & ROW) as usize]);
            taken += weight;
            step += weight * u64::from(entry & POSITIVE != 0);
            let ends = at == 0 || self.rows[at - 1] & LAST_OF_TIES != 0;
            if ends && step > 0 {
                hits += step;
                sum += step as f64 * hits as f64 / taken as f64;
                step = 0;
            }
        }
        (hits > 0).then(|| sum / hits as f64)
    }
}
