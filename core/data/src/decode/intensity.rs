//! The intensity rule: how more than 8 bits become 8.
//!
//! `byte = floor(255 * clamp((value - low) / (high - low), 0, 1) + 0.5)`, in double precision, with the bounds that the
//! rule gives. Percentiles are those of the samples that the file stores: all channels together, so that colours keep
//! their balance, and a grey image once, so that it comes out the same in one channel and in three. They are
//! interpolated linearly between neighbours (Hyndman and Fan's definition 7, `numpy.percentile`'s default), with NumPy's
//! order of operations, so that every byte equals NumPy's; not-a-number counts as nothing and becomes 0.

use super::samples::Samples;
use crate::manifest::Intensity;

/// Brings samples to 8 bits; 8-bit ones stay as they are.
pub(super) fn to_bytes(samples: Samples, rule: Intensity) -> Vec<u8> {
    match samples {
        Samples::Byte(values) => values,
        Samples::Word(values) => {
            let (low, high) = bounds(rule, f64::from(u16::MAX), |low, high| percentiles_of_words(&values, low, high));
            let table: Vec<u8> = (0..=u16::MAX).map(|value| scale(f64::from(value), low, high)).collect();
            values.iter().map(|value| table[usize::from(*value)]).collect()
        }
        Samples::Real { values, full } => {
            let (low, high) = bounds(rule, full, |low, high| percentiles_of_reals(&values, low, high));
            values.iter().map(|value| scale(f64::from(*value), low, high)).collect()
        }
    }
}

fn bounds(rule: Intensity, full: f64, percentiles: impl FnOnce(f64, f64) -> (f64, f64)) -> (f64, f64) {
    match rule {
        Intensity::Window { center, width } => (center - width / 2.0, center + width / 2.0),
        Intensity::Percentile { low, high } => percentiles(low, high),
        Intensity::Full => (0.0, full),
    }
}

fn scale(value: f64, low: f64, high: f64) -> u8 {
    // Also where the bounds coincide (a flat image): all at or below them is black. Not-a-number is black too.
    if value > low {
        if value >= high { 255 } else { ((value - low) / (high - low) * 255.0 + 0.5).floor() as u8 }
    } else {
        0
    }
}

fn percentiles_of_words(values: &[u16], low: f64, high: f64) -> (f64, f64) {
    let mut counts = vec![0_usize; usize::from(u16::MAX) + 1];
    for value in values {
        counts[usize::from(*value)] += 1;
    }
    let nth = |rank: usize| {
        let mut below = 0;
        let found = counts.iter().position(|count| {
            below += count;
            below > rank
        });
        found.unwrap_or(0) as f64
    };
    (interpolate(values.len(), low, nth), interpolate(values.len(), high, nth))
}

fn percentiles_of_reals(values: &[f32], low: f64, high: f64) -> (f64, f64) {
    let mut sorted: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if sorted.is_empty() {
        return (0.0, 0.0);
    }
    sorted.sort_unstable_by(f32::total_cmp);
    let nth = |rank: usize| f64::from(sorted[rank]);
    (interpolate(sorted.len(), low, nth), interpolate(sorted.len(), high, nth))
}

fn interpolate(count: usize, percent: f64, nth: impl Fn(usize) -> f64) -> f64 {
    let last = count.saturating_sub(1);
    let position = percent / 100.0 * last as f64;
    let below = (position.floor() as usize).min(last);
    let (low, high) = (nth(below), nth((below + 1).min(last)));
    let (step, weight) = (high - low, position - below as f64);
    // From the nearer neighbour, as NumPy does: the other way differs in the last bit, which decides ties.
    if weight >= 0.5 { high - step * (1.0 - weight) } else { low + step * weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_bits_in_a_sixteen_bit_file_fill_the_range_by_default() {
        let values: Vec<u16> = (0..4096).collect();
        let bytes = to_bytes(Samples::Word(values.clone()), Intensity::default());
        assert_eq!((bytes[0], bytes[4095]), (0, 255));
        assert!((126..=129).contains(&bytes[2047]));
        let full = to_bytes(Samples::Word(values), Intensity::Full);
        assert_eq!(full[4095], 16);
    }

    #[test]
    fn a_window_is_in_the_values_of_the_file() {
        let samples = Samples::Real { values: vec![-1000.0, -160.0, 40.0, 240.0, f32::NAN], full: 32767.0 };
        let bytes = to_bytes(samples, Intensity::Window { center: 40.0, width: 400.0 });
        assert_eq!(bytes, [0, 0, 128, 255, 0]);
    }

    #[test]
    fn flat_and_empty_of_numbers_are_black() {
        assert_eq!(to_bytes(Samples::Word(vec![700; 4]), Intensity::default()), [0; 4]);
        let nothing = Samples::Real { values: vec![f32::NAN; 2], full: 1.0 };
        assert_eq!(to_bytes(nothing, Intensity::default()), [0; 2]);
    }
}
