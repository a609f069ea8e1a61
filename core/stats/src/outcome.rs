//! What a test can say: tested, identical, or not testable and why. There is no p of 0 and no NaN.

use crate::Detectable;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The answer of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
#[allow(clippy::large_enum_variant, reason = "nearly every outcome is the large one; a box would only be in the way")]
pub enum Outcome {
    /// The test was done.
    Tested(Tested),
    /// Both sides have the same values up to rounding. Testing them would test float noise.
    Identical,
    /// No test is possible.
    NotTestable {
        /// Why not.
        reason: Reason,
    },
}

impl Outcome {
    /// The test's record, if one was done.
    pub fn tested(&self) -> Option<&Tested> {
        match self {
            Outcome::Tested(tested) => Some(tested),
            _ => None,
        }
    }

    /// The unadjusted p, if a test was done; always in `(0, 1]`.
    pub fn p(&self) -> Option<f64> {
        self.tested().map(|tested| tested.p)
    }

    /// Why no test was possible, if so.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Outcome::NotTestable { reason } => Some(reason),
            _ => None,
        }
    }

    pub(crate) fn not(reason: Reason) -> Self {
        Outcome::NotTestable { reason }
    }

    /// Sets both counts of a finished test.
    pub(crate) fn counted(mut self, n_images: usize, n_groups: usize) -> Self {
        if let Outcome::Tested(tested) = &mut self {
            tested.n_images = n_images;
            tested.n_groups = n_groups;
        }
        self
    }
}

impl From<Result<Tested, Reason>> for Outcome {
    fn from(result: Result<Tested, Reason>) -> Self {
        match result {
            Ok(tested) if !tested.is_sound() => Outcome::not(Reason::NotFinite { count: 1 }),
            Ok(tested) => Outcome::Tested(tested),
            Err(reason) => Outcome::not(reason),
        }
    }
}

/// A test that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Which test.
    pub test: Test,
    /// The difference that the test is about, candidate minus baseline. For a test of several methods at once: the
    /// largest minus the smallest mean.
    pub estimate: f64,
    /// The unadjusted interval of the same test; none where the test has none.
    pub interval: Option<Interval>,
    /// Two-sided, unadjusted, in `(0, 1]`.
    pub p: f64,
    /// The test statistic.
    pub statistic: Statistic,
    /// Degrees of freedom of the reference distribution.
    pub degrees: Degrees,
    /// Effect size.
    pub effect: Option<Effect>,
    /// The smallest true difference that this design finds with a power of 80 %.
    pub detectable: Option<Detectable>,
    /// Images behind the test.
    pub n_images: usize,
    /// Independent units behind the test: groups where known, else images; folds when folds are compared.
    pub n_groups: usize,
    /// How a resampling test drew, so that it can be repeated.
    pub resampling: Option<Resampling>,
}

impl Tested {
    /// True when every number is finite and p lies in `(0, 1]`.
    pub(crate) fn is_sound(&self) -> bool {
        let interval = self.interval.as_ref().is_none_or(|i| i.low.is_finite() && i.high.is_finite());
        let effect = self.effect.is_none_or(|e| e.value.is_finite());
        let p = self.p > 0.0 && self.p <= 1.0;
        p && interval && effect && self.estimate.is_finite() && self.statistic.value.is_finite()
    }
}

/// The tests, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// Paired t-test.
    PairedT,
    /// Paired t-test on group means with the variance within folds.
    PairedTWithinFolds,
    /// Paired t-test corrected for overlapping training sets (Nadeau and Bengio 2003).
    NadeauBengio,
    /// 5x2cv paired t-test (Dietterich 1998).
    FiveByTwo,
    /// Paired t over seeds of one split; says nothing about other patients.
    BetweenSeedsT,
    /// Wilcoxon signed-rank, exact.
    WilcoxonExact,
    /// Wilcoxon signed-rank, normal approximation.
    WilcoxonNormal,
    /// McNemar, exact binomial.
    McnemarExact,
    /// McNemar, chi-square without continuity correction.
    McnemarAsymptotic,
    /// McNemar, mid-p.
    McnemarMidP,
    /// McNemar by group, exact over the signs of the groups.
    McnemarGroupsExact,
    /// McNemar by group (Obuchowski 1998).
    Obuchowski,
    /// McNemar by group, each group weighing the same (Durkalski 2003).
    Durkalski,
    /// Two AUROCs on the same images (DeLong 1988).
    Delong,
    /// Paired permutation over groups, sampled.
    Permutation,
    /// Paired permutation over groups, all of them.
    PermutationExact,
    /// Cochran's Q.
    CochranQ,
    /// Cochran's Q by group, by permutation.
    CochranQGroups,
    /// Friedman's test in the form of Iman and Davenport (1980).
    Friedman,
}

impl Test {
    /// The test's name for a table's caption.
    pub fn name(self) -> &'static str {
        match self {
            Test::PairedT => "paired t",
            Test::PairedTWithinFolds => "paired t on group means, folds as strata",
            Test::NadeauBengio => "Nadeau–Bengio paired t",
            Test::FiveByTwo => "5x2cv paired t",
            Test::BetweenSeedsT => "paired t between seeds only",
            Test::WilcoxonExact => "Wilcoxon signed-rank, exact",
            Test::WilcoxonNormal => "Wilcoxon signed-rank, normal approximation",
            Test::McnemarExact => "McNemar, exact",
            Test::McnemarAsymptotic => "McNemar, asymptotic",
            Test::McnemarMidP => "McNemar, mid-p",
            Test::McnemarGroupsExact => "McNemar by group, exact sign flips",
            Test::Obuchowski => "McNemar by group, Obuchowski",
            Test::Durkalski => "McNemar by group, Durkalski",
            Test::Delong => "DeLong",
            Test::Permutation => "paired permutation",
            Test::PermutationExact => "paired permutation, exact",
            Test::CochranQ => "Cochran's Q",
            Test::CochranQGroups => "Cochran's Q by group, permutation",
            Test::Friedman => "Friedman, Iman–Davenport",
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An unadjusted interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Its level, 0.95 unless asked otherwise.
    pub level: f64,
    /// How it was made.
    pub method: IntervalMethod,
}

impl Interval {
    /// True when zero lies inside or on an end.
    pub fn contains_zero(&self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMethod {
    /// Estimate plus and minus critical t times standard error.
    StudentT,
    /// Estimate plus and minus critical z times standard error.
    Normal,
    /// Inverted signed-rank test around the Hodges-Lehmann estimate.
    HodgesLehmann,
    /// Clopper-Pearson on the discordant pairs.
    ClopperPearson,
    /// Mid-p form of Clopper-Pearson on the discordant pairs.
    MidP,
    /// Tango's score interval.
    Tango,
    /// Inverted score test by group.
    GroupScore,
    /// Estimate plus and minus the largest difference that the permutation test would not reject.
    Permutation,
    /// Bias-corrected and accelerated bootstrap.
    Bca,
}

/// A test statistic with its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Statistic {
    /// Which letter it goes by.
    pub symbol: Symbol,
    /// Its value.
    pub value: f64,
}

/// The letter of a test statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symbol {
    /// t.
    T,
    /// z.
    Z,
    /// Sum of the positive signed ranks.
    W,
    /// Chi-square.
    ChiSquare,
    /// F.
    F,
    /// Cochran's Q.
    Q,
    /// Discordant pairs in the candidate's favour.
    B,
    /// The difference itself.
    Difference,
}

impl Symbol {
    /// How it is printed.
    pub fn text(self) -> &'static str {
        match self {
            Symbol::T => "t",
            Symbol::Z => "z",
            Symbol::W => "W+",
            Symbol::ChiSquare => "χ²",
            Symbol::F => "F",
            Symbol::Q => "Q",
            Symbol::B => "b",
            Symbol::Difference => "Δ",
        }
    }
}

/// Degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Degrees {
    /// The reference distribution has none.
    None,
    /// One number: t, chi-square.
    One(f64),
    /// Two numbers: F.
    Two(f64, f64),
}

/// An effect size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Which one.
    pub kind: EffectKind,
    /// Its value; positive when the candidate's values are larger.
    pub value: f64,
}

/// Which effect size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// The difference in the metric's own unit.
    RawDifference,
    /// Standardised mean of paired differences with the exact Hedges factor.
    HedgesDz,
    /// Matched-pairs rank-biserial correlation.
    RankBiserial,
    /// Kendall's W, agreement of the blocks' rankings.
    KendallW,
}

/// How a resampling test or interval drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resampling {
    /// Number of resamples (of permutations when all were enumerated).
    pub resamples: usize,
    /// The seed that repeats them, on any number of threads.
    pub seed: u64,
    /// True when all permutations were enumerated and the seed played no part.
    pub exhaustive: bool,
}

/// Why a test is not possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// A single fold has no spread.
    OneFold,
    /// Fewer independent units than the test needs.
    TooFew {
        /// How many there are.
        n: usize,
        /// How many it takes.
        needed: usize,
    },
    /// All differences are the same, so that their spread is zero.
    ZeroVariance,
    /// The smallest possible p of the signed-rank test is above alpha.
    WilcoxonCannotReach {
        /// Pairs that differ.
        n: usize,
    },
    /// The smallest possible p of the permutation test is above alpha.
    PermutationCannotReach {
        /// Groups that differ.
        n: usize,
    },
    /// The smallest possible p of the exact McNemar test is above alpha.
    McnemarCannotReach {
        /// Discordant pairs.
        n: usize,
    },
    /// Both are right and wrong on the same images.
    NoDisagreement,
    /// Values are missing, infinite or NaN.
    NotFinite {
        /// How many.
        count: usize,
    },
    /// The metric has no value here, as AUROC with one class only.
    Undefined,
    /// 5x2cv asked of another design.
    NotFiveByTwo,
    /// Friedman's test over datasets with fewer than five of them.
    TooFewBlocks {
        /// How many there are.
        n: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::OneFold => write!(f, "one fold"),
            Reason::TooFew { n, needed } => write!(f, "n = {n}: at least {needed} needed"),
            Reason::ZeroVariance => write!(f, "zero variance"),
            Reason::WilcoxonCannotReach { n } if *n < 6 => write!(f, "n < 6: Wilcoxon cannot reach .05"),
            Reason::WilcoxonCannotReach { n } => write!(f, "n = {n}: Wilcoxon cannot reach alpha"),
            Reason::PermutationCannotReach { n } if *n < 6 => {
                write!(f, "{n} groups differ (n < 6): permutation cannot reach .05")
            }
            Reason::PermutationCannotReach { n } => write!(f, "{n} groups differ: permutation cannot reach alpha"),
            Reason::McnemarCannotReach { n } => write!(f, "{n} discordant pairs: McNemar cannot reach alpha"),
            Reason::NoDisagreement => write!(f, "right and wrong on the same images"),
            Reason::NotFinite { count } => write!(f, "{count} values missing or not finite"),
            Reason::Undefined => write!(f, "metric undefined on these images"),
            Reason::NotFiveByTwo => write!(f, "not a 5x2 split"),
            Reason::TooFewBlocks { n } => write!(f, "{n} datasets: Friedman needs 5"),
        }
    }
}
