//! Friedman's test of several models over datasets, in the form of Iman and Davenport.

use super::midranks;
use crate::{
    Degrees, Effect, EffectKind, Outcome, Reason, Statistic, Symbol, Test, Tested,
    distribution::{clamp_p, f_upper},
    paired::refuse_non_finite,
};

/// Datasets below which the test is refused.
pub const FEWEST_BLOCKS: usize = 5;

/// Friedman's test over `blocks[i][j]`, the value of model j on dataset i; `F = (N-1) X / (N (k-1) - X)` on F with
/// `(k-1, (k-1)(N-1))` df, X being Friedman's chi-square corrected for ties.
///
/// Blocks are datasets, never folds (which share training images), and there must be five. The estimate is the range
/// of the mean ranks, the effect Kendall's W. When all datasets rank alike, F is infinite and the exact
/// `(1/k!)^(N-1)` is given. Sources: Friedman 1937; Iman and Davenport 1980; Demsar 2006.
pub fn friedman(blocks: &[&[f64]]) -> Outcome {
    test(blocks).into()
}

fn test(blocks: &[&[f64]]) -> Result<Tested, Reason> {
    let n = blocks.len();
    if n < FEWEST_BLOCKS {
        return Err(Reason::TooFewBlocks { n });
    }
    let models = blocks.iter().map(|block| block.len()).min().unwrap_or(0);
    if models < 3 {
        return Err(Reason::TooFew { n: models, needed: 3 });
    }
    let mut sums = vec![0.0; models];
    let mut ties = 0.0;
    for block in blocks {
        refuse_non_finite(block)?;
        let ranks = midranks(&block[..models]);
        ranks.iter().zip(&mut sums).for_each(|(rank, sum)| *sum += rank);
        let mut sorted = ranks;
        sorted.sort_by(f64::total_cmp);
        ties += sorted.chunk_by(|a, b| a == b).map(|c| (c.len() as f64).powi(3) - c.len() as f64).sum::<f64>();
    }
    let (n_f, k) = (n as f64, models as f64);
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    let correction = 1.0 - ties / (n_f * k * (k * k - 1.0));
    if correction <= 1e-12 {
        return Err(Reason::ZeroVariance);
    }
    let chi_square = (12.0 / (n_f * k * (k + 1.0)) * squares - 3.0 * n_f * (k + 1.0)) / correction;
    let chi_square = chi_square.max(0.0);
    let room = n_f * (k - 1.0) - chi_square;
    let (df1, df2) = (k - 1.0, (k - 1.0) * (n_f - 1.0));
    let (statistic, degrees, p) = if room <= 1e-9 * n_f * k {
        let orders: f64 = (2..=models).map(|i| i as f64).product();
        let p = clamp_p(orders.powf(1.0 - n_f));
        (Statistic { symbol: Symbol::ChiSquare, value: chi_square }, Degrees::One(df1), p)
    } else {
        let f = (n_f - 1.0) * chi_square / room;
        (Statistic { symbol: Symbol::F, value: f }, Degrees::Two(df1, df2), f_upper(f, df1, df2))
    };
    let largest = sums.iter().fold(0.0_f64, |a, b| a.max(*b));
    let smallest = sums.iter().fold(f64::INFINITY, |a, b| a.min(*b));
    Ok(Tested {
        test: Test::Friedman,
        estimate: (largest - smallest) / n_f,
        interval: None,
        p,
        statistic,
        degrees,
        effect: Some(Effect { kind: EffectKind::KendallW, value: chi_square / (n_f * (k - 1.0)) }),
        detectable: None,
        n_images: n,
        n_groups: n,
        resampling: None,
    })
}
