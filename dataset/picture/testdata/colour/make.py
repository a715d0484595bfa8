"""Draws pictures with embedded profiles, and what LittleCMS makes of them in sRGB. Run in this folder, with Pillow.

The profiles are written here: Display P3's primaries with sRGB's curve, Adobe RGB's with a gamma of 563/256.
"""
import io
import struct
from PIL import Image, ImageCms

W, H = 48, 40
P3 = [(0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)]
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]


def fixed(*values):
    return b"".join(struct.pack(">i", round(65536 * v)) for v in values)


def profile(primaries, curve):
    text = b"drawn"
    tags = [(b"desc", b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + b"\0" * 78),
            (b"wtpt", b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)), (b"cprt", b"text\0\0\0\0" + text + b"\0")]
    for name, xyz in zip("rgb", primaries):
        tags += [(name.encode() + b"XYZ", b"XYZ \0\0\0\0" + fixed(*xyz)), (name.encode() + b"TRC", curve)]
    body, table = b"", struct.pack(">I", len(tags))
    start = 132 + 12 * len(tags)
    for sig, data in tags:
        data += b"\0" * (-len(data) % 4)
        table += sig + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + body


CURVE = b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
GAMMA = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563) + b"\0\0"
TABLE = b"curv\0\0\0\0" + struct.pack(">I", 64) + struct.pack(">64H", *[round(65535 * (i / 63) ** 1.8) for i in range(64)])
im = Image.new("RGB", (W, H))
for y in range(H):
    for x in range(W):
        im.putpixel((x, y), (255 * x // (W - 1), 255 * y // (H - 1), (x * 7 + y * 5) % 256))
srgb = ImageCms.createProfile("sRGB")
for name, icc, options in [
    ("p3.png", profile(P3, CURVE), {}), ("adobe.tif", profile(ADOBE, GAMMA), {"compression": "tiff_lzw"}),
    ("adobe.webp", profile(ADOBE, GAMMA), {"lossless": True}), ("table.png", profile(P3, TABLE), {}),
    ("p3.jpg", profile(P3, CURVE), {"quality": 98, "subsampling": 0}), ("srgb.png", ImageCms.ImageCmsProfile(srgb).tobytes(), {}),
]:
    im.save(name, icc_profile=icc, **options)
    got = Image.open(name)
    out = ImageCms.profileToProfile(got.convert("RGB"), io.BytesIO(icc), srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC)
    out.info.pop("icc_profile", None)
    out.save(name.replace(".", "-") + "-srgb.png")
