"""What Pillow, NumPy, OpenCV and torchvision make of the same files.

usage: decode.py FOLDER

Writes image files into FOLDER (reproducibly), and beside each case the pixels that the reference gives, as raw bytes;
prints a JSON list of cases: {"file", "kind", "expected", "width", "height", "channels", ...}.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import tifffile
import torch
from PIL import Image, ImageOps
from torchvision.transforms import v2
from torchvision.transforms import InterpolationMode, Resize

folder = Path(sys.argv[1])
rng = np.random.default_rng(20250307)
cases = []


def scene(width, height, channels=3, top=255):
    """Smooth shapes with some texture, as an integer array."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = []
    for plane in range(channels):
        value = 0.5 + 0.3 * np.sin(9 * x + plane) * np.cos(7 * y - plane)
        value += 0.25 * ((x - 0.4) ** 2 + (y - 0.3) ** 2 < 0.05)
        value += 0.03 * rng.standard_normal((height, width))
        planes.append(np.clip(value, 0, 1) * top)
    array = np.stack(planes, -1).round()
    return (array[..., 0] if channels == 1 else array).astype(np.uint8 if top < 256 else np.uint16)


def case(name, kind, expected, **more):
    expected = np.ascontiguousarray(expected)
    assert expected.dtype == np.uint8
    target = f"{len(cases):03}.raw"
    (folder / target).write_bytes(expected.tobytes())
    shape = expected.shape if expected.ndim == 3 else expected.shape + (1,)
    cases.append(
        {"file": name, "kind": kind, "expected": target, "width": shape[1], "height": shape[0], "channels": shape[2], **more}
    )


def pillow(name, tolerance=0, **more):
    """The file in colour and in grey, upright, by Pillow."""
    upright = ImageOps.exif_transpose(Image.open(folder / name))
    case(name, "decode", np.asarray(upright.convert("RGB")), tolerance=tolerance, **more)
    case(name, "decode", np.asarray(upright.convert("RGB").convert("L")), tolerance=tolerance, **more)


def save(name, image, **options):
    image.save(folder / name, **options)
    return name


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


colour, grey = Image.fromarray(scene(67, 45)), Image.fromarray(scene(67, 45, 1))
alpha = colour.copy()
alpha.putalpha(grey)
grey_alpha = Image.merge("LA", (grey, grey.transpose(Image.Transpose.FLIP_TOP_BOTTOM)))
palette = colour.quantize(64)

# Lossless formats: equal to the bit.
for ending in ["png", "tif", "bmp", "webp"]:
    options = {"lossless": True} if ending == "webp" else {}
    pillow(save(f"colour.{ending}", colour, **options))
    pillow(save(f"grey.{ending}", grey, **options))
    if ending != "bmp":
        pillow(save(f"alpha.{ending}", alpha, **({"lossless": True, "exact": True} if ending == "webp" else {})))
    if ending != "webp":
        pillow(save(f"palette.{ending}", palette))
        pillow(save(f"bilevel.{ending}", grey.convert("1")))
pillow(save("grey_alpha.png", grey_alpha))
pillow(save("grey_alpha.tif", grey_alpha))
pillow(save("cmyk.tif", colour.convert("CMYK")), tolerance=1)
for compression in ["tiff_lzw", "tiff_deflate", "packbits"]:
    pillow(save(f"{compression}.tif", colour, compression=compression))
for bits in [1, 2, 4]:
    pillow(save(f"palette{bits}.png", colour.quantize(2**bits), bits=bits))
transparent = colour.quantize(32)
pillow(save("transparent.png", transparent, transparency=3))
tifffile.imwrite(folder / "planar.tif", np.moveaxis(np.asarray(colour), -1, 0), planarconfig="separate", photometric="rgb")
pillow("planar.tif")
tifffile.imwrite(folder / "white.tif", np.asarray(grey), photometric="miniswhite")
pillow("white.tif")
tifffile.imwrite(folder / "tiled.tif", np.asarray(colour), tile=(32, 32), photometric="rgb")
pillow("tiled.tif")
tifffile.imwrite(folder / "big.tif", np.asarray(colour), bigtiff=True, photometric="rgb")
pillow("big.tif")
# By content, not by ending.
(folder / "really_a_png.jpg").write_bytes((folder / "colour.png").read_bytes())
pillow("really_a_png.jpg")

# JPEG: within the difference of two inverse cosine transforms and upsamplings.
for sampling in [0, 1, 2]:
    pillow(save(f"sampling{sampling}.jpg", colour, quality=90, subsampling=sampling), tolerance=None)
pillow(save("grey.jpg", grey, quality=85), tolerance=None)
pillow(save("progressive.jpg", colour, quality=80, progressive=True), tolerance=None)
pillow(save("restart.jpg", colour, quality=90, restart_marker_blocks=3), tolerance=None)
pillow(save("cmyk.jpg", colour.convert("CMYK"), quality=95), tolerance=None, inks=True)
pillow(save("lossy.webp", colour, quality=90), tolerance=None)

# All orientations in all formats that carry one.
for orientation in range(1, 9):
    pillow(save(f"turned{orientation}.jpg", colour, quality=95, subsampling=0, exif=exif(orientation)), tolerance=None)
    pillow(save(f"turned{orientation}.png", colour, exif=exif(orientation)))
    pillow(save(f"turned{orientation}.webp", colour, lossless=True, exif=exif(orientation)))
    pillow(save(f"turned{orientation}.tif", colour, tiffinfo={274: orientation}))

# More than 8 bits: the intensity rule by NumPy's percentile of what the file stores.


def scaled(array, low, high):
    value = np.clip((array.astype(np.float64) - low) / (high - low), 0, 1) * 255
    return np.floor(value + 0.5).astype(np.uint8)


def deep(name, array, full, turn=lambda shown: shown):
    low, high = np.percentile(array.astype(np.float64), [0.5, 99.5])
    rules = {
        "percentile": (low, high),
        "full": (0, full),
        "window": (float(np.median(array)) - 150.0, float(np.median(array)) + 150.0),
    }
    for rule, (bottom, top) in rules.items():
        expected = turn(scaled(array, bottom, top))
        if expected.ndim == 2:
            case(name, "deep", expected, rule=rule, bounds=[bottom, top])
            expected = np.repeat(expected[..., None], 3, -1)
        case(name, "deep", expected, rule=rule, bounds=[bottom, top])


def deep_as_grey(name, array):
    """A deep colour image in one channel: the luma first, then its percentiles."""
    luma = np.floor(array.astype(np.float64) @ [0.299, 0.587, 0.114] + 0.5)
    bounds = [float(bound) for bound in np.percentile(luma, [0.5, 99.5])]
    case(name, "deep", scaled(luma, *bounds), rule="percentile", bounds=bounds, tolerance=1)


twelve = scene(61, 43, 1, 4095)
Image.fromarray(twelve).save(folder / "twelve.png")
deep("twelve.png", twelve, 65535)
tifffile.imwrite(folder / "twelve.tif", twelve)
deep("twelve.tif", twelve, 65535)
tifffile.imwrite(folder / "twelve_big_endian.tif", twelve, byteorder=">")
deep("twelve_big_endian.tif", twelve, 65535)
deep_colour = scene(40, 31, 3, 3000)
tifffile.imwrite(folder / "deep_colour.tif", deep_colour, photometric="rgb")
deep("deep_colour.tif", deep_colour, 65535)
cv2.imwrite(str(folder / "deep_colour.png"), deep_colour[..., ::-1])
deep("deep_colour.png", deep_colour, 65535)
deep_as_grey("deep_colour.tif", deep_colour)
deep_as_grey("deep_colour.png", deep_colour)
# Tag 274 with value 6: shown after a quarter turn clockwise.
tifffile.imwrite(folder / "deep_turned.tif", twelve, extratags=[(274, 3, 1, 6, True)])
deep("deep_turned.tif", twelve, 65535, turn=lambda stored: np.rot90(stored, -1))
signed = scene(50, 37, 1, 3000).astype(np.int16) - 1000
tifffile.imwrite(folder / "signed.tif", signed)
deep("signed.tif", signed, 32767)
real = (scene(50, 37, 1, 3000).astype(np.float32) / 1000).astype(np.float32) - 1
tifffile.imwrite(folder / "real.tif", real)
deep("real.tif", real, 1.0)
# Few, far-apart values, so that the percentiles fall between them and both ways of interpolating are met.
for count in [2, 7, 200]:
    sparse = (rng.integers(0, 400, (count, 1)) * 163).astype(np.uint16)
    tifffile.imwrite(folder / f"sparse{count}.tif", sparse)
    deep(f"sparse{count}.tif", sparse, 65535)
wide = scene(50, 37, 1, 60000).astype(np.uint32) * 16
tifffile.imwrite(folder / "wide.tif", wide)
deep("wide.tif", wide, 2**32 - 1)

# CLAHE, also where tiles do not divide the picture.
for width, height in [(64, 64), (67, 45), (50, 64), (9, 7)]:
    for clip, tiles in [(2.0, 8), (40.0, 4), (0.5, 3)]:
        name = f"clahe_{width}x{height}.png"
        array = scene(width, height, 1)
        rough = (folder / name).exists()
        if rough:
            array = np.asarray(Image.open(folder / name))
        else:
            Image.fromarray(array).save(folder / name)
        case(name, "clahe", cv2.createCLAHE(clip, (tiles, tiles)).apply(array), clip=clip, tiles=tiles)

# Resize, up and down, odd sizes, by both of torchvision's ways: on the integers, and through floating point.
shapes = [(512, 512), (200, 150), (1, 1), (3, 7), (97, 31), (224, 224), (640, 481), (225, 223), (30, 1000)]
targets = [(224, 224), (33, 65), (300, 200), (1, 1)]
torch.set_num_threads(1)
for width, height in shapes:
    for channels in [1, 3]:
        name = f"resize_{width}x{height}x{channels}.png"
        Image.fromarray(scene(width, height, channels)).save(folder / name)
        tensor = torch.from_numpy(np.asarray(Image.open(folder / name)).copy())
        tensor = tensor[None] if channels == 1 else tensor.permute(2, 0, 1).contiguous()
        for to_width, to_height in targets:
            size = [to_height, to_width]
            for way, transform in [("v1", Resize), ("v2", v2.Resize)]:
                try:
                    result = transform(size, InterpolationMode.BILINEAR, antialias=True)(tensor)
                except RuntimeError as error:
                    # PyTorch's integer kernel trips over an assertion of its own at some sizes of a pixel or two.
                    assert "INTERNAL ASSERT" in str(error) and min(width, height, to_width, to_height) == 1
                    continue
                case(name, "resize", result.permute(1, 2, 0).numpy(), way=way)

print(json.dumps(cases))
