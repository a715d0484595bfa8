"""bent.py OUT torch|keras: narrow InceptionV3 networks whose heads read the mean and the maximum of the last block and have
the rarer activations: bent.onnx and bent.pt2 with the pool of fastai (PyTorch 2.15),
or bent.keras (Keras 3.15.1), with their answers."""
import gzip, json, os, runpy, sys
import numpy as np

OUT, FROM = sys.argv[1:]


def pack(name):
    with open(f"{OUT}/{name}", "rb") as f, gzip.GzipFile(f"{OUT}/{name}.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
    os.remove(f"{OUT}/{name}")


def said(name, read, answers):
    json.dump({"bottlenecks": np.asarray(read).round(6).tolist(), "probabilities": np.asarray(answers).tolist()},
              open(f"{OUT}/{name}.json", "w"))


if FROM == "torch":
    import torch, narrow
    from torch import nn

    net = narrow.make(0.06, 3, 11)
    net.aux_logits, net.AuxLogits = False, None
    features = net.fc.in_features
    net.avgpool = type("Pool", (nn.Module,), {"forward": lambda self, x: torch.cat(
        [nn.functional.adaptive_max_pool2d(x, 1), nn.functional.adaptive_avg_pool2d(x, 1)], 1)})()
    torch.manual_seed(5)
    net.fc = nn.Sequential(nn.Linear(2 * features, 9), nn.PReLU(9), nn.LayerNorm(9), nn.Linear(9, 8), nn.Hardswish(), nn.Linear(8, 7),
                           nn.Softplus(), nn.Linear(7, 6), nn.Mish(), nn.Linear(6, 5), nn.Hardsigmoid(), nn.Linear(5, 4), nn.Softsign(),
                           nn.Linear(4, 3))
    for m in net.fc:
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=1.5 / m.in_features ** 0.5)
        if isinstance(m, (nn.PReLU, nn.LayerNorm)):
            nn.init.uniform_(m.weight, -0.5, 1.5)
    net.eval()
    x, read = narrow.pictures(2), {}
    net.fc.register_forward_pre_hook(lambda m, i: read.__setitem__("x", i[0].flatten(1)))
    with torch.no_grad():
        y = net(x).softmax(1)
    said("bent", torch.roll(read["x"], features, 1), y)  # the mean first, whatever the file's order
    torch.onnx.export(net, (x[:1],), f"{OUT}/bent.onnx", dynamo=False, opset_version=20)
    torch.export.save(torch.export.export(net, (x,)), f"{OUT}/bent.pt2")
    for name in ("bent.onnx", "bent.pt2"):
        pack(name)
else:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    sys.argv = ["pools.py", OUT]
    pools = runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pools.py"), run_name="pools")
    L, size = keras.layers, pools["SIZE"]
    keras.utils.clear_session()
    base = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(size, size, 3))
    read = L.Concatenate()([L.GlobalAveragePooling2D()(base.output), L.GlobalMaxPooling2D()(base.output)])
    x = read
    for layer in (L.Dense(9), L.PReLU(), L.LayerNormalization(), L.Dense(8, activation="hard_silu"), L.Dense(7, activation="softplus"),
                  L.Dense(6, activation="mish"), L.Dense(5, activation="hard_sigmoid"), L.Dense(4, activation="softsign"),
                  L.Dense(3, activation="softmax")):
        x = layer(x)
    model = keras.Model(base.input, x)
    pools["fill"](model)
    said("bent.keras", keras.Model(base.input, read).predict(pools["picture"], verbose=0), model.predict(pools["picture"], verbose=0))
    model.save(f"{OUT}/bent.keras")
    pack("bent.keras")
