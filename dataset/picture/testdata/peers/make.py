"""Makes odd and damaged pictures, and says what Pillow reads of them and of those of other folders.

    python make.py OUT SEED NUMBER [FOLDER...]

OUT/files gets NUMBER pictures, drawn and then encoded, changed or cut by SEED; OUT/all.txt names them and every file of
the folders, one a line; OUT/pillow.tsv says of each "ok WIDTH HEIGHT" or why not, and OUT/N.rgb has the pixels of line
N: three bytes each, alpha laid on white, 16 bits cut to the upper 8. Needs Pillow and numpy.
"""
import io
import os
import random
import struct
import sys
import warnings
import zlib

import numpy
from PIL import Image

out, seed, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = 32 << 20  # twice that is an error


def drawn():
    """A picture of smooth colours with edges and a little noise."""
    w, h = rng.randint(1, 90), rng.randint(1, 70)
    y, x = numpy.mgrid[0:h, 0:w].astype(float)
    planes = []
    for _ in range(3):
        a, b, c = rng.random() * 0.2, rng.random() * 0.2, rng.random() * 6
        plane = 128 + 90 * numpy.sin(a * x + b * y + c)
        plane[(x - w * rng.random()) ** 2 + (y - h * rng.random()) ** 2 < (w * rng.random() / 2) ** 2] = rng.randrange(256)
        planes.append(plane)
    noise = numpy.random.default_rng(rng.randrange(1 << 30)).normal(0, 6, (h, w, 3))
    return Image.fromarray(numpy.clip(numpy.dstack(planes) + noise, 0, 255).astype("uint8"))


def mode(im, *modes):
    m = rng.choice(modes)
    if m in ("RGBA", "LA"):
        im = im.convert(m)
        im.putalpha(im.convert("L").point(lambda v: 255 if v > 140 else v))
        return im
    if m == "P":
        return im.quantize(rng.choice([2, 3, 15, 16, 200]))
    if m == "I;16":
        return Image.fromarray((numpy.asarray(im.convert("L")).astype("uint16") * 257 + rng.randrange(200)) & 0xFFFF)
    return im.convert(m)


def saved(im, form, **options):
    b = io.BytesIO()
    im.save(b, form, **options)
    return b.getvalue()


# JPEG

def segments(data):
    """The marker segments before the first scan, and the rest."""
    at, parts = 2, []
    while data[at + 1] != 0xDA:
        n = struct.unpack(">H", data[at + 2:at + 4])[0]
        parts.append(data[at:at + 2 + n])
        at += 2 + n
    return parts, data[at:]


def jpeg():
    im = mode(drawn(), "RGB", "RGB", "L", "CMYK")
    options = dict(quality=rng.choice([20, 60, 90, 98]), progressive=rng.random() < 0.4, optimize=rng.random() < 0.3)
    if im.mode == "RGB":
        options["subsampling"] = rng.choice([0, 1, 2])
    if rng.random() < 0.2:
        options["comment"] = b"drawn"
    data = saved(im, "JPEG", **options)
    parts, scan = segments(data)
    odd = rng.randrange(16)
    if odd == 0:
        data = data[:-2]  # no end marker
    elif odd == 1:
        data += bytes(rng.randrange(256) for _ in range(rng.randint(1, 300)))
    elif odd == 2:
        data = b"\xff\xd8" + b"".join(b"\xff" * rng.randint(1, 5) + p for p in parts) + scan
    elif odd == 3:
        at = rng.randint(1, len(parts))
        parts.insert(at, bytes(rng.randrange(255) for _ in range(rng.randint(1, 20))))
        data = b"\xff\xd8" + b"".join(parts) + scan
    elif odd == 4:
        data = b"\xff\xd8" + b"".join(p for p in parts if p[1] != 0xC4) + scan  # no Huffman tables
    elif odd == 5:
        rng.shuffle(parts)
        data = b"\xff\xd8" + b"".join(parts) + scan
    elif odd == 6:
        data = b"\xff\xd8" + b"".join(p for p in parts if not 0xE0 <= p[1] <= 0xEF) + scan  # no JFIF, no Adobe
    elif odd == 7:
        body = bytes(rng.randrange(256) for _ in range(rng.randint(0, 40)))
        parts.insert(0, b"\xff" + bytes([rng.choice([0xE1, 0xE2, 0xED, 0xEE, 0xFE])]) + struct.pack(">H", len(body) + 2) + body)
        data = b"\xff\xd8" + b"".join(parts) + scan
    elif odd == 8:
        data = b"\xff\xd8" + b"".join(p for p in parts for _ in range(2 if p[1] in (0xC4, 0xDB) else 1)) + scan
    elif odd == 9:  # a taller or lower frame
        parts = [p[:5] + struct.pack(">H", max(1, struct.unpack(">H", p[5:7])[0] + rng.choice([-8, -1, 1, 9]))) + p[7:]
                 if 0xC0 <= p[1] <= 0xC2 else p for p in parts]
        data = b"\xff\xd8" + b"".join(parts) + scan
    elif odd == 10:
        data = data[:-2] + b"\xff\xd0\xff\xd9"  # a restart marker that nobody asked for
    elif odd == 11:
        data = data[:-2] + bytes(rng.randint(1, 9)) + b"\xff\xd9"
    return "jpg", data


# PNG

def chunk(kind, body, crc=None):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) if crc is None else crc)


def chunks(data):
    at, parts = 8, []
    while at < len(data):
        n = struct.unpack(">I", data[at:at + 4])[0]
        parts.append((data[at + 4:at + 8], data[at + 8:at + 8 + n]))
        at += 12 + n
    return parts


def png():
    im = mode(drawn(), "1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    options = {"compress_level": rng.randint(0, 9)}
    if im.mode in ("L", "P", "RGB") and rng.random() < 0.3:
        options["transparency"] = {"RGB": (1, 2, 3)}.get(im.mode, rng.randrange(2))
    parts = chunks(saved(im, "PNG", **options))
    odd, tail = rng.randrange(14), b""
    where = [i for i, p in enumerate(parts) if p[0] == b"IDAT"]
    head, body = parts[0], b"".join(p[1] for p in parts if p[0] == b"IDAT")
    rest = [p for p in parts[1:where[0]]]
    if odd == 0:
        parts = [head] + rest + [(b"IDAT", body[i:i + 7]) for i in range(0, len(body), 7)] + [(b"IEND", b"")]
    elif odd == 1:
        parts = [head] + rest + [(b"IDAT", b""), (b"IDAT", body), (b"IDAT", b""), (b"IEND", b"")]
    elif odd == 2:
        parts = [p for p in parts if p[0] != b"IEND"]
    elif odd == 3:
        tail = bytes(rng.randrange(256) for _ in range(rng.randint(1, 200)))
    elif odd == 4:
        parts.insert(1, (rng.choice([b"tEXt", b"zTXt", b"iTXt", b"tIME", b"pHYs", b"gAMA", b"cHRM", b"sBIT", b"vpAg", b"eXIf"]),
                         bytes(rng.randrange(256) for _ in range(rng.randint(0, 30)))))
    elif odd == 5:
        parts = [head] + rest + [(b"IDAT", body[:-4] + bytes(4)), (b"IEND", b"")]  # Adler-32
    elif odd == 6:
        parts = [head] + rest + [(b"IDAT", body + b"more"), (b"IEND", b"")]
    elif odd == 7:
        parts.insert(len(parts) - 1, (b"tEXt", b"Comment\x00behind"))
    elif odd == 8:
        parts = [head] + rest + [(b"IDAT", body[:len(body) - rng.randint(1, 8)]), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*p) for p in parts) + tail
    if odd == 9:
        at = data.index(b"IEND") - 4 if rng.random() < 0.5 else 8 + 12 + len(head[1])
        data = data[:at - 4] + bytes(4) + data[at:]  # the checksum of what stands before
    return "png", data


def interlaced():
    """PNG that Adam7 interlaces, which Pillow does not write."""
    im = mode(drawn(), "L", "RGB", "RGBA")
    a = numpy.asarray(im).reshape(im.height, im.width, -1)
    body = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = a[y0::dy, x0::dx]
        if part.size:
            body += b"".join(b"\x00" + row.tobytes() for row in part)
    head = struct.pack(">IIBBBBB", im.width, im.height, 8, {"L": 0, "RGB": 2, "RGBA": 6}[im.mode], 0, 0, 1)
    return "png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


# The others

def gif():
    im = mode(drawn(), "P", "L", "1")
    options = {"interlace": rng.randrange(2)}
    if rng.random() < 0.3:
        options["transparency"] = 0
    if rng.random() < 0.3:
        options.update(save_all=True, append_images=[im.rotate(180)], duration=90)
    data = bytearray(saved(im, "GIF", **options))
    odd = rng.randrange(10)
    if odd == 0:
        data = data[:-1]
    elif odd == 1:
        data += bytes(rng.randrange(256) for _ in range(50))
    elif odd == 2:
        data[6:8] = struct.pack("<H", max(1, im.width - rng.randint(0, 5)))
    elif odd == 3:
        data[6:10] = struct.pack("<HH", im.width + rng.randint(0, 9), im.height + rng.randint(0, 9))
    elif odd == 4:
        data[4] = ord("7")
    elif odd == 5:
        data = data[:-2] + b";"
    return "gif", bytes(data)


def bmp():
    im = mode(drawn(), "1", "L", "P", "RGB", "RGBA")
    data = bytearray(saved(im, "BMP"))
    odd = rng.randrange(12)
    if odd == 0:
        data[2:6] = struct.pack("<I", rng.randrange(1 << 16))  # the file's length, which nobody needs
    elif odd == 1:
        data[34:38] = struct.pack("<I", rng.choice([0, 1, 1 << 20]))
    elif odd == 2:
        data += bytes(rng.randint(1, 40))
    elif odd == 3:
        data[22:26] = struct.pack("<i", -im.height)
    elif odd == 4:
        data = data[:len(data) - rng.randint(1, 6)]
    elif odd == 5:
        gap = rng.randint(1, 16)
        start = struct.unpack("<I", data[10:14])[0]
        data = data[:start] + bytes(gap) + data[start:]
        data[10:14] = struct.pack("<I", start + gap)
    elif odd == 6:
        data[46:50] = struct.pack("<I", rng.choice([0, 2, 300]))  # colours
    elif odd == 7:
        data[26:28] = struct.pack("<H", rng.choice([0, 1, 2]))  # planes
    return "bmp", bytes(data)


def tiff():
    im = mode(drawn(), "1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")
    compressions = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]
    if im.mode == "1":
        compressions += ["group3", "group4", "tiff_ccitt"]
    if im.mode in ("L", "RGB", "CMYK"):
        compressions.append("jpeg")
    how = rng.choice(compressions)
    if how != "raw" and im.mode == "I;16":
        how = rng.choice(["raw", "tiff_lzw", "tiff_adobe_deflate"])
    info = {}
    if rng.random() < 0.3:
        info[278] = rng.randint(1, 20)  # rows of a strip
    if how in ("tiff_lzw", "tiff_adobe_deflate") and im.mode in ("L", "RGB", "RGBA") and rng.random() < 0.5:
        info[317] = 2
    data = saved(im, "TIFF", compression=how, tiffinfo=info)
    odd = rng.randrange(8)
    if odd == 0:
        data += bytes(rng.randrange(256) for _ in range(40))
    elif odd == 1:
        data = data[:len(data) - rng.randint(1, 3)]
    return "tif", data


def webp():
    im = mode(drawn(), "RGB", "RGBA", "L")
    options = dict(quality=rng.choice([10, 60, 95]), lossless=rng.random() < 0.4, method=rng.randrange(5))
    if rng.random() < 0.2:
        options.update(save_all=True, append_images=[im.rotate(180)])
    data = bytearray(saved(im, "WEBP", **options))
    odd = rng.randrange(10)
    if odd == 0:
        data += bytes(rng.randint(1, 30))
    elif odd == 1:
        data[4:8] = struct.pack("<I", struct.unpack("<I", data[4:8])[0] + rng.choice([-2, -1, 1, 2, 40]))
    elif odd == 2:
        data += b"EXIF" + struct.pack("<I", 4) + b"none"
        data[4:8] = struct.pack("<I", len(data) - 8)
    return "webp", bytes(data)


def damaged(data):
    """Changes, cuts or repeats some bytes."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 2)):
        how, at = rng.randrange(5), rng.randrange(len(data))
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at] = rng.randrange(256)
        elif how == 2 and len(data) > 20:
            del data[len(data) - rng.randint(1, 12):]
        elif how == 3:
            data[at:at] = data[at:at + rng.randint(1, 4)]
        else:
            at = rng.randrange(min(len(data), 120))
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


def rgb(path):
    """The pixels of a file, as numbers [height,width,3]."""
    im = Image.open(path)
    im.load()
    if im.mode.startswith("I"):
        a = numpy.asarray(im).astype("int64")
        return numpy.repeat((numpy.clip(a, 0, 65535) >> 8).astype("uint8")[:, :, None], 3, 2)
    if im.mode in ("CMYK", "YCbCr", "LAB", "HSV", "F"):
        return numpy.asarray(im.convert("RGB"))
    if im.mode in ("1", "L", "RGB") and "transparency" not in im.info:
        return numpy.asarray(im.convert("RGB"))
    a = numpy.asarray(im.convert("RGBA")).astype("uint32")
    alpha = a[:, :, 3:]
    return ((a[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype("uint8")


def main():
    os.makedirs(os.path.join(out, "files"))
    paths = []
    while len(paths) < number:
        try:
            form, data = rng.choice([jpeg, jpeg, jpeg, png, png, interlaced, gif, bmp, tiff, tiff, webp])()
        except Exception:  # what Pillow does not write
            continue
        if rng.random() < 0.4:
            data = damaged(data)
        path = os.path.join(out, "files", "%04d.%s" % (len(paths), form))
        with open(path, "wb") as f:
            f.write(data)
        paths.append(path)
    for folder in sys.argv[4:]:
        paths += sorted(os.path.join(folder, n) for n in os.listdir(folder) if not n.endswith(".tsv"))
    with open(os.path.join(out, "all.txt"), "w") as names, open(os.path.join(out, "pillow.tsv"), "w") as said:
        for i, path in enumerate(paths):
            print(path, file=names)
            try:
                a = rgb(path)
                with open(os.path.join(out, "%d.rgb" % i), "wb") as f:
                    f.write(a.tobytes())
                print("ok %d %d" % (a.shape[1], a.shape[0]), file=said)
            except Exception as e:
                print(" ".join(("%s: %s" % (type(e).__name__, e)).split()), file=said)


main()
