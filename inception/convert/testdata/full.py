#!/usr/bin/python3
"""full.py DIR: the network of DIR/weights.pth (full width, torchvision's names) as DIR/net.onnx, exported by PyTorch, and as
DIR/net.h5 in Keras's layout. Keras's layers have no gamma: it goes into the kernel and the mean, which changes nothing
(gamma (x - mean) / s = (gamma x - gamma mean) / s)."""
import sys, warnings
import h5py, torch, torchvision

warnings.filterwarnings("ignore")
out = sys.argv[1]
net = torchvision.models.inception_v3(weights=None, init_weights=False, aux_logits=True, transform_input=False)
net.load_state_dict(torch.load(f"{out}/weights.pth"))
net.eval()
torch.onnx.export(net, torch.zeros(1, 3, 299, 299), f"{out}/net.onnx", opset_version=13)
blocks = [m for n, m in net.named_modules() if hasattr(m, "conv") and hasattr(m, "bn") and not n.startswith("AuxLogits")]
with h5py.File(f"{out}/net.h5", "w") as f, torch.no_grad():
    for i, m in enumerate(blocks, 1):
        g = m.bn.weight
        f[f"conv2d_{i}/conv2d_{i}/kernel:0"] = (m.conv.weight * g[:, None, None, None]).permute(2, 3, 1, 0).contiguous().numpy()
        for name, v in (("beta", m.bn.bias), ("moving_mean", m.bn.running_mean * g), ("moving_variance", m.bn.running_var)):
            f[f"batch_normalization_{i}/batch_normalization_{i}/{name}:0"] = v.numpy()
    f["predictions/predictions/kernel:0"] = net.fc.weight.T.contiguous().numpy()
    f["predictions/predictions/bias:0"] = net.fc.bias.numpy()
