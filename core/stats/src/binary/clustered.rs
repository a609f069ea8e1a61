//! McNemar's test when images come in groups: Obuchowski, Durkalski, and exact sign flips for few groups.

use crate::{
    Degrees, Detectable, Effect, EffectKind, Groups, Interval, IntervalMethod, Outcome, POWER, Reason, Setting,
    Statistic, Symbol, Test, Tested,
    distribution::{bisect, chi_square_critical, chi_square_upper, clamp_p},
};
use serde::{Deserialize, Serialize};

/// Groups that differ from which the asymptotic form is the default, as McNemar's 25 discordant images.
pub const ASYMPTOTIC_FROM: usize = 25;

/// Which form of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupForm {
    /// Exact sign flips below 25 groups that differ, else Obuchowski.
    #[default]
    Auto,
    /// All signs of the groups' differences; with one image a group, the exact McNemar test.
    Exact,
    /// Obuchowski 1998: the difference of the proportions over all images.
    Obuchowski,
    /// Durkalski 2003: the mean over groups of the groups' differences; each group weighs the same.
    Durkalski,
}

/// Right answers of both, counted by group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTable {
    /// Per group: images that only the candidate has right minus those that only the baseline has right.
    differences: Vec<i64>,
    /// Per group: images.
    sizes: Vec<u64>,
}

impl GroupTable {
    /// Counts two slices of right or wrong by group.
    pub fn count(candidate: &[bool], baseline: &[bool], groups: &Groups) -> Self {
        let mut table = GroupTable { differences: vec![0; groups.n_groups()], sizes: vec![0; groups.n_groups()] };
        for ((&a, &b), &group) in candidate.iter().zip(baseline).zip(groups.of_image()) {
            table.differences[group] += i64::from(a) - i64::from(b);
            table.sizes[group] += 1;
        }
        table
    }

    /// From `b_k - c_k` and the size of each group; a size below `|b_k - c_k|` is raised to it.
    pub fn from_parts(differences: Vec<i64>, sizes: Vec<u64>) -> Self {
        let sizes = sizes.iter().zip(&differences).map(|(&size, d)| size.max(d.unsigned_abs()).max(1)).collect();
        GroupTable { differences, sizes }
    }

    fn differing(&self) -> usize {
        self.differences.iter().filter(|d| **d != 0).count()
    }
}

/// McNemar's test by group.
///
/// With `d_k = b_k - c_k` in group k of `n_k` images and K groups:
/// Obuchowski `(K-1)/K (sum d_k)^2 / sum d_k^2`, Durkalski `(sum d_k/n_k)^2 / sum (d_k/n_k)^2`, both on chi-square with
/// 1 df; the intervals invert the same statistics with `d_k - n_k delta`. Exact: share of the `2^K` signs with
/// `|sum +-d_k|` at least as large. Sources: Obuchowski 1998, Durkalski et al. 2003 (Statistics in Medicine 17 and 22).
pub fn mcnemar_groups(table: &GroupTable, form: GroupForm, setting: &Setting) -> Outcome {
    test(table, form, setting).into()
}

fn test(table: &GroupTable, form: GroupForm, setting: &Setting) -> Result<Tested, Reason> {
    let groups = table.differences.len();
    if groups < 2 {
        return Err(Reason::TooFew { n: groups, needed: 2 });
    }
    if table.differing() == 0 {
        return Err(Reason::NoDisagreement);
    }
    match form {
        GroupForm::Exact => Ok(exact(table, setting)),
        GroupForm::Auto if table.differing() < ASYMPTOTIC_FROM => Ok(exact(table, setting)),
        GroupForm::Auto | GroupForm::Obuchowski => {
            let scale = groups as f64 / (groups as f64 - 1.0);
            let parts = table.differences.iter().zip(&table.sizes).map(|(&d, &n)| (d as f64, n as f64)).collect();
            Ok(score(Test::Obuchowski, parts, scale, table, setting))
        }
        GroupForm::Durkalski => {
            let parts = table.differences.iter().zip(&table.sizes).map(|(&d, &n)| (d as f64 / n as f64, 1.0)).collect();
            Ok(score(Test::Durkalski, parts, 1.0, table, setting))
        }
    }
}

/// Both score forms: `(sum (d - w delta))^2 <= scale chi sum (d - w delta)^2` is a quadratic in delta.
fn score(test: Test, parts: Vec<(f64, f64)>, scale: f64, table: &GroupTable, setting: &Setting) -> Tested {
    let sum = |term: fn(f64, f64) -> f64| parts.iter().map(|&(d, w)| term(d, w)).sum::<f64>();
    let (d, w) = (sum(|d, _| d), sum(|_, w| w));
    let (dd, dw, ww) = (sum(|d, _| d * d), sum(|d, w| d * w), sum(|_, w| w * w));
    let statistic = d * d / (scale * dd);
    let margin = |alpha: f64| {
        let difference = (scale * chi_square_critical(alpha, 1.0) * dd).sqrt() / w;
        // Cauchy and Schwarz bound the statistic by K - 1 or K: with few groups nothing reaches a small alpha.
        let largest = parts.iter().map(|(d, _)| d.abs()).sum::<f64>() / w;
        (difference < largest).then_some(difference)
    };
    let critical = scale * chi_square_critical(setting.alpha, 1.0);
    let (a, half_b, c) = (w * w - critical * ww, d * w - critical * dw, d * d - critical * dd);
    let (low, high) = if a > 0.0 {
        let root = (half_b * half_b - a * c).max(0.0).sqrt();
        (((half_b - root) / a).max(-1.0), ((half_b + root) / a).min(1.0))
    } else {
        (-1.0, 1.0)
    };
    Tested {
        test,
        estimate: d / w,
        interval: Some(Interval { low, high, level: setting.level(), method: IntervalMethod::GroupScore }),
        p: chi_square_upper(statistic, 1.0),
        statistic: Statistic { symbol: Symbol::ChiSquare, value: statistic },
        degrees: Degrees::One(1.0),
        detectable: Some(Detectable::of_critical(setting, margin)),
        ..shell(d / w, table)
    }
}

/// Every sign of every group, by dynamic programming over the whole-number sums.
fn exact(table: &GroupTable, setting: &Setting) -> Tested {
    let sizes: Vec<usize> =
        table.differences.iter().map(|d| d.unsigned_abs() as usize).filter(|size| *size > 0).collect();
    let total: usize = sizes.iter().sum();
    let at_least = tails_of_signs(&sizes, 0.5);
    let attainable: Vec<usize> = (0..=total).filter(|&d| at_least[d] > at_least[d + 1]).collect();
    let p_of = |difference: usize| clamp_p(at_least[difference]);
    let images: u64 = table.sizes.iter().sum();
    let seen = table.differences.iter().sum::<i64>();
    // Groups are won with a common share; the least sum that is significant is reached with the power at that share.
    let found = |alpha: f64| {
        let least = attainable.iter().copied().find(|&d| p_of(d) < alpha)?;
        let share = bisect(0.5, 1.0, |share| tails_of_signs(&sizes, share)[least] < POWER);
        Some((2.0 * share - 1.0) * total as f64 / images as f64)
    };
    let largest_not = attainable.iter().copied().rev().find(|&d| p_of(d) >= setting.alpha).unwrap_or(0);
    let estimate = seen as f64 / images as f64;
    let margin = largest_not as f64 / images as f64;
    Tested {
        test: Test::McnemarGroupsExact,
        interval: Some(Interval {
            low: (estimate - margin).max(-1.0),
            high: (estimate + margin).min(1.0),
            level: setting.level(),
            method: IntervalMethod::Permutation,
        }),
        p: p_of(seen.unsigned_abs() as usize),
        statistic: Statistic { symbol: Symbol::B, value: seen as f64 },
        degrees: Degrees::None,
        detectable: Some(Detectable::new(setting, |alpha| (found(alpha), None))),
        ..shell(estimate, table)
    }
}

/// The chance that `|sum of signed sizes|` is at least its index, each sign being positive with this chance.
fn tails_of_signs(sizes: &[usize], positive: f64) -> Vec<f64> {
    let total: usize = sizes.iter().sum();
    // chance[s] is the probability that the groups drawn positive add up to s.
    let mut chance = vec![0.0_f64; total + 1];
    chance[0] = 1.0;
    let mut reached = 0;
    for &size in sizes {
        reached += size;
        for sum in (0..=reached).rev() {
            let drawn = if sum >= size { chance[sum - size] } else { 0.0 };
            chance[sum] = (1.0 - positive) * chance[sum] + positive * drawn;
        }
    }
    // |sum of signed sizes| = |2 s - total|.
    let mut at_least = vec![0.0_f64; total + 2];
    chance.iter().enumerate().for_each(|(s, mass)| at_least[(2 * s).abs_diff(total)] += mass);
    (0..=total).rev().for_each(|d| at_least[d] += at_least[d + 1]);
    at_least
}

fn shell(estimate: f64, table: &GroupTable) -> Tested {
    Tested {
        test: Test::Obuchowski,
        estimate,
        interval: None,
        p: 1.0,
        statistic: Statistic { symbol: Symbol::ChiSquare, value: 0.0 },
        degrees: Degrees::None,
        effect: Some(Effect { kind: EffectKind::RawDifference, value: estimate }),
        detectable: None,
        n_images: table.sizes.iter().sum::<u64>() as usize,
        n_groups: table.sizes.len(),
        resampling: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binary::{Discordant, McnemarForm, mcnemar};

    fn run(differences: &[i64], sizes: &[u64], form: GroupForm) -> Tested {
        let table = GroupTable::from_parts(differences.to_vec(), sizes.to_vec());
        mcnemar_groups(&table, form, &Setting::default()).tested().unwrap().clone()
    }

    #[test]
    fn one_image_a_group_is_the_exact_mcnemar_test() {
        let d: Vec<i64> = [vec![1; 9], vec![-1; 2], vec![0; 19]].concat();
        let grouped = run(&d, &[1; 30], GroupForm::Auto);
        let table = Discordant { candidate_only: 9, baseline_only: 2, n: 30 };
        let plain = mcnemar(table, McnemarForm::Exact, &Setting::default());
        assert!((grouped.p - plain.p().unwrap()).abs() < 1e-12);
    }

    #[test]
    fn score_forms_by_hand() {
        // d = 3, -1, 2, 0 in groups of 4, 2, 2, 2. Obuchowski: 3/4 * 16 / 14. Durkalski: (0.75 - 0.5 + 1)^2 / 1.8125.
        let obuchowski = run(&[3, -1, 2, 0], &[4, 2, 2, 2], GroupForm::Obuchowski);
        assert!((obuchowski.statistic.value - 0.75 * 16.0 / 14.0).abs() < 1e-12);
        assert!((obuchowski.estimate - 0.4).abs() < 1e-12);
        let durkalski = run(&[3, -1, 2, 0], &[4, 2, 2, 2], GroupForm::Durkalski);
        assert!((durkalski.statistic.value - 1.5625 / 1.8125).abs() < 1e-12);
        assert!((durkalski.estimate - 0.3125).abs() < 1e-12);
        // Signs of 3, 1, 2: |sum| >= 4 in 2 + 2 of 8.
        assert!((run(&[3, -1, 2, 0], &[4, 2, 2, 2], GroupForm::Exact).p - 0.5).abs() < 1e-12);
    }

    #[test]
    fn interval_and_p_agree() {
        for form in [GroupForm::Exact, GroupForm::Obuchowski, GroupForm::Durkalski] {
            for positive in 0..=14 {
                let d: Vec<i64> = (0..14).map(|k| (1 + k % 3) * if k < positive { 1 } else { -1 }).collect();
                let tested = run(&d, &[5; 14], form);
                assert_eq!(tested.p < 0.05, !tested.interval.unwrap().contains_zero(), "{form:?} {positive}");
            }
        }
    }
}
