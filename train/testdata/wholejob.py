"""From label folders to a classifier on a frozen InceptionV3 by the usual means of Python, for `.ci/whole-job` to time:
pictures decoded and resized to 299x299, bottlenecks of all of them, a head fitted to four fifths, its accuracy on the
other fifth, the model saved. Prints the accuracy.

    python wholejob.py keras PHOTOS OUT     (tensorflow 2.21, keras 3.15: dense softmax layer, Adam, 50 epochs)
    python wholejob.py torch PHOTOS OUT     (torch 2.15, torchvision 0.29, scikit-learn 1.9: lbfgs, C = 1)

The networks have made-up weights, which cost the same time: what is printed shows that the job was done, no more.
"""
import os
import pathlib
import sys


def with_keras(photos, out):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    data = keras.utils.image_dataset_from_directory(photos, image_size=(299, 299), shuffle=False, verbose=False)
    labels = len(data.class_names)
    trunk = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")
    import numpy as np

    truth = np.concatenate([y.numpy() for _, y in data])
    scaled = data.map(lambda x, _: keras.applications.inception_v3.preprocess_input(x))
    bottlenecks = trunk.predict(scaled, verbose=0)
    test = np.arange(len(truth)) % 5 == 0
    head = keras.Sequential([keras.Input((2048,)), keras.layers.Dense(labels, activation="softmax")])
    head.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    head.fit(bottlenecks[~test], truth[~test], epochs=50, verbose=0)
    keras.Sequential([trunk, head]).save(pathlib.Path(out) / "model.keras")
    return head.evaluate(bottlenecks[test], truth[test], verbose=0)[1]


def with_torch(photos, out):
    import joblib
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from torchvision import datasets, models, transforms

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    how = transforms.Compose([transforms.Resize((299, 299)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])
    data = datasets.ImageFolder(photos, how)
    trunk = models.inception_v3(weights=None, aux_logits=False, init_weights=False).eval().to(memory_format=torch.channels_last)
    trunk.fc = torch.nn.Identity()
    rows, truth = [], []
    with torch.inference_mode():
        for x, y in torch.utils.data.DataLoader(data, batch_size=32):
            rows.append(trunk(x.to(memory_format=torch.channels_last)).numpy())
            truth.append(y.numpy())
    rows, truth = np.concatenate(rows), np.concatenate(truth)
    test = np.arange(len(truth)) % 5 == 0
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows[~test], truth[~test])
    joblib.dump(head, pathlib.Path(out) / "head.joblib")
    torch.save(trunk.state_dict(), pathlib.Path(out) / "trunk.pth")
    return head.score(rows[test], truth[test])


if __name__ == "__main__":
    kind, photos, out = sys.argv[1:]
    print(f"{ {'keras': with_keras, 'torch': with_torch}[kind](photos, out):.4f}")
