"""What grad-cam 1.5.7, scipy, scikit-learn and RISE's published code say of explanations.

usage: metrics_explanation.py FOLDER

Writes arrays as FOLDER/NAME.f32 or .u8 (raw, little-endian, row-major) and FOLDER/oracle.json, which names them.
"""
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam.metrics import road
from pytorch_grad_cam.metrics.cam_mult_image import CamMultImageConfidenceChange, DropInConfidence, IncreaseInConfidence
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
OUT = Path(sys.argv[1])
RNG = np.random.default_rng(20240229)


def save(name, array):
    kind = {"f": "f32", "b": "u8", "u": "u8"}[array.dtype.kind]
    array.astype("<f4" if kind == "f32" else "u1").tofile(OUT / f"{name}.{kind}")


def image(height, width):
    smooth = np.stack([gaussian_filter(RNG.normal(size=(height, width)), 2) * 4 for _ in range(3)])
    return (smooth + RNG.normal(size=smooth.shape) * 0.3 + np.linspace(-1, 1, width)).astype(np.float32)


def smooth_map(height, width, sigma=9):
    values = gaussian_filter(RNG.normal(size=(height, width)), sigma)
    return ((values - values.min()) / np.ptp(values)).astype(np.float32)


# ------------------------------------------------------------------------------------------------------- imputation

def imputation_masks():
    n = 224
    smooth, noise = smooth_map(n, n, 20), RNG.random((n, n))
    for p in (10, 50, 90):
        yield f"smooth-{p}", smooth < np.percentile(smooth, p)
    for share in (0.1, 0.001):
        yield f"scattered-{share}", noise < share
    hole = np.ones((n, n), bool)
    hole[20:200, 20:200] = False
    yield "hole", hole
    frame = ~np.pad(np.ones((n - 2, n - 2), bool), 1)
    yield "frame", frame
    corners = np.zeros((n, n), bool)
    corners[0, 0] = corners[-1, -1] = True
    yield "corners", corners
    few = np.zeros((n, n), bool)
    few[0, :2] = few[101, 155] = True
    yield "three-pixels", few
    edge = np.zeros((n, n), bool)
    edge[:, 0] = edge[100, 200] = True
    yield "edge", edge
    dots = np.zeros((n, n), bool)
    dots[::8, ::8] = True
    yield "dots", dots
    maze = np.zeros((90, 91), bool)
    for i in range(2, 90, 8):
        maze[i, :] = True
        maze[i, 0 if (i // 8) % 2 else -1] = False
    yield "maze", maze
    columns = np.zeros((64, 64), bool)
    columns[:, ::2] = True
    yield "columns", columns
    yield "odd-size", RNG.random((37, 101)) < 0.1
    yield "row", RNG.random((1, 300)) < 0.1
    yield "column", RNG.random((300, 1)) < 0.1
    yield "thin", RNG.random((3, 400)) < 0.03
    yield "tiny", np.array([[True, False], [False, False]])
    yield "nothing-removed", np.ones((20, 20), bool)


def imputation():
    cases = []
    for name, keep in imputation_masks():
        pixels = image(*keep.shape)
        exact = NoisyLinearImputer(noise=0)(torch.from_numpy(pixels), torch.from_numpy(keep.astype(np.float32))).numpy()
        save(f"impute-{name}-image", pixels)
        save(f"impute-{name}-keep", keep)
        save(f"impute-{name}-exact", exact)
        cases.append({"name": name, "height": keep.shape[0], "width": keep.shape[1]})
    return cases


# ------------------------------------------------------------------------------------------------------ percentiles

def percentiles():
    cases = []
    for i, values in enumerate([smooth_map(224, 224), RNG.random(1001), np.round(RNG.random((33, 47)) * 20) / 20,
                                RNG.normal(size=2), np.array([0.25])]):
        values = values.astype(np.float32)
        save(f"percentile-{i}", values)
        # Integers and halves, as a Python number each: numpy computes in the precision that follows from that.
        ps = [p / 2 for p in range(1, 200)]
        cases.append({"p": ps, "value": [float(np.percentile(values, p)) for p in ps]})
    return cases


# ------------------------------------------------------------------------------------- metrics that ask the network

class Network(torch.nn.Module):
    """softmax(<w_k, tanh(x)> + b_k): small, not linear, and the same in a few lines of any language."""

    def __init__(self, weights, bias):
        super().__init__()
        self.weights, self.bias = torch.from_numpy(weights), torch.from_numpy(bias)

    def forward(self, x):
        return torch.tanh(x).flatten(1) @ self.weights.flatten(1).T + self.bias


def without_noise():
    """grad-cam's ROAD with a noise of zero: its classes make their imputer without an argument."""
    class Quiet(NoisyLinearImputer):
        def __init__(self):
            super().__init__(noise=0)
    road.NoisyLinearImputer = Quiet


def rise_curve(model, pixels, values, target, deletion, step):
    """RISE's CausalMetric.single_run: deletion to zeros, insertion from a blur."""
    height, width = values.shape
    kernel = np.zeros((11, 11))
    kernel[5, 5] = 1
    kernel = gaussian_filter(kernel, 5)
    weight = np.zeros((3, 3, 11, 11))
    for c in range(3):
        weight[c, c] = kernel
    x = torch.from_numpy(pixels)[None]
    blurred = torch.nn.functional.conv2d(x, torch.from_numpy(weight.astype("float32")), padding=5)
    start, finish = (x.clone(), torch.zeros_like(x)) if deletion else (blurred.clone(), x.clone())
    order = np.flip(np.argsort(values.reshape(1, -1), axis=1), axis=-1)
    steps = (height * width + step - 1) // step
    scores = np.empty(steps + 1)
    for i in range(steps + 1):
        scores[i] = torch.softmax(model(start), 1)[0, target].item()
        if i < steps:
            coordinates = order[:, step * i:step * (i + 1)]
            start.numpy().reshape(1, 3, -1)[0, :, coordinates] = finish.numpy().reshape(1, 3, -1)[0, :, coordinates]
    area = (scores.sum() - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)
    return float(area), blurred[0].numpy()


def networks():
    without_noise()
    cases = []
    sparse = np.maximum(smooth_map(96, 96, 6) - 0.45, 0)
    stepped = np.repeat(np.repeat(smooth_map(12, 12, 1), 8, 0), 8, 1)
    maps = {"smooth": smooth_map(224, 224, 25), "wide": smooth_map(60, 100), "sparse": sparse / sparse.max(),
            "stepped": stepped}
    for name, values in maps.items():
        values = values.astype(np.float32)
        height, width = values.shape
        pixels = image(height, width)
        weights = np.stack([np.stack([gaussian_filter(RNG.normal(size=(height, width)), 4) for _ in range(3)])
                            for _ in range(4)])
        weights = (weights / np.abs(weights).sum(axis=(1, 2, 3), keepdims=True) * 12).astype(np.float32)
        bias = RNG.normal(size=4).astype(np.float32) * 0.3
        # The target leans on what the map marks, so that removing it changes much and a wrong mask shows.
        target = int(RNG.integers(4))
        evidence = np.tanh(pixels) * (values - values.mean())
        weights[target] += (-5 if name == "stepped" else 5) * evidence / np.abs(evidence).sum()
        model = Network(weights, bias)
        x, cams, targets = torch.from_numpy(pixels)[None], values[None], [ClassifierOutputSoftmaxTarget(target)]
        save(f"network-{name}-image", pixels)
        save(f"network-{name}-map", values)
        save(f"network-{name}-weights", weights)
        save(f"network-{name}-bias", bias)
        of = lambda metric: float(metric(x, cams, targets, model)[0])
        percentile_sets = [[20, 40, 60, 80]] if name == "stepped" else [list(range(10, 100, 10))]
        case = {
            "name": name, "height": height, "width": width, "target": target,
            "road": {str(p): of(ROADCombined(percentiles=p)) for p in percentile_sets},
            "change": of(CamMultImageConfidenceChange()), "drop": of(DropInConfidence()),
            "increase": of(IncreaseInConfidence()), "zeros": float((values == 0).mean()),
        }
        if name in ("smooth", "wide"):
            step = height * width // 224 if name == "smooth" else 20
            case["steps"] = height * width // step
            case["deletion"], _ = rise_curve(model, pixels, values, target, True, step)
            case["insertion"], blurred = rise_curve(model, pixels, values, target, False, step)
            save(f"network-{name}-blurred", blurred)
        cases.append(case)
    return cases


# ----------------------------------------------------------------------------------------- localisation, similarity

def localisation():
    cases = []
    for i, (values, share) in enumerate([(smooth_map(224, 224), 0.1), (np.round(smooth_map(50, 80) * 8) / 8, 0.3),
                                         (np.maximum(smooth_map(64, 64) - 0.6, 0), 0.02), (RNG.random((40, 40)), 0.5)]):
        values = values.astype(np.float32)
        blob = smooth_map(*values.shape) + values
        mask = blob > np.percentile(blob, 100 * (1 - share))
        save(f"place-{i}-map", values)
        save(f"place-{i}-mask", mask)
        # The expected intersection over random orders of equals, by drawing them.
        k, flat, inside = int(mask.sum()), values.ravel(), mask.ravel()
        hits = np.mean([inside[np.lexsort((RNG.random(flat.size), -flat))[:k]].sum() for _ in range(200)])
        cases.append({
            "height": values.shape[0], "width": values.shape[1],
            "energy": float((values.astype(np.float64) * mask).sum() / values.astype(np.float64).sum()),
            "pointing": float(mask[values == values.max()].any()),
            "iou": float(hits / (2 * k - hits)), "ties": len(np.unique(flat)) < flat.size,
            "auprc": float(average_precision_score(inside, flat)), "area-fraction": float(mask.mean()),
        })
    return cases


def ssim(a, b):
    """scikit-image's structural_similarity(a, b, data_range=1) with its defaults."""
    a, b, n = a.astype(np.float64), b.astype(np.float64), 49
    mean = lambda v: uniform_filter(v, size=7)
    ua, ub = mean(a), mean(b)
    va, vb = (n / (n - 1) * (mean(v * v) - u * u) for v, u in ((a, ua), (b, ub)))
    cov = n / (n - 1) * (mean(a * b) - ua * ub)
    c1, c2 = 0.01 ** 2, 0.03 ** 2
    s = (2 * ua * ub + c1) * (2 * cov + c2) / ((ua ** 2 + ub ** 2 + c1) * (va + vb + c2))
    return float(s[3:-3, 3:-3].mean())


def similarity():
    cases = []
    for i, (height, width) in enumerate([(224, 224), (30, 41), (7, 9)]):
        a = smooth_map(height, width, 4)
        b = (0.6 * a + 0.4 * smooth_map(height, width, 2)).astype(np.float32)
        if i == 1:
            a, b = np.round(a * 10) / 10, np.maximum(b - 0.5, 0)
        a, b = a.astype(np.float32), b.astype(np.float32)
        save(f"alike-{i}-a", a)
        save(f"alike-{i}-b", b)
        cases.append({"height": height, "width": width, "ssim": ssim(a, b),
                      "spearman": float(spearmanr(a.ravel(), b.ravel()).statistic)})
    return cases


parts = (imputation, percentiles, networks, localisation, similarity)
(OUT / "oracle.json").write_text(json.dumps({part.__name__: part() for part in parts}))
