"""programs.py OUT: a narrow torchvision InceptionV3 with (x/255-mean)/std in front and a head of several layers behind, in the
forms in which PyTorch and OpenVINO save programs and whole networks, and its answers (programs.json).

chain.pt2        torch.export.save
chain-trace.pt   torch.jit.trace, saved
chain-script.pt  torch.jit.script of the network without what stands in front, frozen
whole.pth        the same network, pickled whole
chain.xml, .bin  openvino.save_model of the traced network, float32

torch 2.15.0, torchvision 0.29.2, openvino 2026.4.1. What is committed was written by: python programs.py ."""
import gzip, json, os, sys, zipfile
import numpy as np, torch, torchvision
import narrow

OUT = sys.argv[1]
made = narrow.make(0.06, 3, 11)
net = torchvision.models.Inception3(num_classes=3, aux_logits=False, transform_input=False, init_weights=False)
for name, m in made.named_modules():  # torchvision's own classes, with the narrow layers in them
    if hasattr(m, "conv") and hasattr(m, "bn") and not name.startswith("AuxLogits"):
        at = net.get_submodule(name)
        at.conv, at.bn = m.conv, m.bn
features = made.fc.in_features
torch.manual_seed(5)
net.fc = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(features, 8), torch.nn.BatchNorm1d(8, eps=0.01), torch.nn.ReLU(),
                             torch.nn.Linear(8, 3))
for m in (net.fc[1], net.fc[4]):
    torch.nn.init.normal_(m.weight, std=0.5)
net.fc[2].running_mean.normal_(0, 0.2)
net.fc[2].running_var.uniform_(0.05, 0.5)
for p in net.parameters():
    p.requires_grad_(False)
net.eval()


class Whole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, x):
        return self.net((x / 255 - self.mean) / self.std).softmax(1)


whole = Whole().eval()
n, c, y, x = np.ogrid[0:2, 0:3, 0:narrow.SIZE, 0:narrow.SIZE]
pixels = torch.from_numpy(((x * x + 3 * y * (c + 1) + 7 * x * y * (n + 1)) % 251).astype("f4"))


def answer(run, x, file):
    pooled = {}
    hook = net.fc.register_forward_pre_hook(lambda m, i: pooled.__setitem__("x", i[0].flatten(1)))
    with torch.no_grad():
        p = run(x)
    hook.remove()
    json.dump({"bottlenecks": pooled["x"].tolist(), "probabilities": p.tolist()}, open(f"{OUT}/{file}", "w"))


answer(whole, pixels, "programs.json")
answer(lambda x: net(x).softmax(1), (pixels - 127.5) / 127.5, "whole.json")
zero = torch.zeros(1, 3, narrow.SIZE, narrow.SIZE)  # the example is in the files: of nothing, for their size
program = torch.export.export(whole, (zero,))
for node in program.graph_module.graph.nodes:
    node.meta.pop("stack_trace", None)  # paths of the machine
torch.export.save(program, f"{OUT}/chain.pt2")
trace = torch.jit.trace(whole, zero)
trace.save(f"{OUT}/chain-trace.pt")
torch.jit.freeze(torch.jit.script(net)).save(f"{OUT}/chain-script.pt")
for name in ("chain-trace.pt", "chain-script.pt"):  # without the files for debuggers, which hold such paths as well
    with zipfile.ZipFile(f"{OUT}/{name}") as old, zipfile.ZipFile(f"{OUT}/{name}.new", "w") as new:
        for f in old.infolist():
            if not f.filename.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(f.filename), old.read(f), f.compress_type)
    os.replace(f"{OUT}/{name}.new", f"{OUT}/{name}")
torch.save(net, f"{OUT}/whole.pth")
files = ["chain.pt2", "chain-trace.pt", "chain-script.pt", "whole.pth"]
try:
    import openvino as ov
    ov.save_model(ov.convert_model(trace, example_input=zero, input=[1, 3, narrow.SIZE, narrow.SIZE]), f"{OUT}/chain.xml", compress_to_fp16=False)
    files += ["chain.xml", "chain.bin"]
except ImportError:
    pass
for k in files:
    with open(f"{OUT}/{k}", "rb") as f, gzip.GzipFile(f"{OUT}/{k}.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
