"""Draws ten pictures of odd sizes and resizes them as other tools do. Run in this folder, with tensorflow, keras,
opencv-python-headless, torch, torchvision and pillow; the pictures are committed.

N.png are the pictures, NAME.png what the tool makes of them, one behind the other, rounded to 8 bits. With arguments:
make.py OUT SIZE PICTURE... does the same with those pictures in the folder OUT.
"""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
import subprocess

import cv2
import numpy as np
from PIL import Image

TORCH = "RESIZE_TORCH" in os.environ  # which does not live in one process with TensorFlow
if TORCH:
    import torch
    from torchvision.transforms import InterpolationMode, Resize
else:
    import keras
    import tensorflow as tf

OUT, SIZE = ".", 17
if len(sys.argv) > 1:
    OUT, SIZE = sys.argv[1], int(sys.argv[2])
SIZES = [(45, 37), (37, 45), (31, 19), (17, 40), (23, 17), (16, 18), (13, 11), (7, 29), (41, 5), (34, 34)]


def draw(w, h):
    y, x = np.mgrid[:h, :w]
    noise = np.random.default_rng(w * 100 + h).integers(0, 60, (h, w, 3))
    rgb = np.dstack([x * 190 // w, y * 190 // h, (x // 5 + y // 4) % 2 * 190]) + noise
    return rgb.clip(0, 255).astype("u1")


def legacy(im, method, corners):
    return tf.compat.v1.image.resize(im[None], (SIZE, SIZE), method, align_corners=corners)[0].numpy()


def torchvision(mode):
    resize = Resize((SIZE, SIZE), mode, antialias=False)
    return lambda im: resize(torch.from_numpy(im.copy()).permute(2, 0, 1)).permute(1, 2, 0).numpy()


def load_img(im):
    Image.fromarray(im).save(os.path.join(OUT, "tmp.png"))
    return keras.utils.img_to_array(keras.utils.load_img(os.path.join(OUT, "tmp.png"), target_size=(SIZE, SIZE)))


def modern(method):
    return lambda im: tf.image.resize(im.astype("f4"), (SIZE, SIZE), method).numpy()


TOOLS = {} if TORCH else {
    "keras": lambda im: keras.layers.Resizing(SIZE, SIZE)(im.astype("f4")[None])[0].numpy(),
    "keras-crop": lambda im: keras.layers.Resizing(SIZE, SIZE, crop_to_aspect_ratio=True)(im.astype("f4")[None])[0].numpy(),
    "keras-pad": lambda im: keras.layers.Resizing(SIZE, SIZE, pad_to_aspect_ratio=True)(im.astype("f4")[None])[0].numpy(),
    "keras-load-img": load_img,
    "tf-pad": lambda im: tf.image.resize_with_pad(im.astype("f4"), SIZE, SIZE).numpy(),
    "nsfwjs": lambda im: legacy(im.astype("f4"), "bilinear", True),
    "tf-bilinear": modern("bilinear"), "tf-bicubic": modern("bicubic"), "tf-lanczos3": modern("lanczos3"),
    "tf-lanczos5": modern("lanczos5"), "tf-area": modern("area"), "tf-nearest": modern("nearest"),
    "cv2-linear": lambda im: cv2.resize(im, (SIZE, SIZE)),
    "cv2-area": lambda im: cv2.resize(im, (SIZE, SIZE), interpolation=cv2.INTER_AREA),
    "floor-nearest": lambda im: cv2.resize(im, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST),
}
if TORCH:
    TOOLS = {"torch-bilinear": torchvision(InterpolationMode.BILINEAR),
             "torch-bicubic": torchvision(InterpolationMode.BICUBIC)}

if len(sys.argv) > 1:
    pictures = [np.array(Image.open(p).convert("RGB")) for p in sys.argv[3:]]
else:
    pictures = [draw(w, h) for w, h in SIZES]
for i, im in enumerate(pictures):
    Image.fromarray(im).save(os.path.join(OUT, f"{i}.png"))
for name, tool in TOOLS.items():
    sheet = np.concatenate([np.asarray(tool(im), "f8") for im in pictures])
    Image.fromarray(np.floor(sheet.clip(0, 255) + 0.5).astype("u1")).save(os.path.join(OUT, name + ".png"), optimize=True)
if TORCH:
    sys.exit()
for im in pictures:  # the same under another name
    a = keras.preprocessing.image.smart_resize(im.astype("f4"), (SIZE, SIZE))
    assert np.abs(np.asarray(a) - TOOLS["keras-crop"](im)).max() < 0.01
    assert (legacy(im.astype("f4"), "nearest", False) == TOOLS["floor-nearest"](im)).all()
os.remove(os.path.join(OUT, "tmp.png"))
subprocess.run([sys.executable] + sys.argv, env=os.environ | {"RESIZE_TORCH": "1"}, check=True)
