"""Answers of scipy, statsmodels and slow reference code to the cases that a Rust test sends.

stdin: {"cases": [{"kind": ..., ...}]}; stdout: a list with one answer per case.
Where no library has the test, the function below is written from the definition, as slowly and plainly as possible.
"""

import itertools
import json
import sys
import warnings

import numpy as np
from mpmath import mp
from scipy import integrate, optimize, stats
from sklearn.metrics import f1_score, matthews_corrcoef, roc_auc_score
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

warnings.filterwarnings("ignore")
mp.dps = 40


def tails(case):
    return {
        "t": [2 * stats.t.sf(abs(t), df) for t, df in case["t"]],
        "t_critical": [stats.t.isf(alpha / 2, df) for alpha, df in case["t_critical"]],
        "normal": [2 * stats.norm.sf(abs(z)) for z in case["normal"]],
        "normal_critical": [stats.norm.isf(alpha / 2) for alpha in case["normal_critical"]],
        "chi_square": [stats.chi2.sf(x, df) for x, df in case["chi_square"]],
        "f": [stats.f.sf(x, a, b) for x, a, b in case["f"]],
        "binomial": [stats.binom.cdf(k, n, p) for k, n, p in case["binomial"]],
        "hedges": [
            float(mp.gamma(mp.mpf(df) / 2) / (mp.sqrt(mp.mpf(df) / 2) * mp.gamma((mp.mpf(df) - 1) / 2)))
            for df in case["hedges"]
        ],
    }


def paired_t(case):
    a, b = np.array(case["a"]), np.array(case["b"])
    test = stats.ttest_rel(a, b)
    interval = test.confidence_interval(0.95)
    return {"statistic": test.statistic, "p": test.pvalue, "low": interval.low, "high": interval.high, "df": test.df}


def within(case):
    """Paired t with strata as the t of the intercept in a regression on centred stratum indicators."""
    d, strata = np.array(case["d"]), np.array(case["strata"])
    levels = np.unique(strata)[1:]
    columns = [np.ones(len(d))] + [(strata == level) - np.mean(strata == level) for level in levels]
    import statsmodels.api as sm

    fit = sm.OLS(d, np.column_stack(columns)).fit()
    low, high = fit.conf_int(0.05)[0]
    return {"statistic": fit.tvalues[0], "p": fit.pvalues[0], "low": low, "high": high, "df": fit.df_resid}


def nadeau_bengio(case):
    d = np.array(case["d"])
    error = np.sqrt((1 / len(d) + case["n_test"] / case["n_train"]) * d.var(ddof=1))
    t = d.mean() / error
    half = stats.t.ppf(0.975, len(d) - 1) * error
    return {"statistic": t, "p": 2 * stats.t.sf(abs(t), len(d) - 1), "low": d.mean() - half, "high": d.mean() + half}


def five_by_two(case):
    d = np.array(case["d"]).reshape(5, 2)
    variance = np.sum((d - d.mean(axis=1, keepdims=True)) ** 2, axis=1).mean()
    t = d[0, 0] / np.sqrt(variance)
    return {"statistic": t, "p": 2 * stats.t.sf(abs(t), 5)}


def signed_rank_p(d, exact):
    if not exact:
        return stats.wilcoxon(d, zero_method="pratt", correction=False, method="asymptotic").pvalue
    if len(set(np.abs(d))) == len(d) and np.all(d != 0):
        return stats.wilcoxon(d, zero_method="pratt", method="exact").pvalue
    # Ties or zeros: every sign of the ranks seen.
    ranks = stats.rankdata(np.abs(d))[d != 0]
    signs = np.array(list(itertools.product([0, 1], repeat=len(ranks))))
    sums = signs @ ranks
    seen = np.sum(stats.rankdata(np.abs(d))[d > 0])
    return min(1.0, 2 * min(np.mean(sums <= seen + 1e-9), np.mean(sums >= seen - 1e-9)))


def wilcoxon(case):
    d = np.array(case["d"])
    exact = case["exact"]
    walsh = np.unique([(d[i] + d[j]) / 2 for i in range(len(d)) for j in range(i, len(d))])
    all_walsh = [(d[i] + d[j]) / 2 for i in range(len(d)) for j in range(i, len(d))]
    answer = {"p": signed_rank_p(d, exact), "estimate": float(np.median(all_walsh))}
    if case["interval"]:
        middles = (walsh[:-1] + walsh[1:]) / 2
        kept = [i for i, shift in enumerate(middles) if signed_rank_p(d - shift, exact) >= 0.05]
        answer |= {"low": walsh[kept[0]], "high": walsh[kept[-1] + 1]}
    if not exact:
        answer["z"] = stats.wilcoxon(d, zero_method="pratt", correction=False, method="asymptotic").zstatistic
    return answer


def tango_score(b, c, n, delta):
    """Score of a paired difference, the nuisance share found by maximising the likelihood numerically."""

    def loss(q):
        cells = [(b, q + delta), (c, q), (n - b - c, 1 - 2 * q - delta)]
        return -sum(k * np.log(max(p, 1e-300)) for k, p in cells if k > 0)

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-14}).x
    return (b - c - n * delta) / np.sqrt(n * (2 * q + delta * (1 - delta)))


def mcnemar_case(case):
    b, c, n = case["b"], case["c"], case["n"]
    table = [[n - b - c, b], [c, 0]]
    m = b + c
    exact = mcnemar(table, exact=True)
    asymptotic = mcnemar(table, exact=False, correction=False)
    low, high = proportion_confint(b, m, alpha=0.05, method="beta")
    mid = min(1.0, 2 * stats.binom.cdf(min(b, c) - 1, m, 0.5) + stats.binom.pmf(min(b, c), m, 0.5))
    if b == c:
        mid = 1.0
    z = stats.norm.ppf(0.975)
    estimate = (b - c) / n
    tango = [
        optimize.brentq(lambda x: tango_score(b, c, n, x) - z, -0.999, min(estimate, 1 - 1e-9), xtol=1e-12),
        1.0 if b == n else optimize.brentq(lambda x: tango_score(b, c, n, x) + z, estimate, 0.999, xtol=1e-12),
    ]
    return {
        "exact": exact.pvalue,
        "asymptotic": asymptotic.pvalue,
        "statistic": asymptotic.statistic,
        "mid_p": mid,
        "clopper_pearson": [(2 * share - 1) * m / n for share in (low, high)],
        "tango": tango,
    }


def groups(case):
    """Obuchowski from her variances and covariance under the null; Durkalski as printed."""
    a, b = [np.array(x, float) for x in (case["a"], case["b"])]
    group = np.array(case["group"])
    ids = np.unique(group)
    n = np.array([np.sum(group == g) for g in ids], float)
    x1 = np.array([a[group == g].sum() for g in ids])
    x2 = np.array([b[group == g].sum() for g in ids])
    total, k = n.sum(), len(ids)
    p1, p2 = x1.sum() / total, x2.sum() / total
    pooled = (p1 + p2) / 2
    scale = k / (k - 1) / total**2
    var1 = scale * np.sum((x1 - n * pooled) ** 2)
    var2 = scale * np.sum((x2 - n * pooled) ** 2)
    covariance = scale * np.sum((x1 - n * pooled) * (x2 - n * pooled))
    obuchowski = (p1 - p2) ** 2 / (var1 + var2 - 2 * covariance)
    only1 = np.array([np.sum((a == 1) & (b == 0) & (group == g)) for g in ids])
    only2 = np.array([np.sum((a == 0) & (b == 1) & (group == g)) for g in ids])
    durkalski = np.sum((only1 - only2) / n) ** 2 / np.sum(((only1 - only2) / n) ** 2)
    d = (only1 - only2)[only1 != only2]
    signs = np.array(list(itertools.product([-1, 1], repeat=len(d))))
    exact = np.mean(np.abs(signs @ d) >= abs(d.sum()))
    return {
        "obuchowski": [obuchowski, stats.chi2.sf(obuchowski, 1)],
        "durkalski": [durkalski, stats.chi2.sf(durkalski, 1)],
        "exact": exact,
    }


def delong(case):
    """Every pair of a positive and a negative, as in the paper."""
    y = np.array(case["positive"], bool)
    placed = []
    for scores in (np.array(case["a"]), np.array(case["b"])):
        wins = (scores[y][:, None] > scores[~y][None, :]) + 0.5 * (scores[y][:, None] == scores[~y][None, :])
        placed.append((wins.mean(), wins.mean(axis=1), wins.mean(axis=0)))
    s10 = np.cov(placed[0][1], placed[1][1])
    s01 = np.cov(placed[0][2], placed[1][2])
    s = s10 / y.sum() + s01 / (~y).sum()
    variance = s[0, 0] + s[1, 1] - 2 * s[0, 1]
    z = (placed[0][0] - placed[1][0]) / np.sqrt(variance)
    return {
        "area": [roc_auc_score(y, case["a"]), roc_auc_score(y, case["b"])],
        "z": z,
        "p": 2 * stats.norm.sf(abs(z)),
        "se": np.sqrt(variance),
    }


def cochran(case):
    test = cochrans_q(np.array(case["methods"], int).T)
    return {"statistic": test.statistic, "p": test.pvalue}


def friedman(case):
    blocks = np.array(case["blocks"])
    n, k = blocks.shape
    chi = stats.friedmanchisquare(*blocks.T).statistic
    f = (n - 1) * chi / (n * (k - 1) - chi)
    return {"statistic": f, "p": stats.f.sf(f, k - 1, (k - 1) * (n - 1))}


def adjust(case):
    p = case["p"]
    names = {"holm": "holm", "bonferroni": "bonferroni", "bh": "fdr_bh"}
    return {name: list(multipletests(p, method=method)[1]) for name, method in names.items()}


def bca(case):
    """scipy's own replicates, with its interval from them."""
    data = np.array(case["values"])
    statistic = {"mean": np.mean, "deviation": np.std}[case["statistic"]]
    result = stats.bootstrap(
        (data,), statistic, n_resamples=2000, method="BCa", rng=np.random.default_rng(case["seed"]), vectorized=True
    )
    jackknife = [statistic(np.delete(data, i)) for i in range(len(data))]
    return {
        "replicates": list(result.bootstrap_distribution),
        "estimate": statistic(data),
        "jackknife": jackknife,
        "low": result.confidence_interval.low,
        "high": result.confidence_interval.high,
    }


def expected_calibration_error(y, p):
    top, confidence = p.argmax(axis=1), p.max(axis=1)
    bins = np.digitize(confidence, np.linspace(0, 1, 16)[1:-1], right=True)
    total = 0.0
    for b in range(15):
        inside = bins == b
        if inside.any():
            total += inside.mean() * abs((top == y)[inside].mean() - confidence[inside].mean())
    return total


def permutation(case):
    """All swaps of whole groups, each metric by scikit-learn."""
    y, group = np.array(case["truth"]), np.array(case["group"])
    a, b = np.array(case["a"]), np.array(case["b"])
    metrics = {
        "f1-macro": lambda p: f1_score(y, p.argmax(axis=1), average="macro", zero_division=0),
        "mcc": lambda p: matthews_corrcoef(y, p.argmax(axis=1)),
        "auroc": lambda p: roc_auc_score(y, p, multi_class="ovr", average="macro"),
        "ece": lambda p: expected_calibration_error(y, p),
    }
    answer = {}
    for name, metric in metrics.items():
        seen = abs(metric(a) - metric(b))
        null = []
        for swaps in itertools.product([False, True], repeat=group.max() + 1):
            swap = np.array(swaps)[group][:, None]
            null.append(abs(metric(np.where(swap, b, a)) - metric(np.where(swap, a, b))))
        answer[name] = float(np.mean(np.array(null) >= seen - 1e-12))
    return answer


def power(case):
    solve = TTestPower().solve_power
    return [solve(nobs=n, alpha=alpha, power=power) for n, alpha, power in case["designs"]]


def detectable(case):
    """Differences found with a given power: t by statsmodels (paired) and quadrature (folds), McNemar by counting."""
    alpha, power = case["alpha"], case["power"]

    def noncentrality(df):
        # scipy's own noncentral t is NaN at some of the places that a root search visits.
        critical = stats.t.isf(alpha / 2, df)

        def missing(delta):
            def part(chi):
                s = critical * chi / np.sqrt(df)
                return stats.chi.pdf(chi, df) * (stats.norm.sf(s - delta) + stats.norm.cdf(-s - delta))

            return integrate.quad(part, 0, 12 + np.sqrt(df), epsabs=1e-12, limit=200)[0] - power

        return optimize.brentq(missing, 0, 50, xtol=1e-10)

    def mcnemar_share(only, other, n):
        m = only + other
        k = np.arange(m + 1)
        rejected = np.array([stats.binomtest(int(i), m).pvalue < alpha for i in k])
        share = optimize.brentq(lambda p: stats.binom.pmf(k[rejected], m, p).sum() - power, 0.5, 1, xtol=1e-12)
        return (2 * share - 1) * m / n

    d = np.array(case["d"])
    sd = d.std(ddof=1)
    factor = np.sqrt(1 / len(d) + case["n_test"] / case["n_train"])
    return {
        "paired-t": sd * TTestPower().solve_power(nobs=len(d), alpha=alpha, power=power),
        "folds": sd * factor * noncentrality(len(d) - 1),
        "mcnemar": [mcnemar_share(*table) for table in case["mcnemar"]],
    }


KINDS = {
    "tails": tails,
    "paired-t": paired_t,
    "within": within,
    "nadeau-bengio": nadeau_bengio,
    "five-by-two": five_by_two,
    "wilcoxon": wilcoxon,
    "mcnemar": mcnemar_case,
    "groups": groups,
    "delong": delong,
    "cochran": cochran,
    "friedman": friedman,
    "adjust": adjust,
    "bca": bca,
    "permutation": permutation,
    "power": power,
    "detectable": detectable,
}


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    return float(value)


cases = json.load(sys.stdin)["cases"]
json.dump([plain(KINDS[case["kind"]](case)) for case in cases], sys.stdout)
