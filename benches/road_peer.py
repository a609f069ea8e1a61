"""grad-cam's ROAD on torchvision's ResNet50, timed. Called by the bench `road`, which measures the same thing itself.

usage: road_peer.py FOLDER THREADS

Writes the weights (resnet50.safetensors), images and maps (raw float32) and peer.json into FOLDER.
"""
import json
import sys
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from pytorch_grad_cam.metrics import road
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
FOLDER, SIDE, IMAGES, CLASSES = Path(sys.argv[1]), 224, 1, 4
torch.set_num_threads(int(sys.argv[2]))
torch.manual_seed(1)
RNG = np.random.default_rng(1)

model = torchvision.models.resnet50(num_classes=CLASSES).eval()
with torch.no_grad():
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.0)
            module.bias.uniform_(-0.1, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    model.fc.weight.mul_(20)
save_file(model.state_dict(), FOLDER / "resnet50.safetensors")


def scaled(values):
    return ((values - values.min()) / (1e-7 + np.ptp(values))).astype(np.float32)


def cam():
    """A map of the last layer: 7 x 7, rectified, enlarged."""
    return scaled(cv2.resize(np.maximum(RNG.normal(size=(7, 7)) + 0.3, 0), (SIDE, SIDE)))


def fine():
    """A map of an early layer: 56 x 56, mostly small values."""
    return scaled(cv2.resize(np.abs(RNG.normal(size=(56, 56))) ** 2, (SIDE, SIDE)))


class Quiet(NoisyLinearImputer):
    """A noise of zero costs what any other does: it is drawn all the same."""

    def __init__(self):
        super().__init__(noise=0)


road.NoisyLinearImputer = Quiet
methods = {"last-layer": cam, "early-layer": fine, "random": lambda: scaled(RNG.random((SIDE, SIDE)))}
road_all, cases = ROADCombined(), []
for i in range(IMAGES):
    image = np.stack([cv2.GaussianBlur(RNG.normal(size=(SIDE, SIDE)), (0, 0), 6) * 6 for _ in range(3)])
    image = (image + 0.3 * RNG.normal(size=image.shape)).astype(np.float32)
    image.tofile(FOLDER / f"image-{i}.f32")
    x = torch.from_numpy(image)[None]
    with torch.no_grad():
        target = int(model(x).argmax())
    for method, make in methods.items():
        values = make()
        values.tofile(FOLDER / f"map-{i}-{method}.f32")
        arguments = (x, values[None], [ClassifierOutputSoftmaxTarget(target)], model)
        start = time.perf_counter()
        value = float(road_all(*arguments)[0])
        seconds = time.perf_counter() - start
        cases.append({"image": i, "method": method, "target": target, "seconds": seconds, "road": value})

with torch.no_grad():
    batch = torch.zeros(18, 3, SIDE, SIDE)
    model(batch)
    passes = []
    for _ in range(3):
        start = time.perf_counter()
        model(batch)
        passes.append((time.perf_counter() - start) / len(batch))
(FOLDER / "peer.json").write_text(json.dumps({"side": SIDE, "classes": CLASSES, "pass_seconds": sorted(passes)[1], "cases": cases}))
