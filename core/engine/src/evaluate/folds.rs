//! Several folds' networks on the same external images: the mean of their probabilities, and their spread.

use super::predict::Predicted;

/// The folds' joint answer for each image.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldMean {
    /// Mean over folds of each image's probabilities, in class order.
    pub probabilities: Vec<Vec<f32>>,
    /// Sample standard deviation over folds of the same; empty for a single fold.
    pub spread: Vec<Vec<f32>>,
}

/// The mean probability of several networks on the same images in the same order.
///
/// # Errors
/// A sentence when there is no fold, or folds differ in images or classes.
pub fn fold_mean(folds: &[Predicted]) -> Result<FoldMean, String> {
    let all: Vec<Vec<Vec<f32>>> = folds.iter().map(Predicted::probabilities).collect();
    let first = all.first().ok_or("there is no fold to take the mean of")?;
    for (fold, rows) in all.iter().enumerate() {
        if rows.len() != first.len() || rows.iter().zip(first).any(|(a, b)| a.len() != b.len()) {
            return Err(format!("fold {fold} and fold 0 differ in images or classes"));
        }
    }
    let n = all.len() as f64;
    let over_folds = |image: usize, class: usize| all.iter().map(move |rows| f64::from(rows[image][class]));
    let table = |value: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f32>> {
        let row = |(image, row): (usize, &Vec<f32>)| (0..row.len()).map(|class| value(image, class) as f32).collect();
        first.iter().enumerate().map(row).collect()
    };
    let mean = |image, class| over_folds(image, class).sum::<f64>() / n;
    let deviation = |image, class| {
        let mean = mean(image, class);
        (over_folds(image, class).map(|p| (p - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
    };
    let spread = if folds.len() > 1 { table(&deviation) } else { Vec::new() };
    Ok(FoldMean { probabilities: table(&mean), spread })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(odds: &[f32]) -> Predicted {
        Predicted { logits: odds.iter().map(|x| vec![0.0, *x]).collect(), images_per_second: None }
    }

    #[test]
    fn the_mean_is_of_probabilities_not_of_logits() {
        let mean = fold_mean(&[fold(&[0.0]), fold(&[3_f32.ln()])]).unwrap();
        assert!((mean.probabilities[0][1] - 0.625).abs() < 1e-6);
        // Deviation of 0.5 and 0.75.
        assert!((mean.spread[0][1] - 0.125 * 2_f32.sqrt()).abs() < 1e-6);
        assert!(fold_mean(&[fold(&[0.0])]).unwrap().spread.is_empty());
        assert!(fold_mean(&[fold(&[0.0]), fold(&[0.0, 1.0])]).unwrap_err().contains("fold 1"));
        assert!(fold_mean(&[]).is_err());
    }
}
