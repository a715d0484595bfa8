"""ov.py MODEL f32|bf16|int8 THREADS BATCH SECONDS: OpenVINO's milliseconds a picture, the median.

MODEL is an .onnx of `rehead export`; for int8, with a sixth argument, it is quantised by NNCF first and
written there (an .xml, which later runs take as MODEL). pip install openvino==2026.4.1 nncf==3.4.0
"""
import statistics
import sys
import time

import numpy as np
import openvino as ov

path, precision, threads, batch, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
rng = np.random.default_rng(0)
draw = lambda n: (rng.random((n, 3, 299, 299)) * 255).astype(np.float32)
core = ov.Core()
model = core.read_model(path)
if len(sys.argv) > 6:
    import nncf

    model.reshape([1, 3, 299, 299])
    model = nncf.quantize(model, nncf.Dataset([draw(1) for _ in range(8)]), subset_size=8)
    ov.save_model(model, sys.argv[6])
model.reshape([batch, 3, 299, 299])
compiled = core.compile_model(model, "CPU", {
    "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"})
request = compiled.create_infer_request()
request.set_input_tensor(ov.Tensor(draw(batch)))
for _ in range(3):
    request.infer()
times, end = [], time.perf_counter() + seconds
while time.perf_counter() < end:
    begin = time.perf_counter()
    request.infer()
    times.append((time.perf_counter() - begin) / batch * 1000)
print("%.2f" % statistics.median(times))
