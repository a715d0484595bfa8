"""Fine-tuning beside heads on the frozen trunk, on one split of label folders: every fifth picture of each
label tests, the others train. Prints accuracy, log loss and seconds of `rehead train --features last` and
`auto`, then of PyTorch in float32: a new last layer, then Mixed_7a to 7c with it, as Keras's guide to transfer
learning does (Adam with a small rate, batch norm as it was learned). What the frozen part makes of the pictures
is computed once.

    python finetune.py REHEAD WEIGHTS EPOCHS DIR...      (torch 2.15, torchvision 0.29, safetensors 0.8, pillow)

REHEAD is the binary, or - for PyTorch alone. WEIGHTS is a folded trunk of flavour tf-2015 in safetensors, whose
tensors have torchvision's names, such as the one that rehead pulls. Seconds are of training from pictures on, with
an empty cache; PyTorch's have the frozen part of the test pictures in them, a fifth of it. What is under way is said
on standard error.
"""
import csv
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torchvision.models import inception

BATCH, RATE = 32, 1e-4
TUNED = ("Mixed_7a", "Mixed_7b", "Mixed_7c", "fc")


class Conv(nn.Module):
    """A convolution into which batch norm was folded."""

    def __init__(self, ins, outs, **how):
        super().__init__()
        self.conv = nn.Conv2d(ins, outs, bias=True, **how)

    def forward(self, x):
        return F.relu(self.conv(x))


class Pools:
    """torch.nn.functional with average pools that do not count what lies outside."""

    def __getattr__(self, name):
        return getattr(F, name)

    def avg_pool2d(self, x, kernel_size, stride, padding):
        return F.avg_pool2d(x, kernel_size, stride, padding, count_include_pad=False)


class Largest(Pools):
    def avg_pool2d(self, x, kernel_size, stride, padding):
        return F.max_pool2d(x, kernel_size, stride, padding)


class Last(inception.InceptionE):
    """Mixed_7c of 2015, which takes the largest."""

    def forward(self, x):
        inception.F = Largest()
        try:
            return super().forward(x)
        finally:
            inception.F = Pools()


def network(weights, labels):
    inception.F, inception.BasicConv2d = Pools(), Conv
    net = inception.Inception3(num_classes=labels, aux_logits=False, init_weights=False, dropout=0.0)
    net.Mixed_7c = Last(2048)
    named = {k.replace(".weight", ".conv.weight").replace(".bias", ".conv.bias"): v.float()
             for k, v in load_file(weights).items()}
    missing, unexpected = net.load_state_dict(named, strict=False)
    assert not unexpected and set(missing) == {"fc.weight", "fc.bias"}, "other tensors than a folded trunk's"
    return net.to(memory_format=torch.channels_last).eval()


def pixels(path):
    picture = Image.open(path).convert("RGB").resize((299, 299), Image.Resampling.BILINEAR)
    return (torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() - 128) / 128


@torch.no_grad()
def until_6e(net, files):
    """What the part that stays frozen makes of the pictures."""
    out = []
    for i in range(0, len(files), 16):
        x = torch.stack([pixels(f) for f in files[i:i + 16]]).contiguous(memory_format=torch.channels_last)
        for name, block in net.named_children():
            if name == "Mixed_7a":
                break
            x = block(x)
        out.append(x.contiguous(memory_format=torch.channels_last))
        say(f"until Mixed_6e: {min(i + 16, len(files))} of {len(files)}")
    return torch.cat(out)


def say(text):
    print(text, file=sys.stderr, flush=True)


def answers(net, x):
    for name in TUNED[:-1]:
        x = getattr(net, name)(x)
    return net.fc(x.mean((2, 3)))


@torch.no_grad()
def measure(net, x, y):
    z = torch.cat([answers(net, x[i:i + BATCH]) for i in range(0, len(x), BATCH)])
    return (z.argmax(1) == y).float().mean().item(), F.cross_entropy(z, y).item()


def tune(net, x, y, epochs):
    with torch.no_grad():
        rows = torch.cat([net.Mixed_7c(net.Mixed_7b(net.Mixed_7a(x[i:i + BATCH]))).mean((2, 3))
                          for i in range(0, len(x), BATCH)])
    nn.init.zeros_(net.fc.weight)
    nn.init.zeros_(net.fc.bias)
    solver = torch.optim.Adam(net.fc.parameters(), 1e-3)
    for _ in range(30):
        for part in torch.randperm(len(y)).split(BATCH):
            solver.zero_grad()
            F.cross_entropy(net.fc(rows[part]), y[part]).backward()
            solver.step()
    solver = torch.optim.Adam([p for n in TUNED for p in getattr(net, n).parameters()], RATE)
    for _ in range(epochs):
        for part in torch.randperm(len(y)).split(BATCH):
            solver.zero_grad()
            F.cross_entropy(answers(net, x[part]), y[part]).backward()
            solver.step()
            yield


def heads(rehead, weights, train, test):
    for features in ("last", "auto"):
        with tempfile.TemporaryDirectory() as scratch:
            began = time.time()
            subprocess.run([rehead, "train", train, "--weights", weights, "--features", features, "--validation", "0",
                            "--test", "0", "--no-report", "--cache", scratch + "/cache", "-o", scratch + "/model"],
                           check=True, capture_output=True)
            seconds = time.time() - began
            subprocess.run([rehead, "evaluate", scratch + "/model", test, "--predictions", scratch + "/p.csv"],
                           check=True, capture_output=True)
            rows = list(csv.DictReader(open(scratch + "/p.csv")))
        right = np.mean([r["rank"] == "1" for r in rows])
        loss = np.mean([float(r["loss"]) for r in rows])
        yield f"--features {features}", right, loss, seconds


def main(rehead, weights, epochs, *folders):
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    for folder in map(pathlib.Path, folders):
        labels = sorted(d.name for d in folder.iterdir() if d.is_dir())
        with tempfile.TemporaryDirectory() as split:
            files = {"train": [], "test": []}
            for k, label in enumerate(labels):
                for i, f in enumerate(sorted((folder / label).iterdir())):
                    part = "test" if i % 5 == 4 else "train"
                    os.makedirs(f"{split}/{part}/{label}", exist_ok=True)
                    os.symlink(f.resolve(), f"{split}/{part}/{label}/{f.name}")
                    files[part].append((f, k))
            for row in heads(rehead, weights, split + "/train", split + "/test") if rehead != "-" else ():
                print(folder.name, "| %s | %.3f | %.3f | %.0f s" % row, flush=True)
        torch.manual_seed(0)
        net = network(weights, len(labels))
        began = time.time()
        y = {p: torch.tensor([k for _, k in pairs]) for p, pairs in files.items()}
        x = {p: until_6e(net, [f for f, _ in pairs]) for p, pairs in files.items()}
        steps = -(-len(y["train"]) // BATCH)
        say("the last layer")
        for i, _ in enumerate(tune(net, x["train"], y["train"], int(epochs))):
            if (i + 1) % steps == 0:
                right, loss = measure(net, x["test"], y["test"])
                print(folder.name, f"| fine-tuned, {(i + 1) // steps} epochs | {right:.3f} | {loss:.3f} | "
                      f"{time.time() - began:.0f} s", flush=True)


main(*sys.argv[1:])
