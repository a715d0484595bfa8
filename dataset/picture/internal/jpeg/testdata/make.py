"""Makes the pictures of this folder with libjpeg-turbo's cjpeg, djpeg and jpegtran, and Pillow. Run here.

Each NAME.jpg of a sampling that image/jpeg does not read has beside it what djpeg makes of it, NAME.png. The progressive
ones have the pixels that image/jpeg makes of them; where it fails, djpeg's without interpolated chroma.
"""
import io
import math
import subprocess
from PIL import Image

W, H = 45, 37


def draw(w, h):
    im = Image.new("RGB", (w, h))
    for y in range(h):
        for x in range(w):
            wave = math.sin(x / 3.1) * math.cos(y / 4.3)
            im.putpixel((x, y), (int(128 + 90 * wave), 255 * x // w, 200 if (x // 9 + y // 7) % 2 else 40))
    return im


def run(*args, data):
    return subprocess.run(args, input=data, stdout=subprocess.PIPE, check=True).stdout


def ppm(im):
    b = io.BytesIO()
    im.save(b, "PPM")
    return b.getvalue()


picture, narrow = ppm(draw(W, H)), ppm(draw(5, 3))
SAMPLINGS = {
    "1x1,2x2,2x2": [], "1x4,1x1,1x1": [], "2x2,1x1,1x2": [], "2x2,2x1,1x1": [], "3x1,1x1,1x1": ["-progressive"],
    "1x2,1x1,2x2": ["-restart", "1"], "2x1,1x1,2x1": ["-progressive", "-restart", "1"], "3x2,1x1,1x2": [],
    "1x1,1x1,2x1": [], "1x3,1x1,2x1": [],
}
for s, flags in SAMPLINGS.items():
    name = "sampling-" + s.replace(",", "-")
    jpg = run("cjpeg", "-quality", "90", *flags, "-sample", s, data=picture)
    open(name + ".jpg", "wb").write(jpg)
    Image.open(io.BytesIO(run("djpeg", data=jpg))).save(name + ".png")
jpg = run("cjpeg", "-quality", "90", "-sample", "1x1,2x2,2x1", data=narrow)
open("narrow.jpg", "wb").write(jpg)
Image.open(io.BytesIO(run("djpeg", data=jpg))).save("narrow.png")

for name, flags, src in [
    ("420", ["-sample", "2x2,1x1,1x1"], picture), ("422-restart", ["-sample", "2x1,1x1,1x1", "-restart", "1"], picture),
    ("444", ["-sample", "1x1,1x1,1x1"], picture), ("440", ["-sample", "1x2,1x1,1x1"], picture),
    ("grey", ["-grayscale"], picture), ("rgb", ["-rgb"], picture), ("narrow", ["-sample", "2x2,1x1,1x1"], narrow),
]:
    jpg = run("cjpeg", "-quality", "93", "-progressive", *flags, data=src)
    open("progressive-" + name + ".jpg", "wb").write(jpg)
    if "-restart" in flags:
        Image.open(io.BytesIO(run("djpeg", "-nosmooth", data=jpg))).save("progressive-" + name + ".png")
b = io.BytesIO()
draw(W, H).convert("CMYK").save(b, "JPEG", quality=90)
open("progressive-cmyk.jpg", "wb").write(run("jpegtran", "-progressive", data=b.getvalue()))
