"""scikit-learn's metrics of the predictions that a Rust test sends.

stdin: {"cases": [{"truth", "probabilities", "logits", "positive"}]}; stdout: a list with one answer per case.
Macro means are over the classes present in the truth; a metric without a value is null.
"""

import json
import sys
import warnings

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn import metrics as sk

warnings.filterwarnings("ignore")


def calibration(y, p):
    top, confidence = p.argmax(axis=1), p.max(axis=1)
    edges = [i / 15 for i in range(16)]
    total, counts = 0.0, []
    for low, high in zip(edges, edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        counts.append(int(inside.sum()))
        if inside.any():
            total += inside.mean() * abs((top == y)[inside].mean() - confidence[inside].mean())
    return total, counts


def evaluate(case):
    y, p = np.array(case["truth"]), np.array(case["probabilities"])
    classes = p.shape[1]
    top = p.argmax(axis=1)
    present = sorted(set(y))
    answer = {
        "accuracy": sk.accuracy_score(y, top),
        "balanced-accuracy": sk.balanced_accuracy_score(y, top),
        "mcc": sk.matthews_corrcoef(y, top),
        "kappa": sk.cohen_kappa_score(y, top),
    }
    for average in ("macro", "weighted"):
        scores = sk.precision_recall_fscore_support(y, top, labels=present, average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), scores):
            answer[f"{name}-{average}"] = value
    positive = case["positive"]
    counted = [c for c in present if 0 < (y == c).sum() < len(y)]
    areas = [sk.roc_auc_score(y == c, p[:, c]) for c in counted]
    precisions = [sk.average_precision_score(y == c, p[:, c]) for c in counted]
    answer["auroc"] = np.mean(areas) if areas else None
    answer["average-precision"] = np.mean(precisions) if precisions else None
    if positive is not None:
        is_positive, score = y == positive, p[:, positive]
        if areas:
            answer["auroc"] = sk.roc_auc_score(is_positive, score)
            answer["average-precision"] = sk.average_precision_score(is_positive, score)
        for name, cut in (("", 0.5), ("-tuned", case["threshold"])):
            called = score >= cut
            answer["sensitivity" + name] = sk.recall_score(is_positive, called) if is_positive.any() else None
            answer["specificity" + name] = sk.recall_score(~is_positive, ~called) if (~is_positive).any() else None
            if not name:
                answer["ppv"] = sk.precision_score(is_positive, called, zero_division=0)
        rates = sk.roc_curve(is_positive, score, drop_intermediate=False)
        answer["youden"] = float(np.max(rates[1] - rates[0]))
    answer["brier"] = np.mean(np.sum((p - np.eye(classes)[y]) ** 2, axis=1))
    answer["ece"], answer["bins"] = calibration(y, p)
    answer["confusion"] = sk.confusion_matrix(y, top, labels=range(classes)).tolist()
    logits = np.array(case["logits"])

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        return np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(y)), y])

    best = minimize_scalar(loss, bounds=(np.log(1e-2), np.log(1e2)), method="bounded", options={"xatol": 1e-10})
    answer["temperature"] = float(np.exp(best.x))
    answer["temperature-loss"] = float(best.fun)
    return {name: None if isinstance(v, float) and np.isnan(v) else v for name, v in answer.items()}


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


cases = json.load(sys.stdin)["cases"]
json.dump([plain(evaluate(case)) for case in cases], sys.stdout)
