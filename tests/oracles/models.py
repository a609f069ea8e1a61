"""torchvision's networks with randomised BatchNorm figures: weights, inputs and what they give. The older variant of ResNet50
is made from torchvision's by moving its strides.

    models.py FOLDER

Writes for each network, as safetensors: NAME.initial (weights of a fresh network after torch.manual_seed(SEED)),
NAME.weights (the same with BatchNorm scale, shift and running figures randomised), NAME.io with inputs x.SIZE, logits
eval.SIZE, and for training mode train.x, train.logits, the input's gradient train.grad and the running figures after
one step in NAME.after. Prints the cases as JSON.
"""
import json
import sys

import torch
import torchvision
from safetensors.torch import save_file

SEED = 20
CLASSES = 5


def resnet50_v1(**options):
    """The paper's variant: a block that halves the picture does so in its first 1x1 convolution."""
    net = torchvision.models.resnet50(**options)
    for module in net.modules():
        if isinstance(module, torchvision.models.resnet.Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, (1, 1)
    return net


CASES = {
    "resnet50": (torchvision.models.resnet50, [224, 96, 225]),
    "resnet50-v1": (resnet50_v1, [224, 97]),
    "densenet121": (torchvision.models.densenet121, [224, 96, 161]),
    "vgg16": (torchvision.models.vgg16, [224, 96, 161]),
    "efficientnet-b0": (torchvision.models.efficientnet_b0, [224, 96, 161]),
}


def contiguous(tensors):
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def without_counters(state):
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def main(folder):
    torch.set_num_threads(2)
    for name, (make, sizes) in CASES.items():
        torch.manual_seed(SEED)
        net = make(num_classes=CLASSES)
        save_file(contiguous(without_counters(net.state_dict())), f"{folder}/{name}.initial")
        generator = torch.Generator().manual_seed(SEED + 1)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                size = module.weight.shape
                module.weight.data = 0.5 + torch.rand(size, generator=generator)
                module.bias.data = 0.2 * torch.randn(size, generator=generator)
                module.running_mean = 0.2 * torch.randn(size, generator=generator)
                module.running_var = 0.5 + torch.rand(size, generator=generator)
        save_file(contiguous(without_counters(net.state_dict())), f"{folder}/{name}.weights")
        io = {}
        net.eval()
        with torch.no_grad():
            for size in sizes:
                io[f"x.{size}"] = x = torch.randn(2, 3, size, size, generator=generator)
                io[f"eval.{size}"] = net(x)
        net.train()
        x = torch.randn(4, 3, 96, 96, generator=generator).requires_grad_()
        torch.manual_seed(SEED + 2)
        logits = net(x)
        logits.square().sum().backward()
        io |= {"train.x": x, "train.logits": logits, "train.grad": x.grad}
        save_file(contiguous(io), f"{folder}/{name}.io")
        after = {n: t for n, t in net.state_dict().items() if "running_" in n}
        save_file(contiguous(after) or {"none": torch.zeros(1)}, f"{folder}/{name}.after")
    print(json.dumps({"seed": SEED, "classes": CLASSES, "sizes": {name: sizes for name, (_, sizes) in CASES.items()}}))


if __name__ == "__main__":
    main(sys.argv[1])
