"""Draws the pictures of this folder with Pillow: formats that Go has no encoder for.

Each shows four quarters, 24 x 16 pixels: red, green above blue, yellow. Run in this folder; the pictures are committed.
"""
from PIL import Image

W, H = 24, 16
COLOURS = [(220, 40, 30), (30, 160, 60), (40, 60, 200), (230, 210, 40)]


def quarters(mode="RGB"):
    im = Image.new("RGB", (W, H))
    for i, c in enumerate(COLOURS):
        im.paste(c, (i % 2 * W // 2, i // 2 * H // 2, (i % 2 + 1) * W // 2, (i // 2 + 1) * H // 2))
    return im.convert(mode)


q = quarters()
exif = Image.Exif()
exif[0x112] = 6
q.save("progressive.jpg", quality=95, progressive=True)
q.save("subsampled.jpg", quality=95, subsampling="4:2:0")
q.save("wide.jpg", quality=95, subsampling="4:2:2")
quarters("CMYK").save("cmyk.jpg", quality=95)
q.rotate(90, expand=True).save("orientation6.jpg", quality=95, exif=exif)
q.rotate(90, expand=True).save("orientation6.png", exif=exif)
q.rotate(90, expand=True).save("orientation6.webp", lossless=True, exif=exif)
q.rotate(90, expand=True).save("orientation6.tif", compression="tiff_lzw", tiffinfo={0x112: 6})
q.save("lossy.webp", quality=95)
q.save("lossless.webp", lossless=True)
a = quarters("RGBA")
a.putpixel((0, 0), (0, 0, 0, 0))
a.save("alpha.webp", quality=95)
q.save("animated.webp", lossless=True, save_all=True, append_images=[q.rotate(180)], duration=100)
q.quantize(8).save("animated.gif", save_all=True, append_images=[q.rotate(180).quantize(8)], duration=100)
q.save("deflate.tif", compression="tiff_adobe_deflate")
quarters("L").save("grey.tif")
q.quantize(8).save("palette.bmp")
bits = quarters("L").resize((48, 32)).point(lambda v: 255 * (v > 100)).convert("1")
for name, compression in [("bits", "packbits"), ("fax3", "group3"), ("fax4", "group4")]:
    bits.save(name + ".tif", compression=compression)
q.resize((48, 32)).convert("RGBA").save("jpeg-rgba.tif", compression="jpeg", quality=95)
q.resize((48, 32)).save("jpeg-ycc.tif", compression="jpeg", quality=95)
