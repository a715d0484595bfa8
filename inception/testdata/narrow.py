#!/usr/bin/python3
"""narrow.py: makes narrow.safetensors and narrow-taps.safetensors, the parity fixture of package inception.

Run in this folder, with nothing but PyTorch and torchvision (made with 1.13.1 and 0.14.1 of Debian 12):

    /usr/bin/python3 narrow.py

The network is torchvision's own Inception3 with every convolution narrowed to max(int(0.05*d), 16) channels and made-up
weights that float16 holds exactly, in the form that rehead reads (batch norm folded: convolution, bias, ReLU). It is run
as it stands (average pools count their border), with torch's count_include_pad=False (tf-slim, keras), and with a max
pool in Mixed_7c on top of that (tf-2015). Stored are three input pictures, the bottlenecks and logits of each way, the
output of Mixed_7c of each way, and the output of every block for the first picture (of blocks above 25 pixels every
fourth channel)."""
import json, struct, numpy as np, torch, torchvision
from torch.nn import functional as F
from torchvision.models import inception

WIDTH, SIZE, CLASSES = 0.05, 139, 7


class Narrow(torch.nn.Module):
    """Stands in for BasicConv2d; the channels coming in are whatever comes in."""

    def __init__(self, channels, out, **kwargs):
        super().__init__()
        self.conv = torch.nn.LazyConv2d(max(int(WIDTH * out), 16), **kwargs)

    def forward(self, x):
        return F.relu(self.conv(x))


def write(path, meta, tensors):
    header, blobs, at = {"__metadata__": meta}, [], 0
    for name in sorted(tensors, key=lambda n: (-tensors[n].itemsize, n)):
        a = np.ascontiguousarray(tensors[name])
        kind = {"float32": "F32", "float16": "F16", "uint8": "U8"}[str(a.dtype)]
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        blobs.append(a.tobytes())
        at += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


torch.manual_seed(20151205)
torch.set_num_threads(1)
rng = np.random.default_rng(20151205)
inception.BasicConv2d = Narrow
net = torchvision.models.inception_v3(weights=None, init_weights=False, aux_logits=False, transform_input=False).eval()
yy, xx = np.mgrid[0:SIZE, 0:SIZE]
pics = np.full((3, 3, SIZE, SIZE), 127.0) + rng.normal(0, 25, (3, 3, SIZE, SIZE))
for p in pics.reshape(9, SIZE, SIZE):
    for _ in range(5):
        a, b, c = rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3), rng.uniform(0, 6.3)
        p += rng.uniform(10, 30) * np.sin(a * xx + b * yy + c)
pics = np.clip(pics, 0, 255).astype("u1")
x = torch.from_numpy(pics.astype("f4") / 127.5 - 1)

net.fc = torch.nn.Identity()
with torch.no_grad():
    features = net(x).shape[1]  # makes the lazy convolutions
    net.fc = torch.nn.Linear(features, CLASSES)
    for m in net.modules():
        if isinstance(m, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            torch.nn.init.normal_(m.bias, 0, 0.1)
        if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
            m.weight.copy_(m.weight.half().float())
            m.bias.copy_(m.bias.half().float())
weights = {n.replace(".conv.", "."): p.detach().half().numpy() for n, p in net.named_parameters()}
meta = {"format": "rehead-trunk/1", "flavor": "torchvision", "width": str(WIDTH), "source": "made up by narrow.py"}
write("narrow.safetensors", meta, weights)

out = {"input": pics}
taps = {}
for name, m in net.named_children():
    if name not in ("avgpool", "dropout", "fc"):
        m.register_forward_hook(lambda m, i, o, n=name: taps.__setitem__(n, o.numpy().copy()))
net.avgpool.register_forward_hook(lambda m, i, o: taps.__setitem__("bottleneck", o.flatten(1).numpy().copy()))


def run(way):
    with torch.no_grad():
        out[way + ".logits"] = net(x).numpy()
    out[way + ".bottleneck"] = taps["bottleneck"]
    out[way + ".Mixed_7c"] = taps["Mixed_7c"]


avg = F.avg_pool2d
run("torchvision")
for name, t in taps.items():
    if name != "bottleneck":
        out["tap." + name] = t[0, ::4] if t.shape[2] > 25 else t[0]
F.avg_pool2d = lambda v, **k: avg(v, **k, count_include_pad=False)
run("keras")
inside = net.Mixed_7c.forward


def with_max(v):
    kept, F.avg_pool2d = F.avg_pool2d, F.max_pool2d
    try:
        return inside(v)
    finally:
        F.avg_pool2d = kept


net.Mixed_7c.forward = with_max
run("tf-2015")
write("narrow-taps.safetensors", {"format": "rehead-parity/1"}, out)
