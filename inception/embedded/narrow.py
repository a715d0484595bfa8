#!/usr/bin/env python3
"""Make the trunk that rehead embeds: a narrow InceptionV3, from the full one.

  narrow.py init    prunes the teacher's channels from the top down, then refits every layer from the bottom up
  narrow.py handon  lets the last two blocks hand the one before them on
  narrow.py export  writes float16 safetensors for rehead, packed with Zstandard

README.md beside this file has the commands as they were run. Needs PyTorch, NumPy, Pillow and zstandard; a CPU is enough.
"""
import argparse, io, json, math, os, random, struct, tarfile, time, zlib
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F, zstandard
from PIL import Image

POINTS, CHUNK = 16, 20  # calibration: output positions a layer and view, views held at once


# ---- the network

def table():
    """InceptionV3's trunk (2015) in order: ('conv', path, input, channels, kernel, stride, padding, pool before it),
    ('max', name, input) and ('cat', name, inputs)."""
    ops = []

    def conv(name, x, o, k, s=1, p=0, pool=None):
        ops.append(('conv', name, x, o, (k, k) if isinstance(k, int) else k, s, (p, p) if isinstance(p, int) else p, pool))
        return name

    def top(name, x):
        ops.append(('max', name, x))
        return name

    def cat(name, inputs):
        ops.append(('cat', name, inputs))
        return name

    wide, tall = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
    x = conv('Conv2d_2b_3x3', conv('Conv2d_2a_3x3', conv('Conv2d_1a_3x3', 'x', 32, 3, 2), 32, 3), 64, 3, 1, 1)
    x = top('pool2', conv('Conv2d_4a_3x3', conv('Conv2d_3b_1x1', top('pool1', x), 80, 1), 192, 3))
    for b, pool in (('Mixed_5b', 32), ('Mixed_5c', 64), ('Mixed_5d', 64)):
        y = conv(b + '.branch3x3dbl_2', conv(b + '.branch3x3dbl_1', x, 64, 1), 96, 3, 1, 1)
        x = cat(b, [conv(b + '.branch1x1', x, 64, 1), conv(b + '.branch5x5_2', conv(b + '.branch5x5_1', x, 48, 1), 64, 5, 1, 2),
                    conv(b + '.branch3x3dbl_3', y, 96, 3, 1, 1), conv(b + '.branch_pool', x, pool, 1, pool='avg')])
    b = 'Mixed_6a'
    y = conv(b + '.branch3x3dbl_2', conv(b + '.branch3x3dbl_1', x, 64, 1), 96, 3, 1, 1)
    x = cat(b, [conv(b + '.branch3x3', x, 384, 3, 2), conv(b + '.branch3x3dbl_3', y, 96, 3, 2), top('pass6a', x)])
    for b, m in (('Mixed_6b', 128), ('Mixed_6c', 160), ('Mixed_6d', 160), ('Mixed_6e', 192)):
        y = conv(b + '.branch7x7_2', conv(b + '.branch7x7_1', x, m, 1), m, *wide)
        z = conv(b + '.branch7x7dbl_2', conv(b + '.branch7x7dbl_1', x, m, 1), m, *tall)
        z = conv(b + '.branch7x7dbl_4', conv(b + '.branch7x7dbl_3', z, m, *wide), m, *tall)
        x = cat(b, [conv(b + '.branch1x1', x, 192, 1), conv(b + '.branch7x7_3', y, 192, *tall),
                    conv(b + '.branch7x7dbl_5', z, 192, *wide), conv(b + '.branch_pool', x, 192, 1, pool='avg')])
    b = 'Mixed_7a'
    y = conv(b + '.branch7x7x3_2', conv(b + '.branch7x7x3_1', x, 192, 1), 192, *wide)
    y = conv(b + '.branch7x7x3_4', conv(b + '.branch7x7x3_3', y, 192, *tall), 192, 3, 2)
    x = cat(b, [conv(b + '.branch3x3_2', conv(b + '.branch3x3_1', x, 192, 1), 320, 3, 2), y, top('pass7a', x)])
    for b, pool in (('Mixed_7b', 'avg'), ('Mixed_7c', 'max')):
        y = conv(b + '.branch3x3_1', x, 384, 1)
        z = conv(b + '.branch3x3dbl_2', conv(b + '.branch3x3dbl_1', x, 448, 1), 384, 3, 1, 1)
        low, high = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))
        x = cat(b, [conv(b + '.branch1x1', x, 320, 1),
                    conv(b + '.branch3x3_2a', y, 384, *low), conv(b + '.branch3x3_2b', y, 384, *high),
                    conv(b + '.branch3x3dbl_3a', z, 384, *low), conv(b + '.branch3x3dbl_3b', z, 384, *high),
                    conv(b + '.branch_pool', x, 192, 1, pool=pool)])
    return ops


OPS = table()
BASE = {o[1]: o[3] for o in OPS if o[0] == 'conv'}  # channels at width 1
PARTS = {'x': []}  # tensor: the convolutions whose channels it has, in order
for o in OPS:
    PARTS[o[1]] = [o[1]] if o[0] == 'conv' else PARTS[o[2]] if o[0] == 'max' else [p for x in o[2] for p in PARTS[x]]


def inputs(op):
    return op[2] if op[0] == 'cat' else [op[2]]


def channels(path, width):
    return max(int(width * BASE[path]), 16)


class Inception(nn.Module):
    """The trunk at a width, batch norm folded into the convolutions."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.ModuleDict()
        for o in OPS:
            if o[0] == 'conv':
                i = sum(channels(p, width) for p in PARTS[o[2]]) or 3
                self.conv[o[1].replace('.', '/')] = nn.Conv2d(i, channels(o[1], width), o[4], o[5], o[6])

    def of(self, path):
        return self.conv[path.replace('.', '/')]

    def forward(self, x, keep=(), see=None):
        """The tensors named in keep; see(path, convolution, its input) is called at every convolution."""
        at, kept = {'x': x}, {}
        last = {x: i for i, o in enumerate(OPS) for x in inputs(o)}
        for i, o in enumerate(OPS):
            if o[0] == 'conv':
                v = before(at[o[2]], o[7])
                if see:
                    see(o[1], self.of(o[1]), v)
                at[o[1]] = F.relu(self.of(o[1])(v), inplace=True)
            else:
                at[o[1]] = F.max_pool2d(at[o[2]], 3, 2) if o[0] == 'max' else torch.cat([at[x] for x in o[2]], 1)
            if o[1] in keep:
                kept[o[1]] = at[o[1]]
            for x in [x for x in at if last.get(x, len(OPS)) <= i]:
                del at[x]
        return kept


def before(x, pool):
    """The 3x3 pool that stands before some 1x1 convolutions; average pools leave the border out."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) if pool == 'avg' else F.max_pool2d(x, 3, 1, 1) if pool else x


def teacher(path):
    with open(path, 'rb') as f:
        raw = f.read()
    n = struct.unpack('<Q', raw[:8])[0]
    head, net = json.loads(raw[8:8 + n]), Inception(1)

    def tensor(name):
        a, b = head[name]['data_offsets']
        return torch.from_numpy(np.frombuffer(raw[8 + n + a:8 + n + b], '<f4').reshape(head[name]['shape']).copy())
    for p in BASE:
        net.of(p).weight.data.copy_(tensor(p + '.weight'))
        net.of(p).bias.data.copy_(tensor(p + '.bias'))
    return net.to(memory_format=torch.channels_last)


def pixels(views):
    """uint8 [N,S,S,3] as the network takes it."""
    return ((torch.from_numpy(np.asarray(views, 'f4')) - 128) / 128).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


# ---- pictures

def crop(img, rng, size):
    """A random crop of 30 to 100 % of the picture, at most 4:3 out of shape, flipped half of the time."""
    w, h = img.size
    for _ in range(10):
        area, ratio = rng.uniform(0.3, 1) * w * h, math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        cw, ch = int(math.sqrt(area * ratio)), int(math.sqrt(area / ratio))
        if 0 < cw <= w and 0 < ch <= h:
            break
    else:
        cw, ch = w, h
    x, y = rng.randint(0, w - cw), rng.randint(0, h - ch)
    img = img.resize((size, size), Image.BICUBIC, box=(x, y, x + cw, y + ch))
    return img.transpose(Image.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else img


class Pictures:
    """Views of the archive's pictures, in rounds: every ImageNet sample, and some of the scenes and of the small ones."""

    def __init__(self, path, seed, scenes, tiny):
        self.tar, self.rng = tarfile.open(path), random.Random(seed)
        self.names = sorted(m.name for m in self.tar.getmembers() if m.isfile() and m.name.lower().endswith(('jpg', 'jpeg')))
        self.some, self.todo = {'scenes': scenes, 'tiny-imagenet': tiny}, []

    def take(self, n, size):
        out = np.empty((n, size, size, 3), 'u1')
        for i in range(n):
            if not self.todo:
                for kind in ('imagenet-samples', 'scenes', 'tiny-imagenet'):
                    of = [x for x in self.names if x.startswith(kind)]
                    self.todo += self.rng.sample(of, self.some[kind]) if kind in self.some else of
                self.rng.shuffle(self.todo)
            img = Image.open(io.BytesIO(self.tar.extractfile(self.todo.pop(0)).read())).convert('RGB')
            out[i] = np.asarray(crop(img, self.rng, size))
        return out


# ---- init: which channels stay, and their weights

def patches(path, part, x, conv):
    """What a convolution sees at some output positions of each view, [N*P, C*KH*KW]; the same positions for everybody."""
    (ph, pw), s, (kh, kw) = conv.padding, conv.stride[0], conv.kernel_size
    high, wide = (x.shape[2] + 2 * ph - kh) // s + 1, (x.shape[3] + 2 * pw - kw) // s + 1
    rng = np.random.default_rng(zlib.crc32(f'{path}/{part}'.encode()))
    where = np.sort(rng.choice(high * wide, min(POINTS, high * wide), replace=False))
    x = F.pad(x, (pw, pw, ph, ph)) if ph or pw else x
    rows = [x[:, :, i // wide * s:i // wide * s + kh, i % wide * s:i % wide * s + kw] for i in where]
    return torch.stack(rows, 1).reshape(x.shape[0] * len(rows), -1)


class Readers:
    """Some layers that read the same tensor with the same kernel: how much worse is their best linear fit without a channel?
    P is the inverse covariance of the inputs that are left, B the weights refitted to them."""

    def __init__(self, cov, weights, parts, taps):
        kind = torch.float64 if len(cov) <= 2100 else torch.float32
        self.P = torch.linalg.inv((cov + torch.eye(len(cov)) * (3e-3 * cov.diagonal().mean() + 1e-8)).to(kind))
        self.B, self.taps, self.norm = weights.to(kind), taps, float(((weights @ cov) * weights).sum()) + 1e-9
        self.off, self.n = {}, 0
        for p in parts:
            self.off[p] = self.n
            self.n += BASE[p]

    def scores(self):
        if self.taps == 1:
            return (self.B ** 2).sum(0) / self.P.diagonal() / self.norm
        k = self.taps
        own = torch.stack([self.P[i * k:(i + 1) * k, i * k:(i + 1) * k] for i in range(self.n)]) + 1e-9 * torch.eye(k)
        b = self.B.reshape(-1, self.n, k).permute(1, 2, 0)
        return (b * torch.linalg.solve(own, b)).sum((1, 2)) / self.norm

    def drop(self, gone):
        cols = (torch.tensor(gone)[:, None] * self.taps + torch.arange(self.taps)).reshape(-1)
        m = torch.linalg.solve(self.P[cols][:, cols] + 1e-9 * torch.eye(len(cols)), self.P[cols])
        self.B -= self.B[:, cols] @ m
        self.P -= self.P[:, cols] @ m
        self.P[cols, cols] = 1.0
        self.B[:, cols] = 0


def select(paths, readers, width):
    """Drops the channels of some convolutions that their readers miss least, a twentieth of the rest at a time."""
    left = {p: list(range(BASE[p])) for p in paths}
    while (rest := sum(len(left[p]) - channels(p, width) for p in paths)) > 0:
        scores = [r.scores() for r in readers]
        ranked = sorted((sum(float(s[r.off[p] + c]) for r, s in zip(readers, scores) if p in r.off), p, c)
                        for p in paths if len(left[p]) > channels(p, width) for c in left[p])
        gone = []
        for _, p, c in ranked:
            if len(gone) < max(1, rest // 20) and len(left[p]) > channels(p, width):
                left[p].remove(c)
                gone.append((p, c))
        for r in readers:
            if mine := [r.off[p] + c for p, c in gone if p in r.off]:
                r.drop(mine)
    return {p: np.array(left[p]) for p in paths}


def calibrate(net, views, covered, log):
    """Every convolution's outputs at its positions, the covariances of inputs, the bottlenecks."""
    out, cov, first, pools = {}, {}, {}, []
    for part in range(len(views) // CHUNK):
        @torch.autocast('cpu', enabled=False)
        def see(path, conv, x):
            rows = patches(path, part, x.float(), conv)
            out.setdefault(path, []).append((rows @ conv.weight.reshape(len(conv.weight), -1).T + conv.bias).half())
            op = next(o for o in OPS if o[1] == path)
            key = (op[2], op[4])
            if part * CHUNK < covered and op[7] is None and first.setdefault(key, path) == path:
                cov[key] = rows.T @ rows + cov.get(key, 0)
        with torch.autocast('cpu', torch.bfloat16):
            last = net(pixels(views[part * CHUNK:(part + 1) * CHUNK]), keep=['Mixed_7c'], see=see)['Mixed_7c']
        pools.append(last.float().mean((2, 3)))
        if part % 5 == 0:
            log('teacher', part)
    return {p: torch.cat(v) for p, v in out.items()}, cov, torch.cat(pools)


def prune(net, out, cov, pools, width, log):
    keep = {}

    def readers(x):
        by = {}
        for o in OPS:
            if o[0] == 'conv' and o[2] == x and (x, o[4]) in cov:
                by.setdefault(o[4], []).append(o[1])

        def scaled(p):
            rows = keep.get(p, np.arange(BASE[p]))  # all of a layer that is not decided yet
            return net.of(p).weight.reshape(BASE[p], -1)[rows] / (out[p].float().std(0)[rows][:, None] + 0.02)
        return [Readers(cov[x, k], torch.cat([scaled(p) for p in ps]), PARTS[x], k[0] * k[1]) for k, ps in by.items()]
    f = (pools - pools.mean(0)).double()
    goal = torch.diag(1 / (pools.std(0) + 0.01))
    keep.update(select(PARTS['Mixed_7c'], [Readers((f.T @ f).float(), goal, PARTS['Mixed_7c'], 1)], width))
    for o in reversed(OPS):
        if o[0] == 'cat' and o[1] not in ('Mixed_7c', 'Mixed_5d', 'Mixed_6e'):  # 6a and 7a pass the last two on
            passed = {'Mixed_6a': 'Mixed_5d', 'Mixed_7a': 'Mixed_6e'}.get(o[1])
            keep.update(select(PARTS[o[1]], readers(o[1]) + (readers(passed) if passed else []), width))
            log(o[1], 'selected')
        elif o[0] == 'conv' and o[1] not in keep:
            x = {'Conv2d_2b_3x3': 'pool1', 'Conv2d_4a_3x3': 'pool2'}.get(o[1], o[1])
            keep.update(select([o[1]], readers(x), width))
    return keep


def refit(net, views, out, keep, ridge, log):
    """From the bottom up: each layer's weights that best give the teacher's outputs from what the student feeds it. Where the
    teacher's is negative, any negative value will do."""
    parts = range(len(views) // CHUNK)
    last = {x: i for i, o in enumerate(OPS) for x in inputs(o)}
    at = {'x': [pixels(views[i * CHUNK:(i + 1) * CHUNK]) for i in parts]}
    for i, o in enumerate(OPS):
        if o[0] == 'conv':
            conv = net.of(o[1])
            x = torch.cat([patches(o[1], k, before(v, o[7]), conv) for k, v in enumerate(at[o[2]])])
            y = out.pop(o[1])[:, keep[o[1]]].float()
            mean = x.mean(0)
            c = x - mean
            a = c.T @ c
            a += torch.eye(len(a)) * (ridge * a.diagonal().mean() + 1e-6)
            root, z = torch.linalg.cholesky(a.double()).float(), y
            for _ in range(6):
                w = torch.cholesky_solve(c.T @ (z - z.mean(0)), root)
                bias = z.mean(0) - mean @ w
                got = x @ w + bias
                z = torch.where(y > 0, y, got.clamp(max=0))
            lost = ((got.relu() - y.relu()) ** 2).sum(0) / (((y.relu() - y.relu().mean(0)) ** 2).sum(0) + 1e-6)
            log(o[1], tuple(x.shape), 'unexplained', round(float(lost.mean()), 3))
            conv.weight.copy_(w.T.reshape(conv.weight.shape))
            conv.bias.copy_(bias)
            at[o[1]] = [F.relu(conv(before(v, o[7])), inplace=True) for v in at[o[2]]]
        elif o[0] == 'max':
            at[o[1]] = [F.max_pool2d(v, 3, 2) for v in at[o[2]]]
        else:
            at[o[1]] = [torch.cat([at[x][k] for x in o[2]], 1) for k in parts]
        for x in [x for x in at if last.get(x, len(OPS)) <= i]:
            del at[x]


@torch.no_grad()
def init(a):
    start = time.time()

    def log(*text):
        print(f'{time.time() - start:.0f}s', *text, flush=True)
    views = Pictures(a.pictures, 5, 60, 40).take(a.views, a.size)
    net = teacher(a.teacher)
    out, cov, pools = calibrate(net, views, a.covered, log)
    keep = prune(net, out, cov, pools, a.width, log)
    np.savez(f'{a.dir}/keep.npz', **keep)
    cov.clear()
    student = Inception(a.width).to(memory_format=torch.channels_last)
    refit(student, views, out, keep, a.ridge, log)
    torch.save({'width': a.width, 'size': a.size, 'net': student.state_dict()}, f'{a.dir}/init.pt')
    log('saved')


# ---- hand on: what the last two blocks do

@torch.no_grad()
def handon(a):
    """Makes Mixed_7b and 7c hand Mixed_7a's channels on, and beside them how far its pooled ones rise above their mean by more
    than their deviation."""
    begun = torch.load(f'{a.dir}/init.pt')
    net = Inception(begun['width']).to(memory_format=torch.channels_last)
    net.load_state_dict(begun['net'])
    views = Pictures(a.pictures, 11, 150, 50).take(300, begun['size'])
    with torch.autocast('cpu', torch.bfloat16):
        maps = torch.cat([net(pixels(views[i:i + 30]), keep=['Mixed_7a'])['Mixed_7a'].float() for i in range(0, 300, 30)])
    limit = -(maps.mean((0, 2, 3)) + maps.std((0, 2, 3)))
    one, pool, half = (channels('Mixed_7b.' + b, begun['width']) for b in ('branch1x1', 'branch_pool', 'branch3x3_1'))
    assert one + pool + 2 * half == maps.shape[1], 'the blocks have no room for it at this width'

    def copy(path, rows, bias=None):
        conv = net.of(path)
        conv.weight.zero_()
        conv.bias.zero_()
        for o, i in enumerate(rows):
            conv.weight[o, i, conv.kernel_size[0] // 2, conv.kernel_size[1] // 2] = 1
        if bias is not None:
            conv.bias[:len(rows)] = bias

    def block(b, starts):
        first, last, low, high = (list(range(s, s + n)) for s, n in zip(starts, (one, pool, half, half)))
        copy(b + '.branch1x1', first)
        copy(b + '.branch_pool', last)
        copy(b + '.branch3x3_1', low)
        copy(b + '.branch3x3_2a', range(half))
        copy(b + '.branch3x3_2b', range(half), limit[one + pool:one + pool + half])
        copy(b + '.branch3x3dbl_1', high)
        copy(b + '.branch3x3dbl_2', range(half))
        copy(b + '.branch3x3dbl_3a', range(half))
        copy(b + '.branch3x3dbl_3b', range(half), limit[one + pool + half:])
    block('Mixed_7b', (0, one, one + pool, one + pool + half))
    block('Mixed_7c', (0, one + 4 * half, one, one + 2 * half))
    torch.save({**begun, 'net': net.state_dict()}, f'{a.dir}/made.pt')


# ---- export

def export(a):
    begun = torch.load(f'{a.dir}/made.pt')
    net = Inception(begun['width'])
    net.load_state_dict(begun['net'])
    tensors = {f'{p}.{kind}': getattr(net.of(p), kind).detach().numpy().astype('<f2') for p in BASE for kind in ('weight', 'bias')}
    meta = {'format': 'rehead-trunk/1', 'flavor': 'tf-2015', 'width': repr(begun['width']), 'source': a.source,
            'recipe': json.dumps({'size': a.size, 'orient': True, 'geometry': 'squash', 'filter': 'tf1-bilinear',
                                  'mean': [128] * 3, 'std': [128] * 3}, separators=(',', ':'))}
    head, at = {'__metadata__': meta}, 0
    for name in sorted(tensors):
        head[name] = {'dtype': 'F16', 'shape': list(tensors[name].shape), 'data_offsets': [at, at + tensors[name].nbytes]}
        at += tensors[name].nbytes
    text = json.dumps(head, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    whole = struct.pack('<Q', len(text)) + text + b''.join(tensors[n].tobytes() for n in sorted(tensors))
    with open(a.out + '.part', 'wb') as f:
        f.write(zstandard.ZstdCompressor(level=9, write_checksum=True).compress(whole[0::2] + whole[1::2]))
    os.replace(a.out + '.part', a.out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest='step', required=True)
    steps = {f.__name__: (f, sub.add_parser(f.__name__)) for f in (init, handon, export)}
    for name, (_, s) in steps.items():
        s.add_argument('--dir', required=True, help='folder of what the steps leave each other')
        if name != 'export':
            s.add_argument('--pictures', required=True, help='archive of imagenet-samples/, scenes/ and tiny-imagenet/')
    s = steps['init'][1]
    s.add_argument('--teacher', required=True, help='inception-2015-12-05.safetensors')
    s.add_argument('--size', type=int, default=256, help='side of a view')
    s.add_argument('--views', type=int, default=700)
    s.add_argument('--width', type=float, default=0.5)
    s.add_argument('--covered', type=int, default=400, help='views that choose the channels')
    s.add_argument('--ridge', type=float, default=3e-3)
    s = steps['export'][1]
    s.add_argument('--size', type=int, required=True, help='side of the pictures that rehead feeds it')
    s.add_argument('--out', required=True)
    s.add_argument('--source', default='narrow InceptionV3 made from inception-2015-12-05 (Google, Apache-2.0) for rehead: inception/embedded/README.md')
    a = p.parse_args()
    steps[a.step][0](a)


if __name__ == '__main__':
    main()
