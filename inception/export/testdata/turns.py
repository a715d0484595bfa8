"""turns.py REHEAD ONNX INT8 [--before REHEAD] [--rounds 5] [--seconds 2]: rehead beside OpenVINO, in turn, as Markdown.

Forward passes in float32, bfloat16 and int8 at 1 thread and batch 1, 2 and 1, 2 and 8: milliseconds a picture, the
median and the least of the rounds' medians, and the median of the rounds' ratios. ONNX is of `rehead export`, INT8 the
.xml that ov.py makes of it. BEFORE is another build, which bfloat16 is held to in float32. The python is one that
ov.py runs with.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

p = argparse.ArgumentParser()
p.add_argument("rehead")
p.add_argument("onnx")
p.add_argument("int8")
p.add_argument("--before")
p.add_argument("--rounds", type=int, default=5)
p.add_argument("--seconds", type=int, default=2)
a = p.parse_args()
peer = pathlib.Path(__file__).with_name("ov.py")


def out(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


def forward(build, precision, threads, batch):
    text = out(build, "bench", "forward", "--precision", precision, "--threads", threads, "--batch", batch, "--duration",
               f"{a.seconds}s", "--json")
    return json.loads(text)["ms_per_image"]["median"]


def openvino(precision, threads, batch):
    short = {"float32": "f32", "bfloat16": "bf16", "int8": "int8"}[precision]
    return float(out(sys.executable, peer, a.int8 if precision == "int8" else a.onnx, short, threads, batch, a.seconds))


def both(times):
    return f"{statistics.median(times):.1f} ({min(times):.1f})"


def beside(mine, others):
    return f"{both(others)}; {statistics.median(o / m for m, o in zip(mine, others)):.2f} ({min(others) / min(mine):.2f})"


print(f"| medians of {a.rounds} rounds (the least) | rehead | OpenVINO; ratio (of the least) |" +
      (" before; ratio (of the least) |" if a.before else ""))
print("|---|---|---|" + ("---|" if a.before else ""))
for precision in "bfloat16", "int8", "float32":
    for threads, batch in (1, 1), (2, 1), (2, 8):
        mine, ov, before = [], [], []
        for _ in range(a.rounds):
            mine.append(forward(a.rehead, precision, threads, batch))
            ov.append(openvino(precision, threads, batch))
            if a.before:
                before.append(forward(a.before, "int8" if precision == "int8" else "float32", threads, batch))
        row = f"| {precision}, threads {threads}, batch {batch} | {both(mine)} | {beside(mine, ov)} |"
        print(row + (f" {beside(mine, before)} |" if a.before else ""), flush=True)
