#!/usr/bin/python3
"""forward.py WEIGHTS INPUT OUTPUT: PyTorch's bottlenecks for a converted weight file.

WEIGHTS is a converted safetensors file (float32 or float16) of any flavour and width; INPUT raw little-endian float32
[n,3,size,size] with its size as the number of bytes tells (299 unless SIZE is given as a fourth argument); OUTPUT gets
raw float32 [n,features]. The network is torchvision's own Inception3; only the three things in which flavours differ
are put in: biases instead of batch norm, the border of average pools, the pool of Mixed_7c."""
import json, struct, sys, numpy as np, torch, torchvision
from torch.nn import functional as F
from torchvision.models import inception

weights, source, target = sys.argv[1:4]
size = int(sys.argv[4]) if len(sys.argv) > 4 else 299
with open(weights, "rb") as f:
    (n,) = struct.unpack("<Q", f.read(8))
    header = json.loads(f.read(n))
    data = f.read()
meta = header.pop("__metadata__")
width, flavor = float(meta["width"]), meta["flavor"]


class Folded(torch.nn.Module):
    def __init__(self, channels, out, **kwargs):
        super().__init__()
        self.conv = torch.nn.LazyConv2d(out if width == 1 else max(int(width * out), 16), **kwargs)

    def forward(self, x):
        return F.relu(self.conv(x))


inception.BasicConv2d = Folded
net = torchvision.models.inception_v3(weights=None, init_weights=False, aux_logits=False, transform_input=False).eval()
net.fc = torch.nn.Identity()
avg = F.avg_pool2d
if flavor not in ("torchvision", "timm"):
    F.avg_pool2d = lambda v, **k: avg(v, **k, count_include_pad=False)
if flavor in ("tf-2015", "pytorch-fid"):
    inside = net.Mixed_7c.forward

    def with_max(v):
        kept, F.avg_pool2d = F.avg_pool2d, F.max_pool2d
        try:
            return inside(v)
        finally:
            F.avg_pool2d = kept

    net.Mixed_7c.forward = with_max
x = torch.from_numpy(np.fromfile(source, "<f4").reshape(-1, 3, size, size))
with torch.no_grad():
    net(x[:1])
    for name, p in net.named_parameters():
        t = header.pop(name.replace(".conv.", "."))
        begin, end = t["data_offsets"]
        kind = {"F32": "<f4", "F16": "<f2"}[t["dtype"]]
        p.copy_(torch.from_numpy(np.frombuffer(data[begin:end], kind).reshape(t["shape"]).astype("f4")))
    net(x).numpy().astype("<f4").tofile(target)
