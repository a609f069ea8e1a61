//! Gauss-Legendre quadrature on \[0,1\].

/// Abramowitz and Stegun, Handbook of Mathematical Functions, 25.4.29: nodes are the roots of the Legendre polynomial P_n,
/// weights 2 / ((1 - x^2) P_n'(x)^2). Found by Newton's method from the asymptotic estimate of each root.
const NEWTON_STEPS: usize = 20;

/// P_n and its derivative at x.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut current) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, current) = (current, ((2.0 * k - 1.0) * x * current - (k - 1.0) * before) / k);
    }
    (current, n as f64 * (x * current - before) / (x * x - 1.0))
}

/// `n` nodes in \[0,1\], rising, with weights that sum to 1. At least one.
pub(crate) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    if n < 2 {
        return vec![(0.5, 1.0)];
    }
    let node = |place: usize| {
        // Roots from the largest down; the estimate is good to 1e-4 for any n.
        let mut x = (std::f64::consts::PI * (place as f64 + 0.75) / (n as f64 + 0.5)).cos();
        for _ in 0..NEWTON_STEPS {
            let (value, slope) = legendre(n, x);
            x -= value / slope;
        }
        let (_, slope) = legendre(n, x);
        (0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).rev().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_rules_come_out() {
        // Abramowitz and Stegun, table 25.4, n = 2 and 3, from [-1,1] to [0,1].
        let near = |found: (f64, f64), node: f64, weight: f64| {
            assert!(
                (found.0 - 0.5 * (1.0 + node)).abs() < 1e-15 && (found.1 - 0.5 * weight).abs() < 1e-15,
                "{found:?}"
            );
        };
        let two = gauss_legendre(2);
        near(two[0], -0.577_350_269_189_626, 1.0);
        let three = gauss_legendre(3);
        near(three[1], 0.0, 8.0 / 9.0);
        near(three[2], 0.774_596_669_241_483, 5.0 / 9.0);
        assert_eq!(gauss_legendre(1), [(0.5, 1.0)]);
    }

    #[test]
    fn polynomials_of_degree_2n_minus_1_are_exact() {
        for n in [1, 5, 50, 300] {
            let rule = gauss_legendre(n);
            let degree = (2 * n - 1).min(60) as i32;
            let integral: f64 = rule.iter().map(|(x, w)| w * x.powi(degree)).sum();
            assert!((integral - 1.0 / f64::from(degree + 1)).abs() < 1e-13, "{n}: {integral}");
            assert!((rule.iter().map(|(_, w)| w).sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
