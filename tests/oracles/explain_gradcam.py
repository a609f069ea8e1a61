"""Heatmaps of grad-cam 1.5.7, and of AblationCAM in double precision, for the networks named.

    explain_gradcam.py FOLDER MODEL...

Writes to FOLDER, for each model (tiny, resnet50, densenet121, vgg16, efficientnet_b0):

    MODEL.safetensors          the network's weights, BatchNorm's scale, shift and running statistics made random: at
                               their initial values, mistakes in a network hardly show
    MODEL-CASE.safetensors     input [N,3,H,W], targets [N], logits [N,K], and a heatmap [N,H,W] for each method
    cases.json                 [{model, case, layers, classes}]; no layers means the network's default

The four networks run in double precision. In single precision two right programs differ by 1e-2 at an early layer: rounding
turns a ReLU on here and off there, and the gradient of a deep network carries that on.

Images are made here, in the likeness of photographs: smooth shapes on a gradient, with texture. With LIGHTBOX_ORACLE_IMAGES
set to a folder, the first ones of that folder are taken instead.
"""
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from pytorch_grad_cam import (AblationCAM, EigenCAM, EigenGradCAM, GradCAM, GradCAMElementWise, GradCAMPlusPlus, HiResCAM,
                              LayerCAM, XGradCAM)
from pytorch_grad_cam import ablation_cam
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection
from safetensors.torch import save_file
from torch import nn

CLASSES = 7
METHODS = {
    "gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "xgradcam": XGradCAM, "layercam": LayerCAM, "hirescam": HiResCAM,
    "gradcam-elementwise": GradCAMElementWise,
}
EIGEN = {"eigencam": EigenCAM, "eigengradcam": EigenGradCAM}
# (case, layers, size); no layers: the default. VGG16 is explained by its single image: its head is large.
CASES = {
    "tiny": [("default", [], (48, 40)), ("layers", ["first", "second"], (33, 57))],
    "resnet50": [("default", [], (224, 224)), ("layers", ["layer2", "layer4"], (96, 128)), ("early", ["layer3"], (96, 96))],
    "densenet121": [("default", [], (224, 224)), ("size", [], (96, 128))],
    "vgg16": [("default", [], (128, 128)), ("size", [], (96, 160))],
    "efficientnet_b0": [("default", [], (224, 224)), ("early", ["features.5"], (96, 128))],
}
# Where test-time augmentation is compared.
AUGMENTED_METHODS = {"gradcam", "layercam"}
AUGMENTED = {("tiny", "default"), ("tiny", "layers"), ("vgg16", "size")}


class Quiet:
    """In place of a progress bar."""

    def tqdm(self, items):
        return items


ablation_cam.tqdm = Quiet()


def thin_svd(matrix, full_matrices=True, svd=np.linalg.svd):
    """grad-cam asks for all right singular vectors (a C x C matrix) and uses the first."""
    return svd(matrix, full_matrices=False)


np.linalg.svd = thin_svd


class Tiny(nn.Module):
    """Two convolutions and a head that is not affine."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 5, stride=2, padding=2)
        self.bn1 = nn.BatchNorm2d(12)
        self.first = nn.ReLU()
        self.conv2 = nn.Conv2d(12, 20, 3, stride=2, padding=1)
        self.second = nn.ReLU()
        self.fc1 = nn.Linear(20 * 4, 24)
        self.fc2 = nn.Linear(24, CLASSES)

    def forward(self, x):
        x = self.second(self.conv2(self.first(self.bn1(self.conv1(x)))))
        x = nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)
        return self.fc2(torch.relu(self.fc1(x)))


class Dense(nn.Module):
    """torchvision's DenseNet with the last ReLU as a module: in place and unnamed, it cannot be hooked."""

    def __init__(self, dense):
        super().__init__()
        self.features, self.classifier = dense.features, dense.classifier
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.features(x))
        return self.classifier(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def make(name):
    """The network, the module of its default layer, and its head above that layer."""
    if name == "tiny":
        net = Tiny()
        head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), net.fc1, nn.ReLU(), net.fc2)
        return net, net, net.second, head
    net = getattr(torchvision.models, name)(weights=None, num_classes=CLASSES)
    if name == "resnet50":
        return net, net, net.layer4, nn.Sequential(net.avgpool, nn.Flatten(), net.fc)
    if name == "densenet121":
        wrapped = Dense(net)
        return net, wrapped, wrapped.relu, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.classifier)
    layer = net.features[30] if name == "vgg16" else net.features[8]
    return net, net, layer, nn.Sequential(net.avgpool, nn.Flatten(), net.classifier)


def randomise(net, generator):
    """Scale, shift and statistics at random, but near those of images: far from them a deep network forgets its input, its
    maps are all but constant, and S shows nothing but rounding."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.momentum = None
        module.weight.data.uniform_(0.6, 1.4, generator=generator)
        module.bias.data.uniform_(-0.3, 0.3, generator=generator)
    if norms:
        net.train()
        with torch.no_grad():
            net(images(8, (96, 96), 7))
    for module in norms:
        spread = module.running_var.sqrt()
        module.running_mean.data += 0.2 * spread * torch.randn(spread.shape, generator=generator)
        module.running_var.data *= torch.empty(spread.shape).uniform_(0.7, 1.4, generator=generator)
    for module in net.modules():
        if isinstance(module, nn.Linear):
            module.weight.data.normal_(0, 2 / module.in_features ** 0.5, generator=generator)
            module.bias.data.uniform_(-1, 1, generator=generator)


def images(count, size, seed):
    """Normalised images [N,3,H,W]."""
    rng = np.random.default_rng(seed)
    height, width = size
    mean, std = np.array([0.485, 0.456, 0.406])[:, None, None], np.array([0.229, 0.224, 0.225])[:, None, None]
    if os.environ.get("LIGHTBOX_ORACLE_IMAGES"):
        files = sorted(f for f in Path(os.environ["LIGHTBOX_ORACLE_IMAGES"]).rglob("*") if f.suffix in {".jpg", ".jpeg", ".png"})
        pictures = [cv2.cvtColor(cv2.imread(str(f)), cv2.COLOR_BGR2RGB) for f in rng.permutation(files)[:count]]
        pictures = [cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA).transpose(2, 0, 1) / 255 for p in pictures]
        return torch.tensor(np.stack([(p - mean) / std for p in pictures]), dtype=torch.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / height, x / width
    out = []
    for _ in range(count):
        picture = np.stack([0.3 + 0.4 * (a * x + b * y) for a, b in rng.uniform(-0.5, 1, (3, 2))])
        for _ in range(5):
            (cy, cx), (sy, sx), angle = rng.uniform(0.15, 0.85, 2), rng.uniform(0.05, 0.25, 2), rng.uniform(0, np.pi)
            u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
            v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
            inside = 1 / (1 + np.exp(np.minimum(20 * ((u / sx) ** 2 + (v / sy) ** 2 - 1), 50)))
            picture = picture * (1 - inside) + inside * rng.uniform(0, 1, 3)[:, None, None]
        grain = cv2.GaussianBlur(rng.normal(0, 1, (height, width, 3)), (0, 0), 1.5).transpose(2, 0, 1)
        picture = np.clip(picture + 0.15 * grain, 0, 1)
        out.append((np.round(picture * 255) / 255 - mean) / std)
    return torch.tensor(np.stack(out), dtype=torch.float32)


def pipeline(raw, size):
    """grad-cam's own way from a raw map of one layer to a heatmap."""
    return scale_cam_image(np.maximum(scale_cam_image(np.maximum(raw, 0), (size[1], size[0])), 0))


def taps(net, layer, x, targets):
    """Activations and gradients at a layer, and the logits."""
    kept = {}

    def hook(_, __, output):
        kept["a"] = output
        output.retain_grad()
    handle = layer.register_forward_hook(hook)
    logits = net(x)
    handle.remove()
    net.zero_grad()
    logits[torch.arange(len(targets)), targets].sum().backward()
    return kept["a"].detach().clone(), kept["a"].grad.clone(), logits.detach()


def plus_plus_of_rounded(net, layer, x, targets):
    """grad-cam's own GradCAM++ where activations and gradients pass from network to method in single precision, as they do
    in Lightbox; all else in double. After SiLU the formula has poles, and near one it is rounding that decides."""
    kept = {}

    def hook(_, __, output):
        kept["a"] = output.detach().float().to(output.dtype).requires_grad_()
        return kept["a"]
    handle = layer.register_forward_hook(hook)
    net(x)[torch.arange(len(targets)), targets].sum().backward()
    handle.remove()
    a = kept["a"].detach().double().numpy()
    g = kept["a"].grad.float().double().numpy()
    weights = GradCAMPlusPlus.get_cam_weights(None, None, None, None, a, g)
    return (weights[:, :, None, None] * a).sum(1)


def ablation_double(head, activations, targets):
    """sum_k (s - s_k) / |s| A_k in double precision, the head run once for each channel."""
    maps = []
    with torch.no_grad():
        for a, target in zip(activations, targets):
            whole = head(a[None])[0, target]
            drops = []
            for block in torch.arange(len(a)).split(64):
                rows = a[None].repeat(len(block), 1, 1, 1)
                rows[torch.arange(len(block)), block] = 0
                drops.append((whole - head(rows)[:, target]) / whole.abs())
            maps.append((torch.cat(drops)[:, None, None] * a).sum(0).numpy())
    return np.stack(maps)


def case(name, case_name, layers, size, net, callable_net, default, head, folder, seed):
    x = images(1 if (name, case_name) == ("vgg16", "default") else 2, size, seed)
    modules = dict(net.named_modules())
    chosen = [modules[layer] for layer in layers] or [default]
    x = x.to(next(net.parameters()).dtype)
    with torch.no_grad():
        logits = callable_net(x)
    # The winner for one image, the runner-up for the other.
    order = logits.argsort(1, descending=True)
    targets = torch.tensor([order[image, image] for image in range(len(x))])
    wanted = [ClassifierOutputTarget(int(target)) for target in targets]
    out = {"input": x.float(), "targets": targets, "logits": logits.float()}

    def put(method, heatmap):
        out["map." + method] = torch.tensor(np.ascontiguousarray(heatmap, dtype=np.float32))

    for method, kind in METHODS.items():
        with kind(model=callable_net, target_layers=chosen) as cam:
            put(method, cam(input_tensor=x, targets=wanted))
            if (name, case_name) in AUGMENTED and method in AUGMENTED_METHODS:
                put(method + ".augmented", cam(input_tensor=x, targets=wanted, aug_smooth=True))
    if len(chosen) == 1:
        a, g, _ = taps(callable_net, chosen[0], x, targets)
        out["activations.shape"] = torch.tensor(a.shape)
        put("gradcam++.rounded", pipeline(plus_plus_of_rounded(callable_net, chosen[0], x, targets), size))
        for method, kind in EIGEN.items():
            with kind(model=callable_net, target_layers=chosen) as cam:
                put(method, cam(input_tensor=x, targets=wanted))
            # The opposite sign is as right.
            projection = get_2d_projection((a if method == "eigencam" else g * a).numpy())
            put(method + ".opposite", pipeline(-projection, size))
    if len(chosen) == 1 and name == "tiny":
        # Eigen smoothing, both signs.
        weighted = {"gradcam": g.mean((2, 3), keepdim=True) * a, "layercam": g.clamp(min=0) * a}
        for method, terms in weighted.items():
            with METHODS[method](model=callable_net, target_layers=chosen) as cam:
                put(method + ".smoothed", cam(input_tensor=x, targets=wanted, eigen_smooth=True))
            put(method + ".smoothed.opposite", pipeline(-get_2d_projection(terms.numpy()), size))
    if case_name == "default":
        # grad-cam's AblationCAM re-runs the trunk for every channel; given the head alone, it does the same arithmetic.
        whole = nn.Sequential(nn.Identity(), head)
        raw_a = a
        if name == "tiny":
            with AblationCAM(model=callable_net, target_layers=chosen) as cam:
                put("ablationcam", cam(input_tensor=x, targets=wanted))
        elif name != "efficientnet_b0":
            # Its layer subtracts 1e7 where activations are negative, for each channel anew: no oracle after SiLU.
            with AblationCAM(model=whole, target_layers=[whole[0]], batch_size=16) as cam:
                small = cam(input_tensor=raw_a, targets=wanted)
            put("ablationcam", scale_cam_image(np.stack([cv2.resize(m, (size[1], size[0])) for m in small])))
        double = pipeline(ablation_double(head.double(), activations_double(callable_net, chosen[0], x), targets), size)
        put("ablationcam.double", double)
        if name == "tiny":
            head.float()
            callable_net.float()
    save_file({key: value.contiguous() for key, value in out.items()}, str(folder / f"{name}-{case_name}.safetensors"))
    return {"model": name, "case": case_name, "layers": layers, "classes": CLASSES}


def activations_double(net, layer, x):
    kept = {}
    handle = layer.register_forward_hook(lambda _, __, output: kept.update(a=output.detach().clone()))
    with torch.no_grad():
        net.double()(x.double())
    handle.remove()
    return kept["a"]


def main():
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    torch.set_num_threads(2)
    cases = []
    for number, name in enumerate(sys.argv[2:]):
        generator = torch.Generator().manual_seed(1000 + number)
        net, callable_net, default, head = make(name)
        randomise(net, generator)
        for module in (net, callable_net, head):
            module.eval()
        weights = {key: value.detach().clone().contiguous() for key, value in net.state_dict().items()}
        save_file(weights, str(folder / f"{name}.safetensors"))
        if name != "tiny":
            net.double()
        for place, (case_name, layers, size) in enumerate(CASES[name]):
            cases.append(case(name, case_name, layers, size, net, callable_net, default, head, folder, 100 * number + place))
    (folder / "cases.json").write_text(json.dumps(cases))


if __name__ == "__main__":
    main()
