"""written.py OUT: folded.onnx as ONNX 1.23 writes it as text and as JSON (folded.textproto.gz, folded.json.gz), with the
answers of folded.onnx."""
import gzip, os, sys
import onnx

OUT, here = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
model = onnx.load_model_from_string(gzip.open(f"{here}/folded.onnx.gz").read())
for end, form in (("textproto", "textproto"), ("json", "json")):
    onnx.save(model, f"{OUT}/folded.{end}", format=form)
    with open(f"{OUT}/folded.{end}", "rb") as f, gzip.GzipFile(f"{OUT}/folded.{end}.gz", "wb", 9, mtime=0) as z:
        z.write(f.read())
    os.remove(f"{OUT}/folded.{end}")
