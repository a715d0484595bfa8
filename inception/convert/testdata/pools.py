"""pools.py OUT: a narrow InceptionV3 of Keras 3 whose head reads the maxima of its last block (peak.keras), and one whose head
reads all of it (cells.keras), with their answers. Run with keras 3.15.1 and tensorflow 2.21; weights of three values compress well."""
import gzip, json, os, sys
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import keras
from keras.src.applications import inception_v3

OUT, WIDTH, SIZE, L = sys.argv[1], 0.06, 139, keras.layers
real = inception_v3.conv2d_bn
inception_v3.conv2d_bn = lambda x, filters, *a, **kw: real(x, max(int(WIDTH * filters), 16), *a, **kw)
n, y, x, c = np.ogrid[0:2, 0:SIZE, 0:SIZE, 0:3]
picture = ((x * x + 3 * y * (c + 1) + 7 * x * y * (n + 1)) % 251 / 127.5 - 1).astype("f4")


def fill(model):
    rng = np.random.default_rng(7)
    number = lambda l: (l.__class__.__name__, int("0" + "".join(c for c in l.name.rpartition("_")[2] if c.isdigit())))
    for l in sorted((l for l in model.layers if l.weights), key=number):
        out = []
        for v in l.weights:
            if v.name == "kernel":
                w = rng.integers(-1, 2, v.shape) * np.sqrt(3.0 / np.prod(v.shape[:-1]))
            elif v.name == "moving_variance":
                w = rng.integers(48, 96, v.shape) / 64
            else:  # beta, moving_mean, bias
                w = rng.integers(-16, 17, v.shape) / 64
            out.append(w.astype("f4"))
        l.set_weights(out)


for name, pool in () if __name__ == "pools" else (("peak", L.GlobalMaxPooling2D()), ("cells", L.Flatten())):
    keras.utils.clear_session()
    base = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    read = pool(base.output)
    model = keras.Model(base.input, L.Dense(3, activation="softmax")(read))
    fill(model)
    json.dump({"bottlenecks": keras.Model(base.input, read).predict(picture, verbose=0).tolist(),
               "probabilities": model.predict(picture, verbose=0).tolist()}, open(f"{OUT}/{name}.json", "w"))
    model.save(f"{OUT}/{name}.keras")
    with open(f"{OUT}/{name}.keras", "rb") as f, gzip.GzipFile(f"{OUT}/{name}.keras.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
    os.remove(f"{OUT}/{name}.keras")
