"""blocked.py OUT: folded.onnx as ONNX Runtime 1.32 saves it with ORT_ENABLE_ALL on a processor with AVX-512 (blocks of
16 channels): blocked.onnx.gz, with the answers of folded.onnx."""
import gzip, os, sys
import onnxruntime as ort

OUT = sys.argv[1]
plain, blocked = f"{OUT}/folded.onnx", f"{OUT}/blocked.onnx"
with gzip.open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "folded.onnx.gz")) as z, open(plain, "wb") as f:
    f.write(z.read())
o = ort.SessionOptions()
o.graph_optimization_level, o.optimized_model_filepath = ort.GraphOptimizationLevel.ORT_ENABLE_ALL, blocked
o.log_severity_level = 3
ort.InferenceSession(plain, o, providers=["CPUExecutionProvider"])
with open(blocked, "rb") as f, gzip.GzipFile(f"{OUT}/blocked.onnx.gz", "wb", 9, mtime=0) as z:
    z.write(f.read())
os.remove(plain)
os.remove(blocked)
