"""Weights files as torch, torchvision and training frameworks write them, and harmful ones.

Called with a folder. Writes one file per case, for each network the float32 values that a reader has to find
(NETWORK.f32, or CASE.f32 where a case has its own), and oracle.json. Where the folder has NETWORK.exported, loads them into
torchvision's networks, and writes files of these too; else of a small network alone.
"""

import argparse
import collections
import json
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file, save_file

folder = Path(sys.argv[1])
torch.manual_seed(3)
cases, refused = [], []
with_torchvision = any(folder.glob("*.exported"))


class Small(torch.nn.Module):
    def __init__(self, classes=5, channels=3):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, 6, 3)
        self.bn1 = torch.nn.BatchNorm2d(6)
        self.conv2 = torch.nn.Conv2d(6, 8, (3, 5), bias=False)
        self.fc = torch.nn.Linear(8, classes)


def randomised(model):
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) * 2 - 0.5)
        else:
            value.fill_(12345)
    return model


def floats(state):
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def values(name, state):
    """The float32 values in the order of the state dict."""
    parts = [v.detach().to(torch.float32).contiguous().flatten() for v in floats(state).values()]
    torch.cat(parts).numpy().astype("<f4").tofile(folder / f"{name}.f32")


def network(name, model):
    trainable = {n for n, _ in model.named_parameters()}
    state = floats(model.state_dict())
    values(name, state)
    return [{"name": n, "shape": list(v.shape), "trainable": n in trainable} for n, v in state.items()]


def case(name, content, suffix="pth", own_values=None, network="small", **arguments):
    file = f"{name}.{suffix}"
    torch.save(content, folder / file, **arguments)
    if own_values is not None:
        values(name, own_values)
    cases.append({"file": file, "network": network, "values": name if own_values is not None else network})


small = randomised(Small())
optimizer = torch.optim.AdamW(small.parameters())
sum(p.sum() for p in small.parameters()).backward()
optimizer.step()  # Before anything is written: it changes the values.
state = small.state_dict()
networks = {"small": network("small", small)}
LEGACY = {"_use_new_zipfile_serialization": False}


def everywhere(name, content, **more):
    """As a zip archive and as the pickles of before torch 1.6."""
    case(f"{name}-zip", content, **more)
    case(f"{name}-legacy", content, suffix="pt", **more, **LEGACY)


everywhere("plain", state)
for protocol in (2, 3, 4, 5):
    everywhere(f"protocol{protocol}", state, pickle_protocol=protocol)
everywhere("dict", dict(state))
everywhere("parameters", {**dict(small.named_parameters()), **dict(small.named_buffers())})

everywhere("lightning", {
    "epoch": 3, "global_step": 1200, "pytorch-lightning_version": "2.2.0", "loops": {"fit_loop": {"state_dict": {}}},
    "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_score": torch.tensor(0.25)}},
    "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [], "hparams_name": "kwargs",
    "hyper_parameters": {"lr": 1e-3, "layers": (1, 2), "big": 2**70, "none": None, "set": {1, 2}, "on": True},
    "state_dict": collections.OrderedDict((f"model.{k}", v) for k, v in state.items()),
})
everywhere("model", {
    "model": state, "optimizer": optimizer.state_dict(), "epoch": 7, "acc": np.float64(0.75), "best": torch.tensor(0.5),
    "args": argparse.Namespace(lr=0.1, path=Path("a/b")), "shape": torch.Size([1, 2]), "device": torch.device("cpu"),
})
everywhere("data-parallel", torch.nn.DataParallel(small).state_dict())
everywhere("nested-prefixes", {"state_dict": {f"module._orig_mod.model.{k}": v for k, v in state.items()}})
everywhere("twice-nested", {"model": {"state_dict": state}})
everywhere("other-key", {"epoch": 1, "my_weights": state})
tagged = {k: v.clone() for k, v in state.items()}
tagged["fc.weight"].note = "an attribute, which torch pickles beside the tensor"
everywhere("attribute", tagged)

for name, dtype in {"half": torch.float16, "bfloat16": torch.bfloat16, "double": torch.float64}.items():
    if name == "double":  # Values that float32 has to round.
        wide = {k: torch.rand(v.shape, dtype=dtype) for k, v in floats(state).items()}
    else:
        wide = {k: v.to(dtype) for k, v in floats(state).items()}
    everywhere(name, wide, own_values=wide)
    save_file(wide, folder / f"{name}.safetensors")
    cases.append({"file": f"{name}.safetensors", "network": "small", "values": f"{name}-zip"})

# Views of one storage, in turned order, with a gap between.
flat, shared, at = torch.zeros(sum(v.numel() + 3 for v in state.values())), {}, 0
for k, v in reversed(list(floats(state).items())):
    shared[k] = flat[at : at + v.numel()].view(v.shape).copy_(v.detach())
    at += v.numel() + 3
everywhere("shared-storage", shared)
turned = {k: v.detach().permute(*reversed(range(v.dim()))).contiguous().permute(*reversed(range(v.dim())))
          for k, v in floats(state).items()}
assert not turned["fc.weight"].is_contiguous()
everywhere("transposed", turned)
everywhere("channels-last", {k: v.detach().contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v
                             for k, v in state.items()})
repeated = {**state, "bn1.weight": torch.tensor([0.5]).expand(6), "conv1.bias": torch.arange(12.0)[1::2]}
everywhere("repeated-and-stepped", repeated, own_values=repeated)
save_file({k: v.contiguous() for k, v in state.items()}, folder / "plain.safetensors", metadata={"format": "pt", "note": "x"})
cases.append({"file": "plain.safetensors", "network": "small", "values": "small"})
with zipfile.ZipFile(folder / "plain-zip.pth") as source, zipfile.ZipFile(
    folder / "deflated.pth", "w", compression=zipfile.ZIP_DEFLATED
) as packed:
    for entry in source.namelist():
        packed.writestr(entry, source.read(entry))
cases.append({"file": "deflated.pth", "network": "small", "values": "small"})

# The networks of torchvision; the plugin's VGG16 has no names that these do not, and half a gigabyte.
for name, make in {
    "resnet50": torchvision.models.resnet50,
    "densenet121": torchvision.models.densenet121,
    "efficientnet-b0": torchvision.models.efficientnet_b0,
}.items() if with_torchvision else ():
    model = randomised(make(weights=None, num_classes=3))
    networks[name] = network(name, model)
    case(f"{name}-zip", model.state_dict(), network=name)
    if name == "resnet50":
        continue  # One hundred megabytes a file.
    case(f"{name}-legacy", model.state_dict(), network=name, suffix="pt", **LEGACY)
    save_file(model.state_dict(), folder / f"{name}.safetensors")
    cases.append({"file": f"{name}.safetensors", "network": name, "values": name})
    if name != "densenet121":
        continue
    # torchvision's first DenseNet files: norm.1 for norm1, written before torch 1.6.
    old = {}
    for k, v in floats(model.state_dict()).items():
        for part in ("norm1", "norm2", "conv1", "conv2"):
            if "denselayer" in k:
                k = k.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")
        old[k] = v
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    case("old-densenet", old, network=name, **LEGACY)

# Files for networks of other classes or channels, named by what they are.
torch.save(randomised(Small(classes=9)).state_dict(), folder / "nine-classes.pth")
values("nine-classes", torch.load(folder / "nine-classes.pth"))
torch.save(randomised(torchvision.models.vgg11(weights=None, num_classes=2).features).state_dict(), folder / "vgg.pth")
headless = {k: v for k, v in state.items() if not k.startswith("fc.")}
torch.save({**headless, "extra.x": torch.zeros(1)}, folder / "headless.pth")
renamed = {f"enc.{k}": v for k, v in state.items() if not k.startswith("fc.")}
renamed |= {"head.weight": state["fc.weight"], "head.bias": state["fc.bias"], "conv1.aux": torch.zeros(2)}
torch.save({f"module.{k}": v for k, v in renamed.items()}, folder / "renamed.pth")
for name, value in {"nan": float("nan"), "infinite": float("-inf")}.items():
    torch.save({**state, "conv2.weight": state["conv2.weight"].clone().index_fill_(0, torch.tensor([2]), value)},
               folder / f"{name}.pth")
torch.save({**floats(state), "fc.bias": torch.tensor([1e300] * 5, dtype=torch.float64)}, folder / "too-wide.pth")
torch.save({**floats(state), "fc.bias": torch.arange(5)}, folder / "integers.pth")


class Harm:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def harmful(name, word, content, **arguments):
    torch.save(content, folder / f"{name}.pth", **arguments)
    refused.append({"file": f"{name}.pth", "words": [word]})


touched = folder / "touched"
harm = f"touch {touched}"
system = f"{os.system.__module__}.system"
for suffix, how in {"zip": {}, "legacy": LEGACY, "protocol4": {"pickle_protocol": 4}}.items():
    harmful(f"system-{suffix}", system, Harm(os.system, harm), **how)
    harmful(f"system-inside-{suffix}", system, {**state, "epoch": Harm(os.system, harm)}, **how)
    harmful(f"eval-{suffix}", "builtins.eval", {"state_dict": state, "x": Harm(eval, harm)}, **how)
harmful("exec", "builtins.exec", {"x": Harm(exec, "print(1)")})
harmful("getattr", "builtins.getattr", {"x": Harm(getattr, "a", "upper")})
harmful("popen", ".Popen`", {"x": Harm(__import__("subprocess").Popen, ["true"])})
harmful("load-from-bytes", "torch.storage._load_from_bytes", {"x": Harm(torch.storage._load_from_bytes, b"x")})
harmful("hub", "torch.hub.load", {"x": Harm(torch.hub.load, "a/b", "c")})
torch.save(small, folder / "whole-object.pth")
refused.append({"file": "whole-object.pth", "words": ["__main__.Small", "state_dict"]})
(folder / "raw.pth").write_bytes(pickle.dumps(Harm(os.system, harm), protocol=2))
refused.append({"file": "raw.pth", "words": [system]})
(folder / "other-pickle.pth").write_bytes(pickle.dumps({"a": 1}, protocol=2))
refused.append({"file": "other-pickle.pth", "words": ["not one that torch.save wrote"]})
torch.jit.script(torch.nn.ReLU()).save(str(folder / "script.pt"))
refused.append({"file": "script.pt", "words": ["TorchScript"]})
torch.save(torch.zeros(3), folder / "tensor.pth")
refused.append({"file": "tensor.pth", "words": ["a single tensor"]})
torch.save({"epoch": 3, "accuracy": 0.5}, folder / "no-weights.pth")
refused.append({"file": "no-weights.pth", "words": ["a dictionary of epoch, accuracy"]})
(folder / "page.pth").write_text("<html>404</html>")
refused.append({"file": "page.pth", "words": ["error page"]})
(folder / "empty.pth").write_bytes(b"")
refused.append({"file": "empty.pth", "words": ["neither safetensors nor"]})
torch.save([1, 2], folder / "list.pth")
refused.append({"file": "list.pth", "words": ["a list", "state_dict"]})
with zipfile.ZipFile(folder / "other.zip", "w") as other:
    other.writestr("readme.txt", "hello")
refused.append({"file": "other.zip", "words": ["data.pkl"]})
torch.save({"weight": torch.zeros(1 << 22)}, folder / "zeros.pth")
with zipfile.ZipFile(folder / "zeros.pth") as zeros, zipfile.ZipFile(
    folder / "bomb.pth", "w", compression=zipfile.ZIP_DEFLATED
) as bomb:
    for entry in zeros.namelist():
        bomb.writestr(entry, zeros.read(entry))
refused.append({"file": "bomb.pth", "words": ["grows from"]})

# What Lightbox exported, loaded as any user would.
exported = {}
for file in folder.glob("*.exported"):
    name, read = file.stem, load_file(file)
    model = getattr(torchvision.models, name.replace("-", "_"))(weights=None, num_classes=3)
    model.load_state_dict(read)  # Strict: every name, none more.
    values(f"{name}-exported", model.state_dict())
    counters = {k: v for k, v in read.items() if k.endswith("num_batches_tracked")}
    kinds = {(v.item(), str(v.dtype), v.dim()) for v in counters.values()}
    with safe_open(file, "pt") as opened:
        notes = opened.metadata()
    exported[name] = {"counters": len(counters), "kinds": sorted(kinds), "notes": notes}

assert not touched.exists()
oracle = {"networks": networks, "cases": cases, "refused": refused, "exported": exported}
(folder / "oracle.json").write_text(json.dumps(oracle))
