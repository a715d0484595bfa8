#!/usr/bin/python3
"""fixtures.py OUTDIR [KIND...]: small InceptionV3 files in the layouts in which the official ones are published.

The command that wrote what is committed here:
    /usr/bin/python3 fixtures.py . && gzip -9nf *.pth *.h5 *.onnx *.pb *.ckpt *.index *.data-* *.safetensors
All hold the same network (width 0.06, 10 classes, seed 1; see narrow.py), except that TF-slim and Keras have no gamma.
want.bin holds, little-endian, what a reader must get out of them: see answers() below.
PyTorch 1.13, torchvision 0.14, h5py 3.7 (Debian 12)."""
import json, struct, sys
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


def keras_layers(net):
    """(number, kernel HWIO, beta, mean, variance) in the order in which Keras creates the layers, which is that of
    torchvision's modules without the auxiliary classifier."""
    blocks = [(n, m) for n, m in net.named_modules() if hasattr(m, "conv") and hasattr(m, "bn") and not n.startswith("AuxLogits")]
    assert len(blocks) == 94
    for i, (_, m) in enumerate(blocks, 1):
        bn = m.bn
        yield i, m.conv.weight.detach().permute(2, 3, 1, 0).contiguous().numpy(), *(v.detach().numpy() for v in (bn.bias, bn.running_mean, bn.running_var))


def write_h5(out):
    """Keras's layout of 2016: a group for every layer, weights or not, layer_names sorted as Keras sorts by depth (here:
    shuffled, which is as good), datasets <layer>/<layer>/kernel:0."""
    import h5py

    net = narrow.plain(narrow.make(WIDTH, CLASSES, SEED))
    for top in (True, False):
        with h5py.File(f"{out}/keras{'' if top else '_notop'}.h5", "w") as f:
            layers = {"input_1": []}
            for i, kernel, beta, mean, var in keras_layers(net):
                layers[f"conv2d_{i}"] = [("kernel", kernel)]
                layers[f"batch_normalization_{i}"] = [("beta", beta), ("moving_mean", mean), ("moving_variance", var)]
                layers[f"activation_{i}"] = []
            for name in [f"mixed{i}" for i in range(11)] + ["mixed9_0", "mixed9_1", "max_pooling2d_1", "avg_pool"]:
                layers[name] = []
            if top:
                layers["predictions"] = [("kernel", net.fc.weight.detach().numpy().T.copy()), ("bias", net.fc.bias.detach().numpy())]
            names = list(layers)
            np.random.default_rng(0).shuffle(names)
            f.attrs["layer_names"] = np.array([n.encode() for n in names])
            f.attrs["backend"], f.attrs["keras_version"] = b"tensorflow", b"2.0.4"
            for name in names:
                g = f.create_group(name)
                g.attrs["weight_names"] = np.array([f"{name}/{w}:0".encode() for w, _ in layers[name]])
                for w, v in layers[name]:
                    g.create_dataset(f"{name}/{w}:0", data=v)


def write_onnx(out):
    """What torch.onnx.export makes of torchvision's network: batch norm folded (its default) and, from an older opset, not;
    and pytorch-fid's pools."""
    net, x = narrow.make(WIDTH, CLASSES, SEED), narrow.pictures(1)
    common = dict(input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
    torch.onnx.export(net, x, f"{out}/folded.onnx", opset_version=13, **common)
    with narrow.pooling(net, "fid"):
        torch.onnx.export(net, x, f"{out}/unfolded.onnx", opset_version=10, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, keep_initializers_as_inputs=True, **common)


def write_pb(out):
    import graphs

    net = narrow.make(WIDTH, CLASSES, SEED)
    graphs.graph_2015(net).write(f"{out}/classify_image_graph_def.pb")
    rng = np.random.default_rng(7)
    head = rng.integers(-3, 4, (net.fc.weight.shape[1], 3)).astype("f4") / 8, np.float32([0.5, -0.25, 0.125])
    graphs.graph_2015(net, head).write(f"{out}/output_graph.pb")
    plain = narrow.plain(narrow.make(WIDTH, CLASSES, SEED))
    graphs.graph_slim(plain, fused=False).write(f"{out}/slim.pb")
    graphs.graph_slim(plain, fused=True).write(f"{out}/slim-fused.pb")


def write_ckpt(out):
    import checkpoint

    net = narrow.plain(narrow.make(WIDTH, CLASSES, SEED))
    checkpoint.write(net, f"{out}/inception_v3.ckpt")
    checkpoint.write_bundle(net, f"{out}/inception_v3_v2")


def write_safetensors(out):
    """The files of timm's hub: torchvision's names without the auxiliary classifier, contiguous, "format": "pt". Debian has no
    safetensors package: the bytes are laid out by the format's own description (huggingface/safetensors, README)."""
    sd = {k: v for k, v in narrow.make(WIDTH, CLASSES, SEED).state_dict().items() if not k.startswith("AuxLogits")}
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for k, v in sorted(sd.items(), key=lambda kv: (-kv[1].element_size(), kv[0])):
        b = v.contiguous().numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[v.dtype]
        header[k] = {"dtype": kind, "shape": list(v.shape), "data_offsets": [len(body), len(body) + len(b)]}
        body += b
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(f"{out}/timm.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + body)


def write_kinds(out):
    """kinds.h5: every kind of dataset that the HDF5 reader knows; element i is i (i/7 rounded in half precision)."""
    import h5py

    with h5py.File(f"{out}/kinds.h5", "w") as f:
        v = np.arange(5 * 7 * 11, dtype="f4").reshape(5, 7, 11)
        f["plain"], f["double"], f["half"] = v, v.astype("f8"), (v / 7).astype("f2")
        f["scalar"], f["integers"], f["text"] = np.float32(3), v.astype("i4"), b"hello"
        f.create_dataset("empty", (0, 3), "f4")
        f.create_dataset("chunked", data=v, chunks=(2, 3, 4))
        f.create_dataset("gzip", data=v, chunks=(2, 7, 5), compression="gzip")
        f.create_dataset("shuffled", data=v.astype("f8"), chunks=(3, 3, 3), compression="gzip", shuffle=True)
        f.create_dataset("many", data=np.arange(2000, dtype="f4"), chunks=(7,))
        f.create_dataset("compact", (4,), "f4", dcpl=compact(h5py), data=np.arange(4, dtype="f4"))
        for i in range(400):  # more than one node of the group's tree
            f[f"deep/er/t{i:03d}"] = np.float32([i])
        for i in range(40):  # an object header with continuations
            f["plain"].attrs[f"note{i}"] = "x" * 60


def compact(h5py):
    p = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    p.set_layout(h5py.h5d.COMPACT)
    return p


WRITERS = {"pth": write_pth, "h5": write_h5, "onnx": write_onnx, "pb": write_pb, "ckpt": write_ckpt, "safetensors": write_safetensors, "kinds": write_kinds, "answers": answers}

if __name__ == "__main__":
    for kind in sys.argv[2:] or WRITERS:
        WRITERS[kind](sys.argv[1])
