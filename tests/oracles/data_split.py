"""scikit-learn's stratified, grouped folds of the cases that a Rust test sends.

Argument: a JSON file {"cases": [{"folds": k, "labels": [...], "groups": [...]}]}; a group of 0 means none.
stdout: for each case the list of its folds' test indices.
"""

import json
import sys
import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

warnings.filterwarnings("ignore")


def folds(case):
    labels = np.array(case["labels"])
    groups = np.array([group if group else -1 - index for index, group in enumerate(case["groups"])])
    splitter = StratifiedGroupKFold(n_splits=case["folds"])
    return [test.tolist() for _, test in splitter.split(labels, labels, groups)]


with open(sys.argv[1]) as file:
    print(json.dumps([folds(case) for case in json.load(file)["cases"]]))
