//! Signed ranks with zeros kept (Pratt) and the exact distribution of their sum given the ranks seen.

use crate::distribution::{clamp_p, normal_two_sided};

/// Magnitudes that differ by less than this share are tied: 0.3 - 0.2 and 0.2 - 0.1 are one value, rounded twice.
const TIE: f64 = 1e-12;

/// Ranks of `|d|`, zeros ranked first and then dropped (Pratt 1959), ties sharing their mean rank.
#[derive(Debug, Clone)]
pub(crate) struct SignedRanks {
    /// All pairs, zeros included.
    pub n: usize,
    /// Pairs without a difference.
    pub zeros: usize,
    /// Sum of the ranks of positive differences.
    pub positive: f64,
    /// Sum of the ranks of negative differences.
    pub negative: f64,
    /// Twice the rank of each difference that is not zero; whole numbers even with ties.
    doubled: Vec<usize>,
    /// Sum of `t^3 - t` over tied differences that are not zero.
    ties: f64,
}

impl SignedRanks {
    pub fn new(differences: &[f64]) -> Self {
        let n = differences.len();
        let mut order: Vec<f64> = differences.to_vec();
        order.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let zeros = order.iter().filter(|d| **d == 0.0).count();
        let (mut positive, mut negative, mut ties) = (0.0, 0.0, 0.0);
        let mut doubled = Vec::with_capacity(n - zeros);
        let mut start = zeros;
        while start < n {
            let limit = order[start].abs() * (1.0 + TIE);
            let same = order[start..].iter().take_while(|d| d.abs() <= limit).count();
            // Ranks start + 1 ..= start + same; twice their mean is the sum of both ends.
            let twice = 2 * start + 1 + same;
            for d in &order[start..start + same] {
                doubled.push(twice);
                *(if *d > 0.0 { &mut positive } else { &mut negative }) += twice as f64 / 2.0;
            }
            let same_f = same as f64;
            ties += same_f * (same_f * same_f - 1.0);
            start += same;
        }
        SignedRanks { n, zeros, positive, negative, doubled, ties }
    }

    /// Pairs that differ.
    pub fn nonzero(&self) -> usize {
        self.n - self.zeros
    }

    /// Two-sided p over all sign assignments to the ranks seen; exact with ties and zeros too.
    pub fn exact_p(&self) -> f64 {
        let chance = chances_of_sums(&self.doubled);
        let seen = (2.0 * self.positive.min(self.negative)).round() as usize;
        clamp_p(2.0 * chance[..chance.len().min(seen + 1)].iter().sum::<f64>())
    }

    /// Mean and standard deviation of the positive sum, with zeros (Cureton 1967) and ties taken out.
    pub fn moments(&self) -> (f64, f64) {
        let (n, zeros) = (self.n as f64, self.zeros as f64);
        let mean = (n * (n + 1.0) - zeros * (zeros + 1.0)) / 4.0;
        let cubes = n * (n + 1.0) * (2.0 * n + 1.0) - zeros * (zeros + 1.0) * (2.0 * zeros + 1.0) - self.ties / 2.0;
        (mean, (cubes / 24.0).sqrt())
    }

    /// z of the normal approximation, without continuity correction.
    pub fn z(&self) -> f64 {
        let (mean, deviation) = self.moments();
        (self.positive - mean) / deviation
    }

    /// Two-sided p of the normal approximation.
    pub fn normal_p(&self) -> f64 {
        normal_two_sided(self.z())
    }

    /// Matched-pairs rank-biserial correlation: positive minus negative share of all ranks, `(W+ - W-) / (n(n+1)/2)`.
    /// Zeros count in neither share. Source: Kerby 2014; King, Rosopa and Minium 2011.
    pub fn rank_biserial(&self) -> f64 {
        let n = self.n as f64;
        (self.positive - self.negative) / (n * (n + 1.0) / 2.0)
    }
}

/// Chance of each sum when every rank is taken or left with a fair coin.
fn chances_of_sums(ranks: &[usize]) -> Vec<f64> {
    let mut chance = vec![0.0_f64; ranks.iter().sum::<usize>() + 1];
    chance[0] = 1.0;
    let mut reached = 0;
    for &rank in ranks {
        reached += rank;
        for sum in (0..=reached).rev() {
            // Halving is exact, so that small samples have exact chances.
            chance[sum] = 0.5 * (chance[sum] + if sum >= rank { chance[sum - rank] } else { 0.0 });
        }
    }
    chance
}

/// The smallest sum of positive ranks 1..=n that the two-sided exact test does not reject; none when it rejects all.
pub(crate) fn smallest_kept_sum(n: usize, alpha: f64) -> Option<usize> {
    let mut tail = 0.0;
    chances_of_sums(&(1..=n).collect::<Vec<usize>>()).iter().position(|chance| {
        tail += chance;
        2.0 * tail >= alpha
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pratt_ranks_by_hand() {
        // |d| = 0, 1, 1, 2: ranks 1 (dropped), 2.5, 2.5, 4
        let ranks = SignedRanks::new(&[0.0, 1.0, -1.0, 2.0]);
        assert_eq!((ranks.positive, ranks.negative, ranks.zeros), (6.5, 2.5, 1));
        // Eight sign patterns; sums of positive ranks at most 2.5: 0, 2.5, 2.5.
        assert_eq!(ranks.exact_p(), 6.0 / 8.0);
    }

    #[test]
    fn exact_p_of_printed_tables() {
        // Wilcoxon's table: n = 10, W = 8 is the largest value significant at 5 % two-sided (p = .0488).
        let with_small_sum = |n: usize, negative: &[usize]| -> f64 {
            let d: Vec<f64> = (1..=n).map(|r| if negative.contains(&r) { -(r as f64) } else { r as f64 }).collect();
            SignedRanks::new(&d).exact_p()
        };
        assert!((with_small_sum(10, &[8]) - 0.048_828_125).abs() < 1e-12);
        assert!(with_small_sum(10, &[9]) > 0.05);
        assert_eq!(with_small_sum(5, &[]), 0.0625);
        assert_eq!(with_small_sum(6, &[]), 0.03125);
    }
}
