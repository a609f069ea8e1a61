//! Wilcoxon's signed-rank test with Pratt's zeros, and the interval of that test around Hodges and Lehmann's estimate.

use super::{
    refuse_non_finite,
    signed_ranks::{SignedRanks, smallest_kept_sum},
};
use crate::{
    Degrees, Detectable, Effect, EffectKind, Interval, IntervalMethod, Outcome, Reason, Setting, Statistic, Symbol,
    Test, Tested, distribution::normal_critical,
};
use serde::{Deserialize, Serialize};

/// Pairs up to which the distribution is exact (as scipy's limit; ours is exact with ties and zeros too).
pub const EXACT_UP_TO: usize = 50;

/// Which reference distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WilcoxonForm {
    /// Exact up to 50 pairs, else normal.
    #[default]
    Auto,
    /// Exact, given the ranks seen.
    Exact,
    /// Normal approximation with corrections for zeros and ties, without continuity correction.
    Normal,
}

/// Wilcoxon signed-rank test of paired differences; zeros are ranked and then dropped (Pratt 1959).
///
/// The estimate is Hodges and Lehmann's pseudo-median, the interval inverts the same test, the effect is the
/// rank-biserial correlation. An end of the interval that is exactly 0 is decided by p: zeros weigh there and nowhere
/// else. Fewer than six differing pairs cannot reach .05. Oracle: `scipy.stats.wilcoxon(zero_method="pratt")`.
pub fn wilcoxon(differences: &[f64], form: WilcoxonForm, setting: &Setting) -> Outcome {
    test(differences, form, setting).into()
}

fn test(differences: &[f64], form: WilcoxonForm, setting: &Setting) -> Result<Tested, Reason> {
    refuse_non_finite(differences)?;
    let ranks = SignedRanks::new(differences);
    let nonzero = ranks.nonzero();
    if nonzero == 0 {
        return Err(if ranks.n == 0 { Reason::TooFew { n: 0, needed: 6 } } else { Reason::ZeroVariance });
    }
    if 2.0_f64.powi(1 - nonzero as i32) > setting.alpha {
        return Err(Reason::WilcoxonCannotReach { n: nonzero });
    }
    let exact = match form {
        WilcoxonForm::Auto => ranks.n <= EXACT_UP_TO,
        WilcoxonForm::Exact => true,
        WilcoxonForm::Normal => false,
    };
    let walsh = WalshAverages::new(differences);
    let estimate = walsh.median();
    let interval = |alpha: f64| walsh.interval(exact, alpha);
    let critical = |alpha: f64| interval(alpha).map(|(low, high)| (estimate - low).max(high - estimate));
    let (test, p, statistic) = if exact {
        (Test::WilcoxonExact, ranks.exact_p(), Statistic { symbol: Symbol::W, value: ranks.positive })
    } else {
        (Test::WilcoxonNormal, ranks.normal_p(), Statistic { symbol: Symbol::Z, value: ranks.z() })
    };
    Ok(Tested {
        test,
        estimate,
        interval: interval(setting.alpha).map(|(low, high)| Interval {
            low,
            high,
            level: setting.level(),
            method: IntervalMethod::HodgesLehmann,
        }),
        p,
        statistic,
        degrees: Degrees::None,
        effect: Some(Effect { kind: EffectKind::RankBiserial, value: ranks.rank_biserial() }),
        detectable: Some(Detectable::of_critical(setting, critical)),
        n_images: ranks.n,
        n_groups: ranks.n,
        resampling: None,
    })
}

/// Hodges and Lehmann's estimate: the median of all `(d_i + d_j) / 2`, `i <= j`. Zero for no values.
///
/// Source: Hodges and Lehmann 1963. `O(n log n)` memory-free selection, so that 10,000 pairs are no burden.
pub fn hodges_lehmann(differences: &[f64]) -> f64 {
    if differences.is_empty() { 0.0 } else { WalshAverages::new(differences).median() }
}

/// The `n(n+1)/2` means of two differences, never written out: counted and selected by bisection.
struct WalshAverages {
    sorted: Vec<f64>,
}

impl WalshAverages {
    fn new(differences: &[f64]) -> Self {
        let mut sorted = differences.to_vec();
        sorted.sort_by(f64::total_cmp);
        WalshAverages { sorted }
    }

    fn count(&self) -> usize {
        self.sorted.len() * (self.sorted.len() + 1) / 2
    }

    /// Pairs `i <= j` with `d_i + d_j <= sum`.
    fn count_up_to(&self, sum: f64) -> usize {
        let d = &self.sorted;
        let (mut total, mut end) = (0, d.len());
        for (i, value) in d.iter().enumerate() {
            while end > i && value + d[end - 1] > sum {
                end -= 1;
            }
            if end <= i {
                break;
            }
            total += end - i;
        }
        total
    }

    /// The `rank`-th smallest average, counted from 1.
    fn select(&self, rank: usize) -> f64 {
        // Bisect over the bit patterns of f64 in their numerical order: exact, in at most 64 counts.
        let key = |value: f64| {
            let bits = value.to_bits() as i64;
            bits ^ (((bits >> 63) as u64) >> 1) as i64
        };
        let value = |key: i64| f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64);
        let ends = (self.sorted.first().copied().unwrap_or(0.0), self.sorted.last().copied().unwrap_or(0.0));
        let (mut low, mut high) = (key(2.0 * ends.0), key(2.0 * ends.1));
        while low < high {
            let middle = ((i128::from(low) + i128::from(high)).div_euclid(2)) as i64;
            if self.count_up_to(value(middle)) >= rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        value(low) / 2.0
    }

    fn median(&self) -> f64 {
        let count = self.count();
        0.5 * (self.select(count.div_ceil(2)) + self.select(count / 2 + 1))
    }

    /// The shifts that the test would not reject; none when a side is unbounded.
    fn interval(&self, exact: bool, alpha: f64) -> Option<(f64, f64)> {
        if exact { self.exact_interval(alpha) } else { self.normal_interval(alpha) }
    }

    /// Away from the averages themselves there are no zeros, and the ties are the repeated differences, so that the
    /// standard deviation is the same for every shift and the ends are order statistics.
    fn normal_interval(&self, alpha: f64) -> Option<(f64, f64)> {
        let n = self.sorted.len() as f64;
        let ties: f64 = self.sorted.chunk_by(|a, b| a == b).map(|c| c.len() as f64).map(|t| t * (t * t - 1.0)).sum();
        let deviation = ((n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0).max(0.0).sqrt();
        let smallest = (n * (n + 1.0) / 4.0 - normal_critical(alpha) * deviation).ceil();
        (smallest >= 1.0).then(|| self.between(smallest as usize))
    }

    fn between(&self, rank: usize) -> (f64, f64) {
        (self.select(rank), self.select(self.count() + 1 - rank))
    }

    fn exact_interval(&self, alpha: f64) -> Option<(f64, f64)> {
        let d = &self.sorted;
        if d.windows(2).all(|pair| pair[0] < pair[1]) {
            // Without ties the distribution is the same for every shift: the ends are order statistics.
            return smallest_kept_sum(d.len(), alpha).filter(|&sum| sum > 0).map(|sum| self.between(sum));
        }
        self.inverted_interval(alpha)
    }

    /// Tries the exact test between neighbouring averages, from the outside in.
    fn inverted_interval(&self, alpha: f64) -> Option<(f64, f64)> {
        let d = &self.sorted;
        let mut averages: Vec<f64> =
            (0..d.len()).flat_map(|i| (i..d.len()).map(move |j| (i, j))).map(|(i, j)| 0.5 * (d[i] + d[j])).collect();
        averages.sort_by(f64::total_cmp);
        averages.dedup();
        let rejected = |shift: f64| {
            let shifted: Vec<f64> = d.iter().map(|d| d - shift).collect();
            SignedRanks::new(&shifted).exact_p() < alpha
        };
        // Outside all averages the signs are all alike; only their number counts there.
        if 2.0_f64.powi(1 - d.len() as i32) >= alpha {
            return None;
        }
        let kept = |pair: &[f64]| !rejected(0.5 * (pair[0] + pair[1]));
        let low = averages.windows(2).find(|pair| kept(pair)).map(|pair| pair[0]);
        let high = averages.windows(2).rev().find(|pair| kept(pair)).map(|pair| pair[1]);
        low.zip(high).or_else(|| (averages.len() == 1).then(|| (averages[0], averages[0])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_median_by_hand() {
        // Averages of 1, 2, 6: 1, 1.5, 2, 3.5, 4, 6; the median lies between 2 and 3.5.
        assert_eq!(hodges_lehmann(&[6.0, 1.0, 2.0]), 2.75);
        assert_eq!(hodges_lehmann(&[-3.0]), -3.0);
        assert_eq!(hodges_lehmann(&[-1.0, 1.0]), 0.0);
    }

    #[test]
    fn five_pairs_cannot_reach_five_per_cent() {
        let setting = Setting::default();
        let outcome = wilcoxon(&[0.1, 0.2, 0.3, 0.4, 0.5], WilcoxonForm::Auto, &setting);
        assert_eq!(outcome.reason().unwrap().to_string(), "n < 6: Wilcoxon cannot reach .05");
        assert!(wilcoxon(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], WilcoxonForm::Auto, &setting).p().unwrap() < 0.05);
    }

    #[test]
    fn exact_interval_of_a_printed_example() {
        // Hollander and Wolfe's depression data (R: wilcox.test(x, y, paired = TRUE, conf.int = TRUE)):
        // pseudo-median 0.46 and 95 % interval 0.01 .. 0.786 at n = 9, W+ = 40, p = .03906.
        let x = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        let y = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 314.0 / 100.0, 1.29];
        let d: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
        let outcome = wilcoxon(&d, WilcoxonForm::Auto, &Setting::default());
        let tested = outcome.tested().unwrap();
        let interval = tested.interval.unwrap();
        assert_eq!(tested.statistic.value, 40.0);
        assert!((tested.p - 0.039_062_5).abs() < 1e-12);
        assert!((tested.estimate - 0.46).abs() < 1e-9, "{}", tested.estimate);
        assert!((interval.low - 0.01).abs() < 1e-9 && (interval.high - 0.786).abs() < 1e-9, "{interval:?}");
    }
}
