"""Frozen TensorFlow graphs, written byte by byte: TensorFlow is not needed. Node names, operators and attributes are those
of classify_image_graph_def.pb (2015), of a frozen TF-slim graph (2016), and of what retrain.py leaves.

Sources: tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,types}.proto; tensorflow/models
research/slim/nets/inception_v3.py; tensorflow/examples/image_retraining/retrain.py."""
import struct
import numpy as np


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(num, v):
    if isinstance(v, bool) or isinstance(v, int):
        return varint(num << 3) + varint(int(v))
    if isinstance(v, float):
        return varint(num << 3 | 5) + struct.pack("<f", v)
    v = v.encode() if isinstance(v, str) else v
    return varint(num << 3 | 2) + varint(len(v)) + v


def attr(key, **kind):
    (k, v), = kind.items()
    if k == "ints":
        body = field(1, field(3, b"".join(varint(i) for i in v)))
    else:
        body = field({"s": 2, "i": 3, "f": 4, "b": 5, "type": 6, "tensor": 8}[k], v)
    return field(5, field(1, key) + field(2, body))


def tensor(v, splat=False):
    """TensorProto: scalars as float_val/int_val, arrays as tensor_content, as TensorFlow's make_tensor_proto does."""
    v = np.asarray(v)
    dtype = {"float32": 1, "int32": 3}[v.dtype.name]
    shape = field(2, b"".join(field(2, field(1, d)) for d in v.shape))
    if splat:
        body = field(5, struct.pack("<f", v.flat[0]))
    elif v.ndim == 0 and dtype == 1:
        body = field(5, struct.pack("<f", v))
    elif v.size <= 1 and dtype == 3:
        body = field(7, varint(int(v.flat[0])))
    else:
        body = field(4, v.tobytes())
    return field(1, dtype) + shape + body


class Graph:
    def __init__(self):
        self.nodes = []

    def node(self, name, op, inputs=(), *attrs):
        self.nodes.append(field(1, field(1, name) + field(2, op) + b"".join(field(3, i) for i in inputs) + b"".join(attrs)))
        return name

    def const(self, name, v, splat=False):
        v = np.asarray(v)
        return self.node(name, "Const", (), attr("dtype", type=1 if v.dtype == np.float32 else 3), attr("value", tensor=tensor(v, splat)))

    def read(self, name, v):  # what freezing makes of a variable
        return self.node(self.const(name, v) + "/read", "Identity", [name], attr("T", type=1))

    def write(self, path):
        with open(path, "wb") as f:
            f.write(b"".join(self.nodes) + field(4, field(1, 8)))


def parts(m):
    """kernel HWIO, gamma, beta, mean, variance of a torchvision BasicConv2d."""
    bn = m.bn
    return (m.conv.weight.detach().permute(2, 3, 1, 0).contiguous().numpy(),) + tuple(v.detach().numpy() for v in (bn.weight, bn.bias, bn.running_mean, bn.running_var))


def strided(m):
    s, same = m.conv.stride[0], m.conv.padding != (0, 0) or m.conv.kernel_size == (1, 1)
    return attr("strides", ints=[1, s, s, 1]), attr("padding", s="SAME" if same and s == 1 else "VALID")


def names_2015():
    """torchvision's path -> the node of 2015."""
    out = {p: f"conv_{i}" if i else "conv" for i, p in enumerate(["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"])}

    def tower(block, node, prefix, steps):
        for i, s in enumerate(steps):
            out[f"{block}.{s}"] = f"{node}/{prefix}conv" + (f"_{i}" if i else "")

    for i, b in enumerate("5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split()):
        block, node = f"Mixed_{b}", f"mixed_{i}" if i else "mixed"
        if b[0] == "5":
            tower(block, node, "", ["branch1x1"])
            tower(block, node, "tower/", ["branch5x5_1", "branch5x5_2"])
            tower(block, node, "tower_1/", ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"])
        elif b == "6a":
            tower(block, node, "", ["branch3x3"])
            tower(block, node, "tower/", ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"])
        elif b[0] == "6":
            tower(block, node, "", ["branch1x1"])
            tower(block, node, "tower/", [f"branch7x7_{k}" for k in (1, 2, 3)])
            tower(block, node, "tower_1/", [f"branch7x7dbl_{k}" for k in (1, 2, 3, 4, 5)])
        elif b == "7a":
            tower(block, node, "tower/", ["branch3x3_1", "branch3x3_2"])
            tower(block, node, "tower_1/", [f"branch7x7x3_{k}" for k in (1, 2, 3, 4)])
        else:
            tower(block, node, "", ["branch1x1"])
            tower(block, node, "tower/", ["branch3x3_1"])
            tower(block, node, "tower/mixed/", ["branch3x3_2a", "branch3x3_2b"])
            tower(block, node, "tower_1/", ["branch3x3dbl_1", "branch3x3dbl_2"])
            tower(block, node, "tower_1/mixed/", ["branch3x3dbl_3a", "branch3x3dbl_3b"])
        if b not in ("6a", "7a"):
            tower(block, node, "tower_2/", ["branch_pool"])
    return out


BRANCHES = {
    "5": [["branch1x1"], ["branch5x5_1", "branch5x5_2"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"], ["avg", "branch_pool"]],
    "6a": [["branch3x3"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"], ["max"]],
    "6": [["branch1x1"], ["branch7x7_1", "branch7x7_2", "branch7x7_3"], [f"branch7x7dbl_{k}" for k in (1, 2, 3, 4, 5)], ["avg", "branch_pool"]],
    "7a": [["branch3x3_1", "branch3x3_2"], [f"branch7x7x3_{k}" for k in (1, 2, 3, 4)], ["max"]],
    "7": [["branch1x1"], ["branch3x3_1", ("branch3x3_2a", "branch3x3_2b")], ["branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")], ["avg", "branch_pool"]],
}


def body(modules, conv, pool, concat, x):
    """Lays out the network: conv(path, x), pool(block, kind, x) and concat(block, branch, xs) add nodes and return
    the names of their values; branch is None for a whole block."""
    for p in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "pool", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "pool_1"):
        x = pool(p, "max", x) if p.startswith("pool") else conv(p, x)
    for b in "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split():
        block, ends = f"Mixed_{b}", []
        for branch in BRANCHES.get(b) or BRANCHES[b[0]]:
            v = [x]
            for s in branch:
                if s in ("avg", "max"):
                    v = [pool(block, "last" if b == "7c" else s, v[0])]
                elif isinstance(s, tuple):
                    v = concat(block, branch[0], [conv(f"{block}.{t}", v[0]) for t in s])
                else:
                    v = [conv(f"{block}.{s}", v[0])]
            ends += v
        x, = concat(block, None, ends)
    return x


def graph_2015(net, labels=None):
    """classify_image_graph_def.pb; with labels (a weight [F,K] and a bias [K]) what retrain.py made of it."""
    g, names, modules = Graph(), names_2015(), dict(net.named_modules())
    blocks = {f"Mixed_{b}": f"mixed_{i}" if i else "mixed" for i, b in enumerate("5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split())}
    t = attr("T", type=1)
    g.const("DecodeJpeg/contents", np.int32(0))
    g.node("DecodeJpeg", "DecodeJpeg", ["DecodeJpeg/contents"], attr("channels", i=3))
    g.node("Cast", "Cast", ["DecodeJpeg"], attr("SrcT", type=4), attr("DstT", type=1))
    g.node("ExpandDims", "ExpandDims", ["Cast", g.const("ExpandDims/dim", np.int32(0))], t)
    g.node("ResizeBilinear", "ResizeBilinear", ["ExpandDims", g.const("ResizeBilinear/size", np.int32([299, 299]))], t)
    g.node("Sub", "Sub", ["ResizeBilinear", g.const("Sub/y", np.float32(128))], t)
    g.node("Mul", "Mul", ["Sub", g.const("Mul/y", np.float32(0.0078125))], t)

    def checked(name, x):
        g.node(f"{name}/CheckNumerics", "CheckNumerics", [x], t)
        return g.node(f"{name}/control_dependency", "Identity", [x, f"^{name}/CheckNumerics"], t)

    def conv(path, x):
        n, (w, gamma, beta, mean, var) = names[path], parts(modules[path])
        g.node(f"{n}/Conv2D", "Conv2D", [x, g.const(f"{n}/conv2d_params", w)], t, *strided(modules[path]), attr("use_cudnn_on_gpu", b=True))
        for k, v in (("beta", beta), ("gamma", gamma), ("moving_mean", mean), ("moving_variance", var)):
            g.const(f"{n}/batchnorm/{k}", v)
        ins = [f"{n}/Conv2D"] + [f"{n}/batchnorm/{k}" for k in ("moving_mean", "moving_variance", "beta", "gamma")]
        g.node(f"{n}/batchnorm", "BatchNormWithGlobalNormalization", ins, t, attr("variance_epsilon", f=0.001), attr("scale_after_normalization", b=True))
        return g.node(n, "Relu", [checked(n, f"{n}/batchnorm")], t)

    def pool(block, kind, x):
        n = block if block.startswith("pool") else blocks[block] + ("/pool" if kind == "max" else "/tower_2/pool")
        if block.startswith("pool"):
            x = checked(n, x)
        op, s = ("AvgPool", 1) if kind == "avg" else ("MaxPool", 2 if kind == "max" else 1)
        return g.node(n, op, [x], t, attr("ksize", ints=[1, 3, 3, 1]), attr("strides", ints=[1, s, s, 1]), attr("padding", s="SAME" if s == 1 else "VALID"))

    def concat(block, branch, xs):
        if branch:
            return xs  # the graph of 2015 joins all at once
        n = blocks[block] + "/join"
        return [g.node(n, "Concat", [g.const(n + "/concat_dim", np.int32(3))] + xs, t, attr("N", i=len(xs)))]

    x = body(modules, conv, pool, concat, "Mul")
    g.node("pool_3", "AvgPool", [x], t, attr("ksize", ints=[1, 8, 8, 1]), attr("strides", ints=[1, 1, 1, 1]), attr("padding", s="VALID"))
    features = net.fc.weight.shape[1]
    g.node("pool_3/_reshape", "Reshape", ["pool_3", g.const("pool_3/_reshape/shape", np.int32([1, features]))], t)
    w, b = net.fc.weight.detach().numpy().T.copy(), net.fc.bias.detach().numpy()
    if labels is None:
        g.node("softmax/logits/MatMul", "MatMul", ["pool_3/_reshape", g.const("softmax/weights", w)], t, attr("transpose_a", b=False), attr("transpose_b", b=False))
        g.node("softmax/logits", "BiasAdd", ["softmax/logits/MatMul", g.const("softmax/biases", b)], t)
        g.node("softmax", "Softmax", ["softmax/logits"], t)
        return g
    g.node("input/BottleneckInputPlaceholder", "PlaceholderWithDefault", ["pool_3/_reshape"], attr("dtype", type=1))
    w = g.read("final_training_ops/weights/final_weights", labels[0])
    b = g.read("final_training_ops/biases/final_biases", labels[1])
    g.node("final_training_ops/Wx_plus_b/MatMul", "MatMul", ["input/BottleneckInputPlaceholder", w], t, attr("transpose_a", b=False), attr("transpose_b", b=False))
    g.node("final_training_ops/Wx_plus_b/add", "Add", ["final_training_ops/Wx_plus_b/MatMul", b], t)
    g.node("final_result", "Softmax", ["final_training_ops/Wx_plus_b/add"], t)
    return g


def names_slim():
    """torchvision's path -> TF-slim's scope below InceptionV3/, irregularities included."""
    out = {p: p for p in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")}
    for b in "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split():
        m = f"Mixed_{b}"
        if b[0] == "5":
            rows = [["branch1x1:Conv2d_0a_1x1"], ["branch5x5_1:Conv2d_0a_1x1", "branch5x5_2:Conv2d_0b_5x5"],
                    ["branch3x3dbl_1:Conv2d_0a_1x1", "branch3x3dbl_2:Conv2d_0b_3x3", "branch3x3dbl_3:Conv2d_0c_3x3"], ["branch_pool:Conv2d_0b_1x1"]]
            if b == "5c":
                rows[1] = ["branch5x5_1:Conv2d_0b_1x1", "branch5x5_2:Conv_1_0c_5x5"]
        elif b == "6a":
            rows = [["branch3x3:Conv2d_1a_1x1"], ["branch3x3dbl_1:Conv2d_0a_1x1", "branch3x3dbl_2:Conv2d_0b_3x3", "branch3x3dbl_3:Conv2d_1a_1x1"]]
        elif b[0] == "6":
            rows = [["branch1x1:Conv2d_0a_1x1"], ["branch7x7_1:Conv2d_0a_1x1", "branch7x7_2:Conv2d_0b_1x7", "branch7x7_3:Conv2d_0c_7x1"],
                    ["branch7x7dbl_1:Conv2d_0a_1x1", "branch7x7dbl_2:Conv2d_0b_7x1", "branch7x7dbl_3:Conv2d_0c_1x7", "branch7x7dbl_4:Conv2d_0d_7x1", "branch7x7dbl_5:Conv2d_0e_1x7"],
                    ["branch_pool:Conv2d_0b_1x1"]]
        elif b == "7a":
            rows = [["branch3x3_1:Conv2d_0a_1x1", "branch3x3_2:Conv2d_1a_3x3"],
                    ["branch7x7x3_1:Conv2d_0a_1x1", "branch7x7x3_2:Conv2d_0b_1x7", "branch7x7x3_3:Conv2d_0c_7x1", "branch7x7x3_4:Conv2d_1a_3x3"]]
        else:
            second = "Conv2d_0b_3x1" if b == "7b" else "Conv2d_0c_3x1"
            rows = [["branch1x1:Conv2d_0a_1x1"], ["branch3x3_1:Conv2d_0a_1x1", "branch3x3_2a:Conv2d_0b_1x3", "branch3x3_2b:" + second],
                    ["branch3x3dbl_1:Conv2d_0a_1x1", "branch3x3dbl_2:Conv2d_0b_3x3", "branch3x3dbl_3a:Conv2d_0c_1x3", "branch3x3dbl_3b:Conv2d_0d_3x1"], ["branch_pool:Conv2d_0b_1x1"]]
        for i, row in enumerate(rows):
            for s in row:
                path, scope = s.split(":")
                out[f"{m}.{path}"] = f"{m}/Branch_{i}/{scope}"
    return out


def graph_slim(net, fused):
    """A frozen TF-slim graph, batch norm spelt out as in 2016, or fused as later."""
    g, names, modules = Graph(), names_slim(), dict(net.named_modules())
    t = attr("T", type=1)
    g.node("input", "Placeholder", (), attr("dtype", type=1))

    def conv(path, x):
        n, (w, gamma, beta, mean, var) = names[path], parts(modules[path])
        v, s = f"InceptionV3/{n}", f"InceptionV3/InceptionV3/{n}"
        g.node(f"{s}/Conv2D", "Conv2D", [x, g.read(f"{v}/weights", w)], t, *strided(modules[path]), attr("data_format", s="NHWC"))
        if fused:
            ins = [f"{s}/Conv2D", g.const(f"{s}/BatchNorm/Const", gamma, splat=True)]
            ins += [g.read(f"{v}/BatchNorm/{k}", a) for k, a in (("beta", beta), ("moving_mean", mean), ("moving_variance", var))]
            y = g.node(f"{s}/BatchNorm/FusedBatchNorm", "FusedBatchNorm", ins, t, attr("epsilon", f=0.001), attr("is_training", b=False), attr("data_format", s="NHWC"))
        else:
            bn = f"{s}/BatchNorm/batchnorm"
            beta, mean, var = (g.read(f"{v}/BatchNorm/{k}", a) for k, a in (("beta", beta), ("moving_mean", mean), ("moving_variance", var)))
            g.node(f"{bn}/add", "Add", [var, g.const(f"{bn}/add/y", np.float32(0.001))], t)
            g.node(f"{bn}/Rsqrt", "Rsqrt", [f"{bn}/add"], t)
            g.node(f"{bn}/mul", "Mul", [f"{s}/Conv2D", f"{bn}/Rsqrt"], t)
            g.node(f"{bn}/mul_1", "Mul", [mean, f"{bn}/Rsqrt"], t)
            g.node(f"{bn}/sub", "Sub", [beta, f"{bn}/mul_1"], t)
            y = g.node(f"{bn}/add_1", "Add", [f"{bn}/mul", f"{bn}/sub"], t)
        return g.node(f"{s}/Relu", "Relu", [y], t)

    def pool(block, kind, x):
        op, s = ("MaxPool", 2) if kind == "max" else ("AvgPool", 1)
        n = f"InceptionV3/InceptionV3/{block}/{op}_3x3/{op}"
        return g.node(n, op, [x], t, attr("ksize", ints=[1, 3, 3, 1]), attr("strides", ints=[1, s, s, 1]), attr("padding", s="VALID" if s == 2 else "SAME"), attr("data_format", s="NHWC"))

    def concat(block, branch, xs):
        n = f"InceptionV3/InceptionV3/{block}/" + (f"{branch}/concat" if branch else "concat")
        axis = g.const(n + "/axis", np.int32(3))
        return [g.node(n, "ConcatV2", xs + [axis], t, attr("N", i=len(xs)), attr("Tidx", type=3))]

    x = body(modules, conv, pool, concat, "input")
    p = "InceptionV3/Logits"
    g.node(f"{p}/AvgPool_1a_8x8/AvgPool", "AvgPool", [x], t, attr("ksize", ints=[1, 8, 8, 1]), attr("strides", ints=[1, 1, 1, 1]), attr("padding", s="VALID"), attr("data_format", s="NHWC"))
    g.node(f"{p}/Dropout_1b/Identity", "Identity", [f"{p}/AvgPool_1a_8x8/AvgPool"], t)
    w = net.fc.weight.detach().numpy().T.copy()[None, None]
    g.node(f"{p}/Conv2d_1c_1x1/Conv2D", "Conv2D", [f"{p}/Dropout_1b/Identity", g.read(f"{p}/Conv2d_1c_1x1/weights", w)], t, attr("strides", ints=[1, 1, 1, 1]), attr("padding", s="SAME"))
    g.node(f"{p}/Conv2d_1c_1x1/BiasAdd", "BiasAdd", [f"{p}/Conv2d_1c_1x1/Conv2D", g.read(f"{p}/Conv2d_1c_1x1/biases", net.fc.bias.detach().numpy())], t)
    g.node(f"{p}/SpatialSqueeze", "Squeeze", [f"{p}/Conv2d_1c_1x1/BiasAdd"], t, attr("squeeze_dims", ints=[1, 2]))
    g.node("InceptionV3/Predictions/Reshape", "Reshape", [f"{p}/SpatialSqueeze", g.const("InceptionV3/Predictions/Reshape/shape", np.int32([-1 & 0x7FFFFFFF, net.fc.bias.shape[0]]))], t)
    g.node("InceptionV3/Predictions/Softmax", "Softmax", ["InceptionV3/Predictions/Reshape"], t)
    return g
