#!/usr/bin/python3
"""fixtures.py OUTDIR [KIND...]: small InceptionV3 files in the layouts in which the official ones are published.

The command that wrote what is committed here:
    /usr/bin/python3 fixtures.py . && gzip -9nf *.pth *.h5 *.onnx *.pb *.ckpt *.safetensors *.tgz
All hold the same network (width 0.06, 10 classes, seed 1; see narrow.py), except that TF-slim and Keras have no gamma.
want.bin holds, little-endian, what a reader must get out of them: see answers() below.
PyTorch 1.13, torchvision 0.14, h5py 3.7 (Debian 12)."""
import struct, sys
import numpy as np, torch
import narrow

WIDTH, CLASSES, SEED = 0.06, 10, 1


def write_pth(out):
    """torchvision's layout: a state dict with AuxLogits and counters, ZIP form and the stream form of PyTorch < 1.6."""
    sd = narrow.make(WIDTH, CLASSES, SEED).state_dict()
    torch.save(sd, f"{out}/torchvision.pth")
    torch.save(sd, f"{out}/old.pth", _use_new_zipfile_serialization=False)
    # what training scripts write: nested, every name prefixed, half precision, views with strides and offsets
    half = {}
    for k, v in sd.items():
        if v.is_floating_point() and v.dim() == 4 and v.dtype == torch.float32:
            v = torch.cat([v.flatten()[:3], v.permute(2, 3, 1, 0).contiguous().flatten()])[3:]  # offset 3, HWIO in memory
            o = sd[k]
            v = v.view(o.shape[2], o.shape[3], o.shape[1], o.shape[0]).permute(3, 2, 0, 1)
            assert torch.equal(v, o)
        half["module." + k] = v
    torch.save({"epoch": 3, "arch": "inception_v3", "best_acc1": 77.5, "state_dict": half, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}, f"{out}/nested.pth")
    timm = {k: v.bfloat16() if v.dim() == 4 else v.double() if v.dim() == 1 else v for k, v in sd.items() if not k.startswith("AuxLogits")}
    torch.save(timm, f"{out}/timm-bf16.pth")


def answers(out):
    """want.bin: for each of the two networks (with gamma, without): the sum, the sum of squares and a dot product with
    1,2,3,.. mod 97 of each folded weight and bias, float64, in torchvision's module order; then for each pooling (torch,
    tf, fid) bottlenecks [2,127] and logits [2,10], float32, for narrow.pictures(2)."""
    with open(f"{out}/want.bin", "wb") as f:
        for net in (narrow.make(WIDTH, CLASSES, SEED), narrow.plain(narrow.make(WIDTH, CLASSES, SEED))):
            for name, (w, b) in narrow.folded(net).items():
                for v in (w.flatten(), b):
                    dot = (v * (1 + np.arange(v.size) % 97)).sum()
                    f.write(struct.pack("<3d", v.sum(), (v * v).sum(), dot))
            for kind in ("torch", "tf", "fid"):
                for v in narrow.answers(net, narrow.pictures(2), kind):
                    f.write(v.astype("<f4").tobytes())


WRITERS = {"pth": write_pth, "answers": answers}

if __name__ == "__main__":
    for kind in sys.argv[2:] or WRITERS:
        WRITERS[kind](sys.argv[1])
