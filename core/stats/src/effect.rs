//! Effect sizes of paired differences.

use statrs::function::gamma::ln_gamma;

/// Mean and standard deviation (divisor n - 1) of a sample; the deviation of fewer than two values is 0.
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// The exact Hedges factor `J = Γ(df/2) / (sqrt(df/2) Γ((df-1)/2))`, which removes the bias of a standardised mean.
/// Source: Hedges 1981, equation 6e. None below two degrees of freedom, where no unbiased estimate exists.
pub fn hedges_factor(df: f64) -> Option<f64> {
    (df >= 2.0).then(|| (ln_gamma(df / 2.0) - ln_gamma((df - 1.0) / 2.0) - 0.5 * (df / 2.0).ln()).exp())
}

/// `d_z`: mean over standard deviation of paired differences, times the Hedges factor with `df = n - 1`.
/// Source: Hedges 1981; Lakens 2013. None for fewer than three pairs or no spread.
pub fn hedges_dz(differences: &[f64]) -> Option<f64> {
    let (mean, deviation) = mean_and_deviation(differences);
    let factor = hedges_factor(differences.len() as f64 - 1.0)?;
    (deviation > 0.0).then(|| factor * mean / deviation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factor_of_hedges_table() {
        // Hedges 1981, table 1 (rounded there to three decimals).
        for (df, expected) in [(2.0, 0.564), (3.0, 0.724), (4.0, 0.798), (10.0, 0.923), (50.0, 0.985)] {
            let factor = hedges_factor(df).unwrap();
            assert!((factor - expected).abs() < 1e-3, "df {df}: {factor}");
        }
        assert_eq!(hedges_factor(1.0), None);
    }
}
