"""Heatmaps of methods beyond one gradient at a layer: grad-cam 1.5.7, Captum 0.9.0 and the formula of RISE's authors.

    explain_beyond.py FOLDER MODEL...

Reads FOLDER/uniform.safetensors (`numbers`, uniform in [0,1), which RISE's masks are made from) and writes to FOLDER, for each
model, MODEL.safetensors and MODEL-beyond.safetensors as explain_gradcam.py does, in double precision; and cases.json.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from captum.attr import IntegratedGradients, Occlusion
from pytorch_grad_cam import FinerCAM, FullGrad, GradCAM, ScoreCAM, ShapleyCAM
from pytorch_grad_cam import score_cam
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget
from safetensors.torch import load_file, save_file

from explain_gradcam import CLASSES, Quiet, images, make, randomise

score_cam.tqdm = Quiet()

SIZE = (48, 56)
RISE = {"masks": 40, "grid": 5, "keep": 0.4}
WINDOW, STRIDE, STEPS = 20, 12, 20
# Score-CAM runs the network once for each channel.
SCORED = {"tiny"}
# Where the second derivative is not zero: ReLU networks are piecewise linear.
CURVED = {"efficientnet_b0": "features.5"}


def scaled(raw):
    """The signed maps' way to a heatmap: S twice, with grad-cam's epsilon."""
    return scale_cam_image(scale_cam_image(raw))


def rise(net, x, target, numbers):
    """Petsiuk et al., equation 6, and their generate_masks() with torch's bilinear enlargement."""
    count, grid, keep = RISE["masks"], RISE["grid"], RISE["keep"]
    height, width = x.shape[-2:]
    cell = (-(-height // grid), -(-width // grid))
    cells = (numbers[:count * grid * grid] < np.float32(keep)).astype(np.float32).reshape(count, 1, grid, grid)
    offsets = numbers[count * grid * grid:][:2 * count].reshape(count, 2)
    large = ((grid + 1) * cell[0], (grid + 1) * cell[1])
    enlarged = torch.nn.functional.interpolate(torch.tensor(cells).double(), size=large, mode="bilinear", align_corners=False)
    masks = []
    for mask, (down, right) in zip(enlarged[:, 0], offsets):
        top, left = int(down * cell[0]), int(right * cell[1])
        masks.append(mask[top:top + height, left:left + width])
    masks = torch.stack(masks)
    with torch.no_grad():
        p = torch.softmax(net(masks[:, None] * x), dim=1)[:, target]
    return (torch.tensordot(p, masks, dims=1) / count / keep).numpy()


def case(name, net, callable_net, default, folder, seed, numbers):
    x = images(2, SIZE, seed).double()
    with torch.no_grad():
        logits = callable_net(x)
    order = logits.argsort(1, descending=True)
    targets = torch.tensor([order[image, image] for image in range(len(x))])
    wanted = [ClassifierOutputTarget(int(target)) for target in targets]
    out = {"input": x.float(), "targets": targets, "logits": logits.float()}

    def put(method, heatmap):
        out["map." + method] = torch.tensor(np.ascontiguousarray(heatmap, dtype=np.float32))

    with FullGrad(model=callable_net, target_layers=[]) as cam:
        put("fullgrad", cam(input_tensor=x, targets=wanted))
    if name in SCORED:
        with ScoreCAM(model=callable_net, target_layers=[default]) as cam:
            put("scorecam", cam(input_tensor=x, targets=wanted))
    finer = FinerCAM(model=callable_net, target_layers=[default], base_method=GradCAM)
    finest = []
    for row, target in zip(logits, targets):
        near = np.argsort(np.abs(row.numpy() - row[target].item()), kind="stable")
        finest.append(FinerWeightedTarget(int(near[0]), [int(c) for c in near[1:4]], 0.6))
    put("finercam", finer(input_tensor=x, targets=finest))
    if name in CURVED:
        layer = dict(net.named_modules())[CURVED[name]]
        with ShapleyCAM(model=callable_net, target_layers=[layer]) as cam:
            put("shapleycam", cam(input_tensor=x, targets=wanted))
        with GradCAM(model=callable_net, target_layers=[layer]) as cam:
            put("shapleycam.first-order", cam(input_tensor=x, targets=wanted))
    x = x.detach()
    raw = IntegratedGradients(callable_net).attribute(x, target=targets, n_steps=STEPS, baselines=0.25)
    put("integrated-gradients", scaled(raw.sum(1).detach().numpy()))
    with torch.no_grad():
        raw = Occlusion(callable_net).attribute(x, (3, WINDOW, WINDOW), strides=(3, STRIDE, STRIDE), target=targets,
                                                baselines=0.25)
    put("occlusion", scaled(raw[:, 0].numpy()))
    put("rise", np.stack([scale_cam_image(scale_cam_image(rise(callable_net, image[None], target, numbers)[None]))[0]
                          for image, target in zip(x, targets)]))
    save_file({key: value.contiguous() for key, value in out.items()}, str(folder / f"{name}-beyond.safetensors"))
    return {"model": name, "case": "beyond", "layers": [], "classes": CLASSES}


def main():
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    torch.set_num_threads(2)
    numbers = load_file(str(folder / "uniform.safetensors"))["numbers"].numpy()
    cases = []
    for number, name in enumerate(sys.argv[2:]):
        net, callable_net, default, _ = make(name)
        randomise(net, torch.Generator().manual_seed(2000 + number))
        save_file({key: value.detach().clone().contiguous() for key, value in net.state_dict().items()},
                  str(folder / f"{name}.safetensors"))
        net.double().eval()
        callable_net.double().eval()
        cases.append(case(name, net, callable_net, default, folder, 10 * number, numbers))
    (folder / "cases.json").write_text(json.dumps(cases))


if __name__ == "__main__":
    main()
