"""mxnet1.py OUT: a narrow InceptionV3 of Gluon's class as net.save_parameters and net.export write it, and its answers. Run with
mxnet 1.9.1, NumPy before 1.24 and Python 3.11; weights of three values compress well."""
import gzip, json, os, sys
import numpy as np, mxnet as mx
from mxnet.gluon.model_zoo.vision import inception as zoo

OUT, WIDTH, SIZE = sys.argv[1], 0.06, 139
rng = np.random.default_rng(9)
real = zoo._make_basic_conv
zoo._make_basic_conv = lambda channels, **kw: real(channels=max(int(WIDTH * channels), 16), **kw)
net = zoo.Inception3(classes=3)
net.features._children["18"] = mx.gluon.nn.GlobalAvgPool2D()  # the 8x8 of 299 pixels, for any size
net.initialize()
net.hybridize()
n, c, y, x = np.ogrid[0:2, 0:3, 0:SIZE, 0:SIZE]
pixels = mx.nd.array((((x * x + 3 * y * (c + 1) + 7 * x * y * (n + 1)) % 251) / 127.5 - 1).astype("f4"))
net(pixels)  # gives the layers their shapes
for name, p in net.collect_params().items():
    s, part = p.shape, name.rsplit("_", 1)[1]
    if part == "weight":
        v = rng.integers(-1, 2, s) * np.sqrt(3.0 / np.prod(s[1:]))
    elif part in ("gamma", "var"):
        v = rng.integers(48, 80, s) / 64
    else:
        v = rng.integers(-16, 17, s) / 64
    p.set_data(mx.nd.array(v.astype("f4")))
b = net.features(pixels)
json.dump({"bottlenecks": b.asnumpy().reshape(2, -1).tolist(), "probabilities": mx.nd.softmax(net(pixels)).asnumpy().tolist()},
          open(f"{OUT}/mxnet.json", "w"))
net.save_parameters(f"{OUT}/mxnet.params")
net.export(f"{OUT}/mxnet")
os.remove(f"{OUT}/mxnet-symbol.json")
os.rename(f"{OUT}/mxnet-0000.params", f"{OUT}/mxnet-export.params")
for name in ("mxnet.params", "mxnet-export.params"):
    with open(f"{OUT}/{name}", "rb") as f, gzip.GzipFile(f"{OUT}/{name}.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
    os.remove(f"{OUT}/{name}")
