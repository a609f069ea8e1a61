"""What OpenCV, matplotlib, numpy and grad-cam 1.5.7 make of a map.

usage: metrics_picture.py FOLDER

Reads FOLDER/ours.npy, writes arrays as FOLDER/NAME.f32, .u8 or .npy and FOLDER/oracle.json.
"""
import json
import sys
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from pytorch_grad_cam.utils.image import show_cam_on_image

OUT = Path(sys.argv[1])
RNG = np.random.default_rng(7)

resized = []
for i, (source, target) in enumerate([((224, 224), (450, 600)), ((224, 224), (97, 301)), ((7, 7), (224, 224)), ((1, 5), (3, 20))]):
    values = RNG.random(source).astype("<f4")
    values.tofile(OUT / f"resize-{i}-from.f32")
    cv2.resize(values, target[::-1]).astype("<f4").tofile(OUT / f"resize-{i}-to.f32")
    resized.append({"from": source, "to": target})

overlays = []
for i, (height, width, weight) in enumerate([(120, 160, 0.5), (64, 48, 0.3), (33, 57, 0.5)]):
    pixels = RNG.integers(0, 256 if i < 2 else 140, size=(height, width, 3), dtype=np.uint8)
    values = RNG.random((height, width)).astype("<f4")
    values.flat[:2] = 0, 1
    pixels.tofile(OUT / f"overlay-{i}-image.u8")
    values.tofile(OUT / f"overlay-{i}-map.f32")
    shown = show_cam_on_image(np.float32(pixels) / 255, values, use_rgb=True, image_weight=weight)
    shown.tofile(OUT / f"overlay-{i}-shown.u8")
    overlays.append({"height": height, "width": width, "weight": weight})

steps = np.arange(256, dtype=np.uint8)
colors = {name: matplotlib.colormaps[name](steps, bytes=True)[:, :3].ravel().tolist() for name in ("viridis", "inferno", "cividis")}
colors["jet"] = cv2.applyColorMap(steps.reshape(-1, 1), cv2.COLORMAP_JET)[:, 0, ::-1].ravel().tolist()

ours = np.load(OUT / "ours.npy", allow_pickle=False)
np.save(OUT / "theirs.npy", np.arange(12, dtype=np.float32).reshape(3, 4))
np.lib.format.write_array(open(OUT / "theirs-2.npy", "wb"), np.ones((2, 5), np.float32), version=(2, 0))
np.save(OUT / "fortran.npy", np.asfortranarray(np.ones((2, 5), np.float32)))
np.save(OUT / "double.npy", np.ones((2, 5)))

(OUT / "oracle.json").write_text(json.dumps({
    "resized": resized, "overlays": overlays, "colors": colors,
    "ours": {"dtype": str(ours.dtype), "shape": ours.shape, "values": ours.ravel().tolist()},
}))
