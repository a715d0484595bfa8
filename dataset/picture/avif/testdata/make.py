"""Makes the fixtures of this folder and the pixels that Pillow shows of them: upright, on white.

python3 -m venv V && V/bin/pip install pillow==13.0.0 imagecodecs==2026.3.6 numpy && V/bin/python make.py
"""
import pathlib
import imagecodecs
import numpy as np
from PIL import Image, ImageOps

here = pathlib.Path(__file__).parent

y, x = np.mgrid[:24, :40]
rgb = np.stack([128 + 120 * np.sin(x / 7), 128 + 120 * np.cos(y / 5), 20 + 5 * x], -1).astype(np.uint8)
rgb[4:9, 6:20] = (200, 30, 40)
colours = Image.fromarray(rgb)
alpha = Image.merge("RGBA", (*colours.split(), Image.fromarray((255 - 6 * x).astype(np.uint8))))


def turned(name, orientation):
    exif = colours.getexif()
    exif[0x112] = orientation
    colours.save(here / name, exif=exif.tobytes(), quality=60, subsampling="4:4:4")



colours.save(here / "plain.avif", quality=90, subsampling="4:4:4")
colours.save(here / "halved.avif", quality=90, subsampling="4:2:0")
colours.convert("L").save(here / "grey.avif", quality=90)
alpha.save(here / "alpha.avif", quality=90, subsampling="4:4:4")
for o in range(2, 9):
    turned(f"orientation{o}.avif", o)
colours.save(here / "frames.avif", save_all=True, append_images=[ImageOps.invert(colours)], quality=60)
deep = (rgb.astype(np.uint16) * 257) >> 6
(here / "deep.avif").write_bytes(imagecodecs.avif_encode(deep, level=90, bitspersample=10))

for f in sorted(here.glob("*.avif")):
    shown = ImageOps.exif_transpose(Image.open(f)).convert("RGBA")
    white = Image.new("RGBA", shown.size, "white")
    Image.alpha_composite(white, shown).convert("RGB").save(here / (f.name + ".png"), optimize=True)
