"""grad-cam on torchvision's ResNet50, timed on demand. Called by the bench `explain`, which measures the same thing itself.

usage: explain_peer.py FOLDER THREADS BATCH

Writes the weights (resnet50.safetensors), the images (images.safetensors) and grad-cam's heatmaps (maps.safetensors) into
FOLDER and prints `ready`. Then it reads commands and answers each with its seconds: `forward` runs the network on the batch,
`five` explains the batch with five methods, `ablation` explains its first image with AblationCAM.
"""
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import torchvision
from pytorch_grad_cam import AblationCAM, EigenGradCAM, GradCAM, GradCAMPlusPlus, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
FOLDER, THREADS, BATCH = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
METHODS = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "xgradcam": XGradCAM, "eigengradcam": EigenGradCAM,
           "layercam": LayerCAM}
torch.set_num_threads(THREADS)
torch.manual_seed(1)

model = torchvision.models.resnet50(num_classes=4).eval()
with torch.no_grad():
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.0)
            module.bias.uniform_(-0.1, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    model.fc.weight.mul_(20)
coarse = torch.randn(BATCH, 3, 14, 14)
images = torch.nn.functional.interpolate(coarse, size=224, mode="bicubic").contiguous()
save_file(model.state_dict(), FOLDER / "resnet50.safetensors")
save_file({"images": images}, FOLDER / "images.safetensors")
with torch.no_grad():
    targets = [ClassifierOutputTarget(int(c)) for c in model(images).argmax(1)]


def forward():
    with torch.no_grad():
        model(images)


def five():
    maps = {}
    for name, method in METHODS.items():
        with method(model=model, target_layers=[model.layer4]) as cam:
            maps[name] = torch.from_numpy(np.ascontiguousarray(cam(input_tensor=images, targets=targets)))
    return maps


def ablation():
    with AblationCAM(model=model, target_layers=[model.layer4]) as cam:
        cam(input_tensor=images[:1], targets=targets[:1])


forward()
save_file(five(), FOLDER / "maps.safetensors")
print("ready", flush=True)
for line in sys.stdin:
    command = {"forward": forward, "five": five, "ablation": ablation}[line.strip()]
    start = time.perf_counter()
    command()
    print(time.perf_counter() - start, flush=True)
