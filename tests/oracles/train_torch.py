"""PyTorch's side of the comparisons of training: losses of whole runs, optimizer steps, schedules and losses.

Called with a folder that holds request.json; writes tensors into it and prints a JSON of figures.
"""

import json
import sys
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file, save_file

folder = Path(sys.argv[1])
request = json.loads((folder / "request.json").read_text())
torch.set_num_threads(request["threads"])


def initial_weights():
    torch.manual_seed(0)
    model = torchvision.models.resnet50(weights=None, num_classes=request["classes"])
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "resnet50.safetensors")


def run(case):
    """The losses of a training loop as a script would write it."""
    side, batches = request["side"], request["batches"][: case["steps"]]
    images = torch.frombuffer(bytearray((folder / "images.bin").read_bytes()), dtype=torch.uint8)
    images, labels = images.view(-1, side, side, 3), torch.tensor(request["labels"])
    model = torchvision.models.resnet50(weights=None, num_classes=request["classes"])
    model.load_state_dict(load_file(folder / "resnet50.safetensors"))
    # named_parameters in the order of names: clipping adds norms in the order of parameters.
    parameters = [p for _, p in sorted(model.named_parameters())]
    if case["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
    optimizer = getattr(torch.optim, case["optimizer"])(parameters, **case["arguments"])
    weight = torch.tensor(case["class_weights"]) if case["class_weights"] else None
    criterion = torch.nn.CrossEntropyLoss(weight=weight, label_smoothing=case["label_smoothing"])
    mean = torch.tensor(request["mean"]).view(1, 3, 1, 1)
    std = torch.tensor(request["std"]).view(1, 3, 1, 1)
    model.train()
    losses = []
    for batch in batches:
        x = images[batch].permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)
        x = x.contiguous(memory_format=torch.channels_last if case["channels_last"] else torch.contiguous_format)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=case["bf16"]):
            logits = model(x)
        loss = criterion(logits.float(), labels[batch])
        loss.backward()
        if case["clip_norm"]:
            torch.nn.utils.clip_grad_norm_(parameters, case["clip_norm"])
        optimizer.step()
        losses.append(loss.item())
    return losses


def optimizer_steps():
    """Five steps on parameters whose sizes fill no vector, no block and no thread's share evenly."""
    torch.manual_seed(1)
    shapes = [(7,), (3, 5, 3, 3), (130, 67, 3, 3), (100003,), (1, 1, 1, 1)]
    for name, make in {
        "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
        "sgd": lambda p: torch.optim.SGD(p, lr=1e-2),
        "momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, dampening=0.5, weight_decay=0.1),
        "nesterov": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True, weight_decay=0.1),
    }.items():
        saved = {}
        parameters = [torch.randn(s) for s in shapes]
        parameters[2] = parameters[2].contiguous(memory_format=torch.channels_last)
        for i, p in enumerate(parameters):
            saved[f"start.{i}"] = p.clone()
            p.requires_grad_()
        optimizer = make(parameters)
        for step in range(5):
            for i, p in enumerate(parameters):
                p.grad = torch.randn_like(p)
                saved[f"gradient.{step}.{i}"] = p.grad.clone()
            optimizer.step()
        for i, p in enumerate(parameters):
            saved[f"end.{i}"] = p.detach().clone()
        save_file({k: v.contiguous() for k, v in saved.items()}, folder / f"{name}.safetensors")


def schedules():
    def rates(make, steps):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
        schedule, rates = make(optimizer), []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return rates

    lr = torch.optim.lr_scheduler
    plateau_optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    plateau, plateau_rates = lr.ReduceLROnPlateau(plateau_optimizer, factor=0.2, patience=2), []
    for loss in request["plateau_losses"]:
        plateau.step(loss)
        plateau_rates.append(plateau_optimizer.param_groups[0]["lr"])
    return {
        "cosine": rates(lambda o: lr.CosineAnnealingLR(o, T_max=40), 40),
        "warm_cosine": rates(
            lambda o: lr.SequentialLR(
                o,
                [lr.LinearLR(o, start_factor=1 / 15, total_iters=14), lr.CosineAnnealingLR(o, T_max=25)],
                milestones=[15],
            ),
            40,
        ),
        "plateau": plateau_rates,
    }


def losses():
    torch.manual_seed(2)
    logits, labels = torch.randn(9, 4) * 3, torch.tensor([0, 1, 2, 3, 0, 0, 2, 1, 0])
    save_file({"logits": logits, "labels": labels}, folder / "losses.safetensors")
    out = []
    for weight in [None, [0.5, 2.0, 0.0, 1.5]]:
        for smoothing in [0.0, 0.1, 1.0]:
            w = torch.tensor(weight) if weight else None
            loss = torch.nn.functional.cross_entropy(logits, labels, weight=w, label_smoothing=smoothing)
            out.append({"weight": weight, "smoothing": smoothing, "loss": loss.item()})
    return out


initial_weights()
optimizer_steps()
print(json.dumps({"runs": [run(c) for c in request["cases"]], "schedules": schedules(), "losses": losses()}))
