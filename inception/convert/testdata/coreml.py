"""coreml.py OUT: what coremltools makes of the programs that programs.py wrote into OUT.

chain.mlpackage.mlmodel, .bin  the model and weight.bin of a package (ML program, float32) of chain-trace.pt
chain.mlmodel                  a neural network that classifies images, scaled to -1..1, of the network in whole.pth

torch 2.15.0, torchvision 0.29.2, coremltools 9.0. What is committed was written by: python coreml.py ."""
import gzip, shutil, sys
import coremltools as ct, torch
import narrow

OUT = sys.argv[1]
shape = (1, 3, narrow.SIZE, narrow.SIZE)
m = ct.convert(torch.jit.load(f"{OUT}/chain-trace.pt"), inputs=[ct.TensorType(name="x", shape=shape)], compute_precision=ct.precision.FLOAT32)
m.save(f"{OUT}/chain.mlpackage")
shutil.copy(f"{OUT}/chain.mlpackage/Data/com.apple.CoreML/model.mlmodel", f"{OUT}/chain.mlpackage.mlmodel")
shutil.copy(f"{OUT}/chain.mlpackage/Data/com.apple.CoreML/weights/weight.bin", f"{OUT}/chain.mlpackage.bin")
shutil.rmtree(f"{OUT}/chain.mlpackage")
net = torch.load(f"{OUT}/whole.pth", weights_only=False)
image = ct.ImageType(name="image", shape=shape, scale=1 / 127.5, bias=[-1, -1, -1])
ct.convert(torch.jit.trace(net, torch.zeros(shape)), inputs=[image], convert_to="neuralnetwork",
           classifier_config=ct.ClassifierConfig(["0", "1", "2"])).save(f"{OUT}/chain.mlmodel")
for k in ("chain.mlpackage.mlmodel", "chain.mlpackage.bin", "chain.mlmodel"):
    with open(f"{OUT}/{k}", "rb") as f, gzip.GzipFile(f"{OUT}/{k}.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
