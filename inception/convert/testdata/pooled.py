"""pooled.py OUT: a narrow InceptionV3 of timm's class with other pools than the average in front of its classifier, and answers.

pooled.pth  its state dict, the same for global_pool max and avgmax, whose answers are in pooled-max.json and pooled-avgmax.json
pooled.pt   torch.jit.trace of it with catavgmax and a classifier of its own (pooled-catavgmax.json)

Bottlenecks are what rehead hands a head: of avgmax the averages and the maxima. torch 2.15.0, timm 1.0.31; what is committed was
written by: python pooled.py ."""
import gzip, json, os, sys, zipfile
sys.path.append(sys.path.pop(0))  # timm is the library here, not timm.py beside this file
import numpy as np, timm, torch
import narrow

OUT, WIDTH = sys.argv[1], 0.06
n, c, y, x = np.ogrid[0:2, 0:3, 0:narrow.SIZE, 0:narrow.SIZE]
pixels = torch.from_numpy((((x * x + 3 * y * (c + 1) + 7 * x * y * (n + 1)) % 251) / 127.5 - 1).astype("f4"))
made = narrow.make(WIDTH, 3, 13)


def network(pool):
    net = timm.create_model("inception_v3", pretrained=False, num_classes=3, global_pool=pool)
    for name, m in made.named_modules():  # timm's own classes, with the narrow layers in them
        if hasattr(m, "conv") and hasattr(m, "bn") and not name.startswith("AuxLogits"):
            at = net.get_submodule(name)
            at.conv = m.conv
            for k in ("weight", "bias", "running_mean", "running_var"):
                v = getattr(m.bn, k).detach()
                setattr(at.bn, k, torch.nn.Parameter(v) if k in ("weight", "bias") else v)
            at.bn.num_features = len(m.bn.weight)
    rng = np.random.default_rng(5)
    features = made.fc.in_features * (2 if pool == "catavgmax" else 1)
    net.fc = torch.nn.Linear(features, 3)
    net.fc.weight.data = torch.from_numpy(rng.integers(-1, 2, (3, features)).astype("f4") / np.float32(features**0.5))
    net.fc.bias.data = torch.tensor([0.25, -0.125, 0.5])
    for p in net.parameters():
        p.requires_grad_(False)
    return net.eval()


for pool in ("max", "avgmax", "catavgmax"):
    net, block = network(pool), {}
    net.global_pool.register_forward_pre_hook(lambda m, i: block.__setitem__("x", i[0]))
    p, b = net(pixels).softmax(1), block["x"]
    mean, most = b.mean((2, 3)), b.amax((2, 3))
    json.dump({"bottlenecks": (most if pool == "max" else torch.cat((mean, most), 1)).tolist(), "probabilities": p.tolist()},
              open(f"{OUT}/pooled-{pool}.json", "w"))
torch.save(network("max").state_dict(), f"{OUT}/pooled.pth")
torch.jit.trace(network("catavgmax"), torch.zeros(1, 3, narrow.SIZE, narrow.SIZE)).save(f"{OUT}/pooled.pt.old")
with zipfile.ZipFile(f"{OUT}/pooled.pt.old") as old, zipfile.ZipFile(f"{OUT}/pooled.pt", "w") as new:
    for f in old.infolist():  # without the files for debuggers, which hold paths of the machine
        if not f.filename.endswith(".debug_pkl"):
            new.writestr(zipfile.ZipInfo(f.filename), old.read(f), f.compress_type)
os.remove(f"{OUT}/pooled.pt.old")
for k in ("pooled.pth", "pooled.pt"):
    with open(f"{OUT}/{k}", "rb") as f, gzip.GzipFile(f"{OUT}/{k}.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
    os.remove(f"{OUT}/{k}")
