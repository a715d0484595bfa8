"""packed.py OUT: torchvision.pth with its classifier as PyTorch's dynamic quantisation leaves it, int8 with one scale
(packed.pth.gz), and a dense layer alone with a scale for each output (packed-rows.pth.gz); packed.json has the real weights."""
import gzip, json, os, sys, warnings
import torch

warnings.filterwarnings("ignore")
OUT, here = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
state = torch.load(gzip.open(f"{here}/torchvision.pth.gz"))
want = {}


def quantised(rows, columns, qconfig):
    net = torch.nn.Sequential(torch.nn.Linear(columns, rows))
    net[0].load_state_dict({"weight": weight[:rows, :columns], "bias": bias[:rows]})
    q = torch.ao.quantization.quantize_dynamic(net, {"0": qconfig})
    return q, {"weight": q[0].weight().dequantize().tolist(), "bias": q[0].bias().tolist()}


def save(name, what):
    with gzip.GzipFile(f"{OUT}/{name}.gz", "wb", 9, mtime=0) as z:
        torch.save(what, z)


weight, bias = state.pop("fc.weight"), state.pop("fc.bias")
weight = weight * torch.linspace(0.5, 2, len(weight))[:, None] + torch.linspace(-0.01, 0.01, weight.shape[1])
q, want["packed.pth"] = quantised(*weight.shape, torch.ao.quantization.default_dynamic_qconfig)
save("packed.pth", {**state, **{"fc." + k[2:]: v for k, v in q.state_dict().items()}})
q, want["packed-rows.pth"] = quantised(2, 5, torch.ao.quantization.per_channel_dynamic_qconfig)
save("packed-rows.pth", q.state_dict())
json.dump(want, open(f"{OUT}/packed.json", "w"))
