//! Cochran's Q: are several methods right, or hit, equally often on the same images?

use crate::{
    Degrees, Groups, Outcome, Reason, Resampling, Setting, Statistic, Symbol, Test, Tested,
    distribution::{chi_square_upper, clamp_p},
    random::{Purpose, generator},
};
use rayon::prelude::*;

/// Cochran's Q over `methods[j][i]`, the yes or no of method j on image i:
/// `Q = (k-1) (k sum_j C_j^2 - N^2) / (k N - sum_i R_i^2)` on chi-square with `k - 1` df.
///
/// The estimate is the largest minus the smallest proportion. Source: Cochran 1950. Oracle: `statsmodels` `cochrans_q`.
pub fn cochran_q(methods: &[&[bool]]) -> Outcome {
    plain(methods).into()
}

fn plain(methods: &[&[bool]]) -> Result<Tested, Reason> {
    let (q, estimate, n) = statistic(methods)?;
    let df = methods.len() as f64 - 1.0;
    Ok(tested(Test::CochranQ, q, estimate, chi_square_upper(q, df), Degrees::One(df), (n, n), None))
}

/// Cochran's Q when images come in groups: the same statistic, with the methods shuffled within each whole group.
///
/// The chi-square reference takes images as independent; this one takes groups.
pub fn cochran_q_groups(methods: &[&[bool]], groups: &Groups, setting: &Setting) -> Outcome {
    if groups.is_trivial() { cochran_q(methods) } else { by_group(methods, groups, setting).into() }
}

fn by_group(methods: &[&[bool]], groups: &Groups, setting: &Setting) -> Result<Tested, Reason> {
    let (q, estimate, n) = statistic(methods)?;
    let k = methods.len();
    // Per group and method: how many yes. The denominator of Q does not change when methods are shuffled.
    let mut yes = vec![0_u32; groups.n_groups() * k];
    for (j, method) in methods.iter().enumerate() {
        for (&hit, &group) in method.iter().zip(groups.of_image()) {
            yes[group * k + j] += u32::from(hit);
        }
    }
    let squares = |sums: &[u64]| sums.iter().map(|s| s * s).sum::<u64>();
    let mut seen = vec![0_u64; k];
    yes.chunks(k).for_each(|row| row.iter().zip(&mut seen).for_each(|(y, s)| *s += u64::from(*y)));
    let seen = squares(&seen);
    let extreme = (0..setting.resamples)
        .into_par_iter()
        .filter(|&resample| {
            let mut random = generator(setting.seed, Purpose::Cochran, resample);
            let mut sums = vec![0_u64; k];
            let mut order: Vec<usize> = (0..k).collect();
            for row in yes.chunks(k) {
                for last in (1..k).rev() {
                    order.swap(last, crate::random::below(&mut random, last as u32 + 1) as usize);
                }
                order.iter().zip(&mut sums).for_each(|(&j, sum)| *sum += u64::from(row[j]));
            }
            squares(&sums) >= seen
        })
        .count();
    let p = clamp_p((1 + extreme) as f64 / (1 + setting.resamples) as f64);
    let resampling = Resampling { resamples: setting.resamples, seed: setting.seed, exhaustive: false };
    Ok(tested(Test::CochranQGroups, q, estimate, p, Degrees::None, (n, groups.n_groups()), Some(resampling)))
}

/// Q, the range of the proportions and the number of images.
fn statistic(methods: &[&[bool]]) -> Result<(f64, f64, usize), Reason> {
    let k = methods.len();
    let n = methods.iter().map(|m| m.len()).min().unwrap_or(0);
    if k < 2 || n < 2 {
        return Err(Reason::TooFew { n: n.min(k), needed: 2 });
    }
    let columns: Vec<f64> = methods.iter().map(|m| m[..n].iter().filter(|hit| **hit).count() as f64).collect();
    let rows: f64 = (0..n).map(|i| (methods.iter().filter(|m| m[i]).count() as f64).powi(2)).sum();
    let (total, k) = (columns.iter().sum::<f64>(), k as f64);
    let below = k * total - rows;
    if below <= 0.0 {
        return Err(Reason::NoDisagreement);
    }
    let squares: f64 = columns.iter().map(|c| c * c).sum();
    let largest = columns.iter().fold(0.0_f64, |a, b| a.max(*b));
    let smallest = columns.iter().fold(f64::INFINITY, |a, b| a.min(*b));
    Ok(((k - 1.0) * (k * squares - total * total) / below, (largest - smallest) / n as f64, n))
}

fn tested(
    test: Test,
    q: f64,
    estimate: f64,
    p: f64,
    degrees: Degrees,
    counts: (usize, usize),
    resampling: Option<Resampling>,
) -> Tested {
    Tested {
        test,
        estimate,
        interval: None,
        p,
        statistic: Statistic { symbol: Symbol::Q, value: q },
        degrees,
        effect: None,
        detectable: None,
        n_images: counts.0,
        n_groups: counts.1,
        resampling,
    }
}
