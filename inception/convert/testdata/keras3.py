"""keras3.py OUT: a narrow InceptionV3 of Keras 3 with preprocessing in front and two dense layers behind, in the forms that
Keras and TensorFlow write, and its answers. Run with keras 3.15.1 and tensorflow 2.21; weights of three values compress well."""
import gzip, json, os, shutil, sys
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import keras, tensorflow as tf
from keras.src.applications import inception_v3

OUT, WIDTH, SIZE, L = sys.argv[1], 0.06, 139, keras.layers
real = inception_v3.conv2d_bn
inception_v3.conv2d_bn = lambda x, filters, *a, **kw: real(x, max(int(WIDTH * filters), 16), *a, **kw)
base = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
pixels = i = keras.Input((SIZE, SIZE, 3))
x = base(L.Rescaling(1 / 255.0)(i), training=False)
pooled = L.GlobalAveragePooling2D()(x)
x = L.Dropout(0.3)(L.Dense(8, activation="relu")(pooled))
x = L.BatchNormalization(epsilon=1e-4)(x)
model = keras.Model(i, L.Dense(3, activation="softmax")(x))

rng = np.random.default_rng(7)
number = lambda l: (l.__class__.__name__, int("0" + "".join(c for c in l.name.rpartition("_")[2] if c.isdigit())))
for l in sorted((l for l in base.layers + model.layers if l.weights and l is not base), key=number):
    out = []
    for v in l.weights:
        if v.name == "kernel":
            w = rng.integers(-1, 2, v.shape) * np.sqrt(3.0 / np.prod(v.shape[:-1]))
        elif v.name == "moving_variance":
            w = rng.integers(48, 96, v.shape) / 64
        else:  # gamma, beta, moving_mean, bias
            w = rng.integers(-16, 17, v.shape) / 64 + (v.name == "gamma")
        out.append(w.astype("f4"))
    l.set_weights(out)
n, y, x, c = np.ogrid[0:2, 0:SIZE, 0:SIZE, 0:3]
picture = ((x * x + 3 * y * (c + 1) + 7 * x * y * (n + 1)) % 251).astype("f4")
model.save(f"{OUT}/chain.keras")
model.save(f"{OUT}/chain.h5")
model.save_weights(f"{OUT}/chain.weights.h5")
model.export(f"{OUT}/saved", verbose=False)
with open(f"{OUT}/chain.tflite", "wb") as f:
    f.write(tf.lite.TFLiteConverter.from_keras_model(model).convert())
shutil.move(f"{OUT}/saved/saved_model.pb", f"{OUT}/saved_model.pb")
for k in ("variables.index", "variables.data-00000-of-00001"):
    shutil.move(f"{OUT}/saved/variables/{k}", f"{OUT}/{k}")
shutil.rmtree(f"{OUT}/saved")
json.dump({"bottlenecks": keras.Model(pixels, pooled).predict(picture, verbose=0).tolist(),
           "probabilities": model.predict(picture, verbose=0).tolist()}, open(f"{OUT}/chain.json", "w"))
for k in ("chain.keras", "chain.h5", "chain.weights.h5", "chain.tflite", "saved_model.pb", "variables.index", "variables.data-00000-of-00001"):
    with open(f"{OUT}/{k}", "rb") as f, gzip.GzipFile(f"{OUT}/{k}.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
    os.remove(f"{OUT}/{k}")
