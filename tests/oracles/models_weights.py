"""Weights files as torch and others write them, of one small network.

    models_weights.py FOLDER

Writes expected.safetensors (the values, float32) and one file for each way of saving them; prints for each file whether it
is to be read or what the refusal says, as JSON.
"""
import argparse
import collections
import datetime
import json
import os
import pathlib
import pickle
import sys
import zipfile

import numpy
import torch
from safetensors.torch import save_file


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 8, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(8)
        self.layer1 = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3), torch.nn.BatchNorm2d(16))
        self.fc = torch.nn.Linear(16, 4)

    def forward(self, x):
        return self.fc(self.layer1(self.bn1(self.conv1(x))).mean((2, 3)))


class Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


def main(folder):
    torch.manual_seed(1)
    net = Net()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked += 17
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(2, 3, 9, 9)).square().sum().backward()
    optimizer.step()
    net.eval()
    state = net.state_dict()
    path = lambda name: os.path.join(folder, name)
    save_file({n: t.clone().contiguous() for n, t in state.items()}, path("expected.safetensors"), {"note": "small"})
    read, refused = [], {}

    def save(name, value, **options):
        torch.save(value, path(name), **options)
        read.append(name)

    read.append("expected.safetensors")
    save("zip.pth", state)
    save("legacy.pth", state, _use_new_zipfile_serialization=False)
    save("protocol4.pth", state, pickle_protocol=4)
    save("protocol5-legacy.pth", state, pickle_protocol=5, _use_new_zipfile_serialization=False)
    save("plain-dict.pth", dict(state))
    save("module.pth", prefixed(state, "module."))
    save("wrapped-thrice.pth", prefixed(state, "module._orig_mod.model."))
    save("parameters.pth", net.state_dict(keep_vars=True))
    save("parameters-legacy.pth", net.state_dict(keep_vars=True), _use_new_zipfile_serialization=False)
    checkpoint = {
        "epoch": 3, "best": torch.tensor(0.5), "model": state, "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.1, out=pathlib.PosixPath("/tmp/x"), when=datetime.timedelta(1), tags={"a", "b"}),
        "score": numpy.float64(0.25), "table": numpy.arange(3), "device": torch.device("cpu"), "shape": torch.Size([1, 2]),
        "counts": collections.defaultdict(int, a=1), "dtype": torch.float32, "big": 1 << 90, "negative": -5,
    }
    save("checkpoint.pth", checkpoint)
    save("checkpoint-legacy.pth", checkpoint, _use_new_zipfile_serialization=False)
    save("lightning.ckpt", {
        "epoch": 1, "global_step": 10, "pytorch-lightning_version": "2.0.0",
        "state_dict": prefixed(state, "model.") | {"criterion.weight": torch.ones(4)},
        "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [], "callbacks": {"Checkpoint{}": {"best": None}},
        "hyper_parameters": {"lr": 0.1},
    })
    save("nested.pth", {"model": {"state_dict": state}})
    save("other-key.pth", {"epoch": 1, "my_weights": state})

    flat = torch.cat([tensor.flatten().float() for tensor in state.values()])
    shared, at = {}, 0
    for name, tensor in state.items():
        shared[name] = flat[at:at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    save("shared.pth", shared)
    save("shared-legacy.pth", shared, _use_new_zipfile_serialization=False)
    strided = dict(state)
    strided["conv1.weight"] = state["conv1.weight"].to(memory_format=torch.channels_last)
    strided["fc.weight"] = state["fc.weight"].t().contiguous().t()
    save("strided.pth", strided)
    save("strided-legacy.pth", strided, _use_new_zipfile_serialization=False)
    save("double.pth", {n: t.double() for n, t in state.items()})
    tagged = {n: t.clone() for n, t in state.items()}
    tagged["fc.weight"].note = "an attribute"
    save("attribute.pth", tagged)

    with zipfile.ZipFile(path("zip.pth")) as old, zipfile.ZipFile(path("deflated.pth"), "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
    read.append("deflated.pth")

    torch.save({n: t.half() for n, t in state.items()}, path("half.pth"))
    torch.save({n: t.bfloat16() for n, t in state.items()}, path("bfloat16.pth"))
    save_file({n: t.half().float() for n, t in state.items()}, path("half.expected"))
    save_file({n: t.bfloat16().float() for n, t in state.items()}, path("bfloat16.expected"))
    torch.save(dict(state) | {"bn1.running_mean": torch.tensor(1.5).expand(8)}, path("expanded.pth"))

    def refuse(name, says):
        refused[name] = says

    for legacy in (False, True):
        end = "-legacy.pth" if legacy else ".pth"
        options = {"_use_new_zipfile_serialization": not legacy}
        torch.save({"weight": Attack(os.system, "touch /tmp/never")}, path("attack" + end), **options)
        refuse("attack" + end, ["posix.system", "nothing was run"])
        torch.save({"weight": Attack(eval, "1+1"), **state}, path("eval" + end), **options)
        refuse("eval" + end, ["builtins.eval"])
        torch.save(net, path("object" + end), **options)
        refuse("object" + end, ["__main__.Net", "state_dict()"])
    torch.save([1, 2], path("list.pth"))
    refuse("list.pth", ["a list", "state_dict"])
    torch.save({"epoch": 1, "lr": 0.1}, path("empty.pth"))
    refuse("empty.pth", ["epoch, lr"])
    torch.jit.trace(net, torch.zeros(1, 3, 9, 9)).save(path("script.pt"))
    refuse("script.pt", ["TorchScript"])
    with open(path("plain.pkl"), "wb") as out:
        pickle.dump({"a": [1.0]}, out, protocol=2)
    refuse("plain.pkl", ["not one that torch.save wrote"])
    with zipfile.ZipFile(path("other.zip"), "w") as other:
        other.writestr("readme.txt", "hello")
    refuse("other.zip", ["data.pkl"])
    with open(path("page.pth"), "w") as out:
        out.write("<html>404</html>")
    refuse("page.pth", ["error page"])
    nan = {n: t.clone() for n, t in state.items()}
    nan["layer1.0.bias"][3] = float("nan")
    nan["layer1.0.bias"][5] = float("inf")
    torch.save(nan, path("nan.pth"))
    huge = {n: t.double() for n, t in state.items()}
    huge["fc.bias"][0] = 1e300
    torch.save(huge, path("huge.pth"))
    print(json.dumps({"read": read, "refused": refused}))


if __name__ == "__main__":
    main(sys.argv[1])
