//! Scores sorted once, so that AUROC and average precision of any reweighting take one pass.

/// Marks the last row of a run of equal scores.
const LAST_OF_TIES: u32 = 1 << 31;

/// Rows in rising order of the score of one class, with the true class of each known to the caller.
#[derive(Debug, Clone)]
pub(crate) struct SortedScores {
    rows: Vec<u32>,
}

impl SortedScores {
    pub fn new(scores: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|&a, &b| scores[a as usize].total_cmp(&scores[b as usize]));
        let rows = (0..order.len())
            .map(|at| match order.get(at + 1) {
                Some(&next) if scores[next as usize] == scores[order[at] as usize] => order[at],
                _ => order[at] | LAST_OF_TIES,
            })
            .collect();
        SortedScores { rows }
    }

    /// Weighted `P(positive > negative) + P(equal) / 2`; none without weight on both sides.
    pub fn auroc(&self, positive: &[bool], weights: &[u32]) -> Option<f64> {
        let (mut below, mut twice, mut all) = (0_u64, 0_u64, 0_u64);
        let (mut tied_positive, mut tied_negative) = (0_u64, 0_u64);
        for &entry in &self.rows {
            let row = (entry & !LAST_OF_TIES) as usize;
            let weight = u64::from(weights[row]);
            if positive[row] {
                tied_positive += weight;
            } else {
                tied_negative += weight;
            }
            if entry & LAST_OF_TIES != 0 {
                twice += tied_positive * (2 * below + tied_negative);
                below += tied_negative;
                all += tied_positive;
                (tied_positive, tied_negative) = (0, 0);
            }
        }
        (all > 0 && below > 0).then(|| twice as f64 / 2.0 / (all as f64 * below as f64))
    }

    /// Weighted sum over falling thresholds of precision times the step in recall; none without a positive.
    pub fn average_precision(&self, positive: &[bool], weights: &[u32]) -> Option<f64> {
        let (mut hits, mut taken, mut sum) = (0_u64, 0_u64, 0.0);
        let mut step = 0_u64;
        for (at, &entry) in self.rows.iter().enumerate().rev() {
            let row = (entry & !LAST_OF_TIES) as usize;
            let weight = u64::from(weights[row]);
            taken += weight;
            if positive[row] {
                step += weight;
            }
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
