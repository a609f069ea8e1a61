"""The PyTorch training script that `training` is measured against: train_peer.py MODEL SIDE BATCH THREADS OPTIMIZER.

Decoded bytes in memory, channels_last, the loop that a careful author writes. Waits for a line with a number of steps,
does them, and prints the seconds they took.
"""

import sys
import time

import torch
import torchvision

name, side, batch, threads, optimizer = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
torch.set_num_threads(threads)
CLASSES = 4

model = getattr(torchvision.models, name.replace("-", "_"))(weights=None, num_classes=CLASSES)
model = model.to(memory_format=torch.channels_last).train()
make = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-4, weight_decay=0.01),
    "adamw-fused": lambda p: torch.optim.AdamW(p, lr=1e-4, weight_decay=0.01, fused=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9, weight_decay=0.01),
}
optimizer = make[optimizer](model.parameters())
criterion = torch.nn.CrossEntropyLoss()
count = 20 * batch
images = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8)
labels = torch.arange(count) % CLASSES
mean, std = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)


def step():
    chosen = torch.randint(0, count, (batch,))
    x = images[chosen].permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)
    optimizer.zero_grad()
    loss = criterion(model(x), labels[chosen])
    loss.backward()
    optimizer.step()
    return loss.item()


for line in sys.stdin:
    started = time.perf_counter()
    for _ in range(int(line)):
        step()
    print(time.perf_counter() - started, flush=True)
