//! The marks of a table: significance and, apart from it, direction.

use crate::{Outcome, metric::Better};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The mark of significance in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marker {
    /// Not testable: `–`.
    NotTestable,
    /// Identical by construction: `≡`.
    Identical,
    /// Tested, not significant: `ns`.
    NotSignificant,
    /// p < .05 after adjustment: `*`.
    P05,
    /// p < .01 after adjustment: `**`.
    P01,
    /// p < .001 after adjustment: `***`.
    P001,
}

impl Marker {
    /// The marker of an adjusted p.
    pub fn of_p(p: f64) -> Self {
        match p {
            p if p < 0.001 => Marker::P001,
            p if p < 0.01 => Marker::P01,
            p if p < 0.05 => Marker::P05,
            _ => Marker::NotSignificant,
        }
    }

    /// The marker of an outcome, by the adjusted p where there is one.
    pub fn of(outcome: &Outcome, adjusted_p: Option<f64>) -> Self {
        match outcome {
            Outcome::Tested(tested) => Marker::of_p(adjusted_p.unwrap_or(tested.p)),
            Outcome::Identical => Marker::Identical,
            Outcome::NotTestable { .. } => Marker::NotTestable,
        }
    }

    /// The mark as printed.
    pub fn symbol(self) -> &'static str {
        match self {
            Marker::NotTestable => "–",
            Marker::Identical => "≡",
            Marker::NotSignificant => "ns",
            Marker::P05 => "*",
            Marker::P01 => "**",
            Marker::P001 => "***",
        }
    }

    /// The mark in ASCII.
    pub fn ascii(self) -> &'static str {
        match self {
            Marker::NotTestable => "-",
            Marker::Identical => "=",
            other => other.symbol(),
        }
    }

    /// What the mark means, for a legend.
    pub fn meaning(self) -> &'static str {
        match self {
            Marker::NotTestable => "not testable",
            Marker::Identical => "identical by construction",
            Marker::NotSignificant => "not significant",
            Marker::P05 => "p<.05",
            Marker::P01 => "p<.01",
            Marker::P001 => "p<.001",
        }
    }

    /// True for one, two or three stars.
    pub fn is_significant(self) -> bool {
        self >= Marker::P05
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.symbol())
    }
}

/// Which way a difference points, apart from its significance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Better than the baseline: `▲`.
    Better,
    /// Worse than the baseline: `▼`.
    Worse,
    /// Neither: equal, unknown, or a metric without a good end.
    Neither,
}

impl Direction {
    /// The direction of a difference (candidate minus baseline) in a metric.
    pub fn of(difference: Option<f64>, better: Better) -> Self {
        let Some(difference) = difference.filter(|d| d.is_finite() && *d != 0.0) else {
            return Direction::Neither;
        };
        match (better, difference > 0.0) {
            (Better::Neither, _) => Direction::Neither,
            (Better::Higher, true) | (Better::Lower, false) => Direction::Better,
            (Better::Higher, false) | (Better::Lower, true) => Direction::Worse,
        }
    }

    /// The sign as printed; empty for neither.
    pub fn symbol(self) -> &'static str {
        match self {
            Direction::Better => "▲",
            Direction::Worse => "▼",
            Direction::Neither => "",
        }
    }

    /// The sign in ASCII; empty for neither.
    pub fn ascii(self) -> &'static str {
        match self {
            Direction::Better => "^",
            Direction::Worse => "v",
            Direction::Neither => "",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.symbol())
    }
}

/// A p as printed: `.032`, `<.001`; three decimals, no leading zero, never `.000`, and `.050` only from above.
pub fn format_p(p: f64) -> String {
    if p < 0.001 {
        return "<.001".into();
    }
    // A p just below a limit must not be rounded onto it, or the text would contradict the marker.
    for (limit, below) in [(0.01, ".0099"), (0.05, ".0499")] {
        if p < limit && p >= limit - 0.0005 {
            return below.into();
        }
    }
    let text = format!("{:.3}", p.min(1.0));
    if p >= 0.9995 { ">.999".into() } else { text.trim_start_matches('0').into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_strict() {
        let markers = [0.05, 0.049, 0.01, 0.0099, 0.001, 0.00099].map(|p| Marker::of_p(p).symbol());
        assert_eq!(markers, ["ns", "*", "*", "**", "**", "***"]);
    }

    #[test]
    fn direction_knows_which_way_is_up() {
        assert_eq!(Direction::of(Some(0.1), Better::Higher), Direction::Better);
        assert_eq!(Direction::of(Some(0.1), Better::Lower), Direction::Worse);
        assert_eq!(Direction::of(Some(-0.1), Better::Lower), Direction::Better);
        assert_eq!(Direction::of(Some(0.0), Better::Lower), Direction::Neither);
        assert_eq!(Direction::of(None, Better::Higher), Direction::Neither);
    }

    #[test]
    fn printed_p_never_contradicts_the_marker() {
        let printed = [1.0, 0.9, 0.05, 0.04999, 0.032, 0.009_99, 0.001, 0.0004, 1e-300].map(format_p);
        assert_eq!(printed, [">.999", ".900", ".050", ".0499", ".032", ".0099", ".001", "<.001", "<.001"]);
    }
}
