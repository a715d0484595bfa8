"""A narrow InceptionV3 made of torchvision's own modules, with made-up weights that compress well, and its answers.

make(width, classes, seed) returns the network; answers(net, x) gives bottlenecks and logits for the three kinds of
pooling in which InceptionV3 was published. See fixtures.py for what is made of it."""
import contextlib, functools, types, warnings
import numpy as np, torch, torchvision
from torchvision.models import inception as tv

warnings.filterwarnings("ignore")
SIZE = 139  # pixels; the smallest that leave a 3x3 map for the last block are near it


def scaled(width, d):
    return d if width == 1 else max(int(width * d), 16)


def make(width, classes, seed):
    class Block(torch.nn.Module):
        def __init__(self, cin, cout, **kw):
            super().__init__()
            self.conv = torch.nn.LazyConv2d(scaled(width, cout), bias=False, **kw)
            self.bn = torch.nn.BatchNorm2d(scaled(width, cout), eps=0.001)

        def forward(self, x):
            return torch.nn.functional.relu(self.bn(self.conv(x)))

    class Aux(torch.nn.Module):  # present in official files, used by nobody; small here
        def __init__(self, cin, classes, conv_block=None):
            super().__init__()
            self.conv0, self.conv1 = tv.BasicConv2d(4, 3, kernel_size=1), tv.BasicConv2d(3, 5, kernel_size=5)
            self.fc = torch.nn.Linear(5, classes)

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    narrow = [functools.partial(b, conv_block=Block) for b in (tv.InceptionA, tv.InceptionB, tv.InceptionC, tv.InceptionD, tv.InceptionE)]
    blocks = [Block, *narrow, Aux]
    net = tv.Inception3(num_classes=classes, aux_logits=True, transform_input=False, inception_blocks=blocks, init_weights=False)
    features = sum(scaled(width, d) for d in (320, 384, 384, 384, 384, 192))
    net.fc = torch.nn.Linear(features, classes)
    net.eval()
    with torch.no_grad():
        net(torch.zeros(1, 3, SIZE, SIZE))  # gives the lazy layers their shapes
        for name, m in net.named_modules():
            if isinstance(m, torch.nn.Conv2d):  # three values a layer: a few bits an element once gzipped
                fan = m.weight[0].numel()
                m.weight.copy_(torch.from_numpy(rng.integers(-1, 2, m.weight.shape).astype("f4") * np.float32(np.sqrt(3.0 / fan))))
            if isinstance(m, torch.nn.BatchNorm2d):
                c = m.weight.shape[0]
                m.weight.copy_(torch.from_numpy(rng.integers(32, 96, c).astype("f4") / 64))
                m.bias.copy_(torch.from_numpy(rng.integers(-32, 33, c).astype("f4") / 96))
                m.momentum = 0.5
        net.fc.weight.copy_(torch.from_numpy(rng.integers(-1, 2, net.fc.weight.shape).astype("f4") / np.float32(np.sqrt(features))))
        net.fc.bias.copy_(torch.from_numpy(rng.integers(-8, 9, classes).astype("f4") / 16))
    x = pictures(4)
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.train()
    with torch.no_grad():  # running statistics that keep every layer in range
        for _ in range(3):
            net(x)
    return net.eval()


def plain(net):
    """The same network with gamma 1 everywhere, as TF-slim and Keras train it."""
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.weight.data.fill_(1)
    return net


def pictures(n, size=SIZE):
    i, c, y, x = np.ogrid[0:n, 0:3, 0:size, 0:size]
    return torch.from_numpy((((x * x + 3 * y * (c + 1) + 7 * x * y * (i + 1)) % 251) / 125.0 - 1).astype("f4"))


@contextlib.contextmanager
def pooling(net, kind):
    """kind: torch (average pools count the border), tf (they do not), fid (tf, and the last block takes the maximum)."""
    real, last = torch.nn.functional.avg_pool2d, net.Mixed_7c._forward
    shim = types.SimpleNamespace(**{k: getattr(torch.nn.functional, k) for k in dir(torch.nn.functional) if not k.startswith("__")})
    maximum = [False]

    def avg(x, kernel_size, stride=None, padding=0):
        if maximum[0]:
            return torch.nn.functional.max_pool2d(x, kernel_size, stride, padding)
        return real(x, kernel_size, stride, padding, count_include_pad=kind == "torch")

    def final(self, x):
        maximum[0] = kind == "fid"
        try:
            return last(x)
        finally:
            maximum[0] = False

    shim.avg_pool2d, saved = avg, tv.F
    tv.F, net.Mixed_7c._forward = shim, types.MethodType(final, net.Mixed_7c)
    try:
        yield net
    finally:
        tv.F, net.Mixed_7c._forward = saved, last


def answers(net, x, kind):
    got = {}
    hook = net.avgpool.register_forward_hook(lambda m, i, o: got.__setitem__("f", o.flatten(1)))
    with torch.no_grad(), pooling(net, kind):
        logits = net(x)
    hook.remove()
    return got["f"].numpy(), logits.numpy()


def folded(net):
    """torchvision's paths -> (weight [O,I,H,W], bias [O]) in float64, batch norm folded in."""
    out = {}
    for name, m in net.named_modules():
        if hasattr(m, "conv") and hasattr(m, "bn") and not name.startswith("AuxLogits"):
            s = m.bn.weight.double() / torch.sqrt(m.bn.running_var.double() + m.bn.eps)
            out[name] = ((m.conv.weight.double() * s[:, None, None, None]).detach().numpy(),
                         (m.bn.bias.double() - m.bn.running_mean.double() * s).detach().numpy())
    return out
