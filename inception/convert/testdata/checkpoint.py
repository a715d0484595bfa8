"""TensorFlow checkpoints, written byte by byte: of the first version (TF-slim's inception_v3.ckpt), LevelDB's table format
with blocks stored plainly, keys in order, values as SavedTensorSlices; and of the second, a table of BundleEntryProto
(inception_v3_v2.index) beside the values. Sources: tensorflow/core/lib/io/table_format.txt,
tensorflow/core/util/saved_tensor_slice.proto, saved_tensor_slice_util.cc and tensor_bundle/, core/protobuf/tensor_bundle.proto."""
import struct
import numpy as np
from graphs import field, names_slim, parts, varint

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(b):
    c = 0xFFFFFFFF
    for x in b:
        c = TABLE[(c ^ x) & 255] ^ c >> 8
    c ^= 0xFFFFFFFF
    return ((c >> 15 | c << 17) + 0xA282EAD8) & 0xFFFFFFFF


def key(name, dims):
    return b"\x00" + name.encode() + b"\x00\x01" + (b"\x01" + bytes([dims]) if dims else b"\x00") + b"\x80\x7f" * dims


class Table:
    def __init__(self):
        self.out, self.block, self.restarts, self.last, self.index, self.count = b"", b"", [], b"", [], 0

    def entry(self, k, v):
        shared = 0
        if self.count % 16 == 0:
            self.restarts.append(len(self.block))
        else:
            while shared < min(len(k), len(self.last)) and k[shared] == self.last[shared]:
                shared += 1
        self.block += varint(shared) + varint(len(k) - shared) + varint(len(v)) + k[shared:] + v
        self.last, self.count = k, self.count + 1

    def close(self):
        body = self.block + struct.pack(f"<{len(self.restarts) + 1}I", *self.restarts, len(self.restarts))
        handle = varint(len(self.out)) + varint(len(body))
        self.out += body + b"\x00" + struct.pack("<I", crc32c(body + b"\x00"))
        self.block, self.restarts, self.count = b"", [], 0
        return handle

    def add(self, k, v):
        self.entry(k, v)
        if len(self.block) >= 4096:
            self.index.append((self.last, self.close()))

    def write(self, path):
        if self.block:
            self.index.append((self.last, self.close()))
        self.restarts = [0]
        meta = self.close()
        for k, h in self.index:
            self.entry(k, h)
        index = self.close()
        with open(path, "wb") as f:
            f.write(self.out + (meta + index).ljust(40, b"\x00") + struct.pack("<Q", 0xDB4775248B80FB57))


def named(net):
    modules, variables = dict(net.named_modules()), {}
    for p, scope in names_slim().items():
        w, _, beta, mean, var = parts(modules[p])
        v = f"InceptionV3/{scope}/"
        variables |= {v + "weights": w, v + "BatchNorm/beta": beta, v + "BatchNorm/moving_mean": mean, v + "BatchNorm/moving_variance": var}
    variables["InceptionV3/Logits/Conv2d_1c_1x1/weights"] = net.fc.weight.detach().numpy().T.copy()[None, None]
    variables["InceptionV3/Logits/Conv2d_1c_1x1/biases"] = net.fc.bias.detach().numpy()
    variables["InceptionV3/AuxLogits/Conv2d_1b_1x1/weights"] = np.ones((1, 1, 2, 3), "f4")
    return variables


def shape(v):
    return b"".join(field(2, field(1, d)) for d in v.shape)


def write(net, path):
    variables = named(net)
    whole = lambda v: b"".join(field(1, b"") for _ in v.shape)
    meta = b"".join(field(1, field(1, n) + field(2, shape(v)) + field(3, 1) + field(4, whole(v))) for n, v in sorted(variables.items()))
    meta += field(1, field(1, "global_step") + field(2, b"") + field(3, 9) + field(4, b"")) + field(2, field(1, 1))
    t = Table()
    t.add(b"", field(1, meta))
    slices = {key(n, v.ndim): field(1, n) + field(2, whole(v)) + field(3, field(5, v.astype("<f4").tobytes())) for n, v in variables.items()}
    slices[key("global_step", 0)] = field(1, "global_step") + field(2, b"") + field(3, field(10, varint(156)))
    for k, v in sorted(slices.items()):
        t.add(k, field(2, v))
    t.write(path)


def write_bundle(net, prefix, shards=2):
    """The second version: the variables, a counter and what Adam keeps, dealt out to files of values."""
    variables = named(net) | {"global_step": np.array(156, "<i8")}
    variables["InceptionV3/Conv2d_1a_3x3/weights/Adam"] = np.zeros((3, 3, 3, 16), "f4")
    files, entries = [b""] * shards, {}
    for i, (name, v) in enumerate(sorted(variables.items())):
        body, at = v.tobytes(), i % shards
        e = field(1, 9 if v.dtype == np.int64 else 1) + field(2, shape(v))
        e += field(3, at) if at else b""  # proto3 leaves zeros out
        e += field(4, len(files[at])) if files[at] else b""
        entries[name] = e + field(5, len(body)) + varint(6 << 3 | 5) + struct.pack("<I", crc32c(body))
        files[at] += body
    t = Table()
    t.add(b"", field(1, shards) + field(3, field(1, 1)))
    for name, e in sorted(entries.items()):
        t.add(name.encode(), e)
    t.write(prefix + ".index")
    for i, body in enumerate(files):
        with open(f"{prefix}.data-{i:05d}-of-{shards:05d}", "wb") as f:
            f.write(body)
