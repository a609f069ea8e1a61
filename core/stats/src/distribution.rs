//! Tail probabilities and quantiles of the reference distributions, never 0 and never NaN for finite input.
//!
//! `statrs` supplies the special functions. Quantiles are found by bisection of the tail itself, so that an interval
//! and its test agree to the last bits: `p < alpha` exactly when the interval excludes zero.

use statrs::function::{beta::checked_beta_reg, erf::erfc, gamma::checked_gamma_ur, gamma::ln_gamma};

/// The smallest p that is ever reported. A tail that underflows is still not zero.
pub const SMALLEST_P: f64 = f64::MIN_POSITIVE;

/// Bisection steps: enough to reach neighbouring `f64` values from any bracket used here.
const BISECTIONS: usize = 200;

/// Moves a probability into `(0, 1]`. A NaN (possible only from non-finite input) becomes 1: no evidence.
pub(crate) fn clamp_p(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.clamp(SMALLEST_P, 1.0) }
}

/// Regularised incomplete beta function `I_x(a, b)`; 1 where its arguments are out of range.
pub(crate) fn beta_regularised(a: f64, b: f64, x: f64) -> f64 {
    checked_beta_reg(a, b, x.clamp(0.0, 1.0)).unwrap_or(1.0)
}

/// Two-sided tail of Student's t: `P(|T| >= |t|)` with `df` degrees of freedom.
///
/// Source: `I_{df / (df + t^2)}(df / 2, 1 / 2)`, Abramowitz and Stegun 26.7.1.
pub fn student_t_two_sided(t: f64, df: f64) -> f64 {
    let square = t * t;
    // Near 0 the argument below would round to 1; the complement keeps its digits.
    clamp_p(if square < 1.0 {
        1.0 - beta_regularised(0.5, df / 2.0, square / (df + square))
    } else {
        beta_regularised(df / 2.0, 0.5, df / (df + square))
    })
}

/// The `t > 0` whose two-sided tail is `alpha`: the critical value of a two-sided t-test.
pub fn student_t_critical(alpha: f64, df: f64) -> f64 {
    falling_root(|t| student_t_two_sided(t, df), alpha)
}

/// Two-sided tail of the standard normal: `P(|Z| >= |z|)`.
pub fn normal_two_sided(z: f64) -> f64 {
    clamp_p(erfc(z.abs() / std::f64::consts::SQRT_2))
}

/// The `z > 0` whose two-sided tail is `alpha` (1.96 for 0.05).
pub fn normal_critical(alpha: f64) -> f64 {
    falling_root(normal_two_sided, alpha)
}

/// Standard normal distribution function.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}

/// Quantile of the standard normal; infinite at 0 and 1.
pub fn normal_quantile(probability: f64) -> f64 {
    if probability <= 0.0 {
        f64::NEG_INFINITY
    } else if probability >= 1.0 {
        f64::INFINITY
    } else if probability < 0.5 {
        -normal_critical(2.0 * probability)
    } else {
        normal_critical(2.0 * (1.0 - probability))
    }
}

/// Upper tail of chi-square with `df` degrees of freedom.
pub fn chi_square_upper(x: f64, df: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    clamp_p(checked_gamma_ur(df / 2.0, x / 2.0).unwrap_or(1.0))
}

/// The `x` whose upper chi-square tail is `alpha`.
pub fn chi_square_critical(alpha: f64, df: f64) -> f64 {
    falling_root(|x| chi_square_upper(x, df), alpha)
}

/// Upper tail of Fisher's F with `(df1, df2)` degrees of freedom.
pub fn f_upper(f: f64, df1: f64, df2: f64) -> f64 {
    if f <= 0.0 {
        return 1.0;
    }
    clamp_p(if f < 1.0 {
        1.0 - beta_regularised(df1 / 2.0, df2 / 2.0, df1 * f / (df2 + df1 * f))
    } else {
        beta_regularised(df2 / 2.0, df1 / 2.0, df2 / (df2 + df1 * f))
    })
}

/// Probability of exactly `k` heads in `n` fair tosses.
pub fn fair_binomial_mass(k: u64, n: u64) -> f64 {
    if k > n {
        return 0.0;
    }
    let (k, n) = (k as f64, n as f64);
    (ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0) - n * std::f64::consts::LN_2).exp()
}

/// Probability of at most `k` heads in `n` fair tosses.
pub fn fair_binomial_cdf(k: u64, n: u64) -> f64 {
    binomial_cdf(k, n, 0.5)
}

/// Probability of at most `k` successes in `n` trials of probability `p`: `I_{1-p}(n - k, k + 1)`.
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n { 1.0 } else { beta_regularised((n - k) as f64, k as f64 + 1.0, 1.0 - p) }
}

/// Probability of exactly `k` successes in `n` trials of probability `p`.
pub(crate) fn binomial_mass(k: u64, n: u64, p: f64) -> f64 {
    let below = if k == 0 { 0.0 } else { binomial_cdf(k - 1, n, p) };
    (binomial_cdf(k, n, p) - below).max(0.0)
}

/// Finds `x > 0` with `tail(x) = alpha` for a tail that falls from 1 at 0.
fn falling_root(tail: impl Fn(f64) -> f64, alpha: f64) -> f64 {
    if alpha >= 1.0 {
        return 0.0;
    }
    let mut high = 1.0;
    while tail(high) > alpha && high < 1e150 {
        high *= 2.0;
    }
    bisect(0.0, high, |x| tail(x) > alpha)
}

/// The boundary in `[low, high]` where `below` turns from true to false.
pub(crate) fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_values_of_printed_tables() {
        // Student's t, two-sided 5 %: any textbook's table (printed to three decimals).
        for (df, expected) in [(1.0, 12.706), (4.0, 2.776), (9.0, 2.262), (30.0, 2.042)] {
            assert!((student_t_critical(0.05, df) - expected).abs() < 5e-4, "df {df}");
        }
        assert!((normal_critical(0.05) - 1.959_964).abs() < 1e-6);
        assert!((chi_square_critical(0.05, 1.0) - 3.841_459).abs() < 1e-6);
        assert!((chi_square_critical(0.05, 2.0) - 5.991_465).abs() < 1e-6);
    }

    #[test]
    fn a_tail_that_underflows_is_not_zero() {
        assert!(student_t_two_sided(1e200, 500.0) > 0.0);
        assert!(normal_two_sided(1e10) > 0.0);
        assert!(chi_square_upper(1e9, 1.0) > 0.0);
        assert!(f_upper(1e300, 3.0, 400.0) > 0.0);
    }
}
