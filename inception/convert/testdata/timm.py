#!/usr/bin/python3
"""timm.py OUTDIR: the fixtures' network (see narrow.py) as timm builds it, exported by torch.onnx.

timm cannot be installed beside Debian's PyTorch. Its inception_v3 computes what torchvision's does, from modules of other
kinds and names: the ReLU is a part of the batch norm (BatchNormAct2d), the stem's pools are modules Pool1 and Pool2, the
global pool is a SelectAdaptivePool2d, and there is no auxiliary classifier. The classes here are laid out like that, so that
the exporter writes the nodes and names that it writes for timm's.

  timm-folded.onnx    batch norm folded, the exporter's default
  timm-unfolded.onnx  not folded
  timm-fast.onnx      the global pool as a mean over height and width (timm's "fast" pools)
  timm-1001.onnx      a classifier of 1001 rows, as in the networks that were ported from TF-slim
  timm-trunk.onnx     without a classifier (num_classes=0)

Beside them lie the network as net.pth, torchvision's state dict, and features.npy [2,127] and logits.npy [2,10], what timm's
layout makes of narrow.pictures(2). (The running means are computed anew, so they differ in the last digits from those of the
committed fixtures.)"""
import sys
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
import narrow


class BatchNormAct2d(nn.BatchNorm2d):
    def __init__(self, bn):
        super().__init__(bn.num_features, eps=bn.eps)
        self.load_state_dict(bn.state_dict())
        self.drop, self.act = nn.Identity(), nn.ReLU(inplace=True)

    def forward(self, x):
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training, 0.1, self.eps)
        return self.act(self.drop(x))


class ConvNormAct(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.conv, self.bn, self.aa = block.conv, BatchNormAct2d(block.bn), nn.Identity()

    def forward(self, x):
        return self.aa(self.bn(self.conv(x)))


class FastPool(nn.Module):
    def forward(self, x):
        return x.mean((2, 3), keepdim=True)


class SelectAdaptivePool2d(nn.Module):
    def __init__(self, fast):
        super().__init__()
        self.pool, self.flatten = FastPool() if fast else nn.AdaptiveAvgPool2d(1), nn.Flatten(1)

    def forward(self, x):
        return self.flatten(self.pool(x))


BLOCKS = [f"Mixed_{b}" for b in "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split()]


class InceptionV3(nn.Module):
    def __init__(self, net, fc, fast=False):
        super().__init__()
        for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"):
            setattr(self, name, ConvNormAct(getattr(net, name)))
        self.Pool1, self.Pool2 = nn.MaxPool2d(3, stride=2), nn.MaxPool2d(3, stride=2)
        for name in BLOCKS:
            block = getattr(net, name)
            for branch, m in list(block.named_children()):
                setattr(block, branch, ConvNormAct(m))
            setattr(self, name, block)
        self.global_pool, self.head_drop, self.fc = SelectAdaptivePool2d(fast), nn.Dropout(0.0), fc

    def bottleneck(self, x):
        x = self.Pool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.Pool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        for name in BLOCKS:
            x = getattr(self, name)(x)
        return self.head_drop(self.global_pool(x))

    def forward(self, x):
        return self.fc(self.bottleneck(x))


def export(path, head=lambda fc: fc, fast=False, **kw):
    net = narrow.make(0.06, 10, 1)
    timm = InceptionV3(net, head(net.fc), fast).eval()
    torch.onnx.export(timm, narrow.pictures(1), path, input_names=["input"], output_names=["output"], dynamic_axes={"input": {0: "batch"}}, **kw)


def more(fc):
    out = nn.Linear(fc.in_features, 1001)
    nn.init.zeros_(out.weight)
    out.weight.data[:10], out.bias.data[:] = fc.weight.data, torch.arange(1001) / 1001
    return out


if __name__ == "__main__":
    out = sys.argv[1]
    export(f"{out}/timm-folded.onnx", opset_version=13)
    export(f"{out}/timm-unfolded.onnx", opset_version=16, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, keep_initializers_as_inputs=True)
    export(f"{out}/timm-fast.onnx", fast=True, opset_version=13)
    export(f"{out}/timm-1001.onnx", head=more, opset_version=11)
    export(f"{out}/timm-trunk.onnx", head=lambda fc: nn.Identity(), opset_version=13)
    net = narrow.make(0.06, 10, 1)
    torch.save(net.state_dict(), f"{out}/net.pth")
    with torch.no_grad():
        timm = InceptionV3(net, net.fc).eval()
        features = timm.bottleneck(narrow.pictures(2))
        np.save(f"{out}/features.npy", features.numpy())
        np.save(f"{out}/logits.npy", timm.fc(features).numpy())
