"""graphmodel.py OUT: saved_model.pb and its variables here as TensorFlow.js's converter writes a graph model of them (model.json,
group1-shard1of1.bin), which has ReLUs moved behind concatenations and pools; its answers are in chain.json.

Run with tensorflowjs 4.22.0. Where its tensorflow_decision_forests does not load, an empty module of that name does."""
import gzip, os, shutil, subprocess, sys, tempfile

OUT, here = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
with tempfile.TemporaryDirectory() as d:
    os.makedirs(f"{d}/saved/variables")
    for name in ("saved_model.pb", "variables.index", "variables.data-00000-of-00001"):
        to = f"{d}/saved/{'variables/' if name.startswith('var') else ''}{name}"
        with gzip.open(f"{here}/{name}.gz") as old, open(to, "wb") as new:
            shutil.copyfileobj(old, new)
    converter = os.path.join(os.path.dirname(sys.executable), "tensorflowjs_converter")
    subprocess.run([converter, "--input_format", "tf_saved_model", f"{d}/saved", f"{d}/js"], check=True)
    for name in ("model.json", "group1-shard1of1.bin"):
        with open(f"{d}/js/{name}", "rb") as f, gzip.GzipFile(f"{OUT}/{name}.gz", "wb", 9, mtime=0) as z:
            z.write(f.read())
