"""paddle3.py OUT: a narrow InceptionV3 of paddle.vision's class as paddle.save writes its state dict, and, with a scaling in front and
a softmax behind it, as paddle.jit.save does; its answers. Run with paddlepaddle 3.3.1; weights of three values compress well."""
import gzip, json, os, sys
import numpy as np, paddle

OUT, WIDTH, SIZE = sys.argv[1], 0.06, 139
rng = np.random.default_rng(7)


class Narrow(paddle.vision.models.InceptionV3):
    """The library's own layers; only its reshape to a fixed 2048 is in the way."""
    def forward(self, x):
        x = self.inception_stem(x)
        for b in self.inception_block_list:
            x = b(x)
        x = self.dropout(self.avg_pool(x))
        return self.fc(paddle.reshape(x, [x.shape[0], -1]))


def put(layer, name, values):
    values = np.asarray(values, "f4")
    setattr(layer, name, paddle.create_parameter(values.shape, "float32", default_initializer=paddle.nn.initializer.Assign(values)))


def convolution(layer, inputs):
    o, _, h, w = layer.weight.shape
    shape = (max(int(WIDTH * o), 16), inputs[0].shape[1], h, w)
    put(layer, "weight", rng.integers(-1, 2, shape) * np.sqrt(3.0 / np.prod(shape[1:])))


def norm(layer, inputs):
    n = inputs[0].shape[1]
    put(layer, "weight", rng.integers(48, 80, n) / 64)
    for name in ("bias", "_mean"):
        put(layer, name, rng.integers(-16, 17, n) / 64)
    put(layer, "_variance", rng.integers(48, 96, n) / 64)


def dense(layer, inputs):
    n = inputs[0].shape[1]
    put(layer, "weight", rng.integers(-1, 2, (n, 3)) * np.sqrt(3.0 / n))
    put(layer, "bias", rng.integers(-16, 17, 3) / 64)


net = Narrow(num_classes=3)
net.eval()
fill = {paddle.nn.Conv2D: convolution, paddle.nn.BatchNorm2D: norm, paddle.nn.Linear: dense}
hooks = [l.register_forward_pre_hook(fill[type(l)]) for l in net.sublayers() if type(l) in fill]
n, c, y, x = np.ogrid[0:2, 0:3, 0:SIZE, 0:SIZE]
pixels = paddle.to_tensor((((x * x + 3 * y * (c + 1) + 7 * x * y * (n + 1)) % 251) / 127.5 - 1).astype("f4"))
net(pixels)
for h in hooks:
    h.remove()
read = []
reading = net.fc.register_forward_pre_hook(lambda layer, inputs: read.append(inputs[0].numpy().tolist()))
p = paddle.nn.functional.softmax(net(pixels)).numpy()
reading.remove()
paddle.save(net.state_dict(), f"{OUT}/paddle.pdparams")
json.dump({"bottlenecks": read[0], "probabilities": p.tolist()}, open(f"{OUT}/paddle.json", "w"))


class Scaled(paddle.nn.Layer):
    """Pixels 0..255 in, probabilities out."""
    def __init__(self):
        super().__init__()
        self.net = net

    def forward(self, x):
        return paddle.nn.functional.softmax(self.net((x / 255 - 0.5) / 0.5))


paddle.jit.save(Scaled(), f"{OUT}/paddle-program", input_spec=[paddle.static.InputSpec([None, 3, SIZE, SIZE], "float32")])
for name in ("paddle.pdparams", "paddle-program.json", "paddle-program.pdiparams"):
    with open(f"{OUT}/{name}", "rb") as f, gzip.GzipFile(f"{OUT}/{name}.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
    os.remove(f"{OUT}/{name}")
