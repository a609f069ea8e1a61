//! Figures as text: a value that is not zero never reads as zero, and zero has no sign.

/// Below this a value is rounding of double sums, not a result.
const ROUNDING: f64 = 1e-12;

/// Below this, zeros behind the point are harder to read than an exponent.
const TINY: f64 = 1e-6;

/// As many decimals as asked for; two significant digits where these would show at most one.
pub fn readable(value: f64, decimals: usize) -> String {
    let size = value.abs();
    let smallest = 10_f64.powi(-i32::try_from(decimals).unwrap_or(i32::MAX));
    if size < ROUNDING {
        format!("{:.decimals$}", 0.0)
    } else if decimals == 0 {
        format!("{:.0}", value.round_ties_even() + 0.0)
    } else if size >= smallest {
        format!("{value:.decimals$}")
    } else if size < TINY {
        format!("{value:.1e}")
    } else {
        significant(value, decimals)
    }
}

/// At least these decimals, and as many more as two significant digits need.
pub(crate) fn significant(value: f64, decimals: usize) -> String {
    let leading = if value == 0.0 { 0.0 } else { (-value.abs().log10().floor()).max(0.0) };
    format!("{value:.*}", (leading as usize + 1).clamp(decimals, 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_value_does_not_read_as_none() {
        let texts = [0.1234, 0.0012, 0.000_412_9, -0.000_412_9, -0.0004, 3.1e-8].map(|v| readable(v, 3));
        assert_eq!(texts, ["0.123", "0.001", "0.00041", "-0.00041", "-0.00040", "3.1e-8"]);
        assert_eq!([12.5, -0.4, 98067.0].map(|v| readable(v, 0)), ["12", "0", "98067"]);
    }

    #[test]
    fn zero_has_no_sign_and_rounding_is_zero() {
        assert_eq!([0.0, -0.0, -1.2e-17, 5e-13].map(|v| readable(v, 3)), ["0.000"; 4]);
        assert_eq!(significant(0.0033, 3), "0.0033");
        assert_eq!(significant(0.123_45, 3), "0.123");
        assert_eq!(significant(12.5, 3), "12.500");
        assert_eq!(significant(0.0, 3), "0.000");
    }
}
