package tensorboard

import (
	"os/exec"
	"strings"
	"testing"
)

// protobufReader reads an event file with Google's protobuf, given the messages as TensorFlow's
// event.proto, summary.proto and histogram.proto (now in TensorBoard) define them, and fails on a
// field that these do not have. (Of proto2, so that a value of 0 counts as there, as it does in the
// original's oneof.)
const protobufReader = `import struct, sys
from google.protobuf import descriptor_pb2, descriptor_pool
try:
    from google.protobuf.message_factory import GetMessageClass as cls
except ImportError:
    from google.protobuf.message_factory import MessageFactory
    cls = lambda d: MessageFactory().GetPrototype(d)
F = descriptor_pb2.FieldDescriptorProto
f = descriptor_pb2.FileDescriptorProto(name="event.proto", package="tensorflow", syntax="proto2")
def message(name, *fields):
    m = f.message_type.add(name=name)
    for number, field, kind, many, of in fields:
        d = m.field.add(name=field, number=number, type=kind, label=F.LABEL_REPEATED if many else F.LABEL_OPTIONAL)
        if many and not of: d.options.packed = True
        if of: d.type_name = ".tensorflow." + of
message("HistogramProto", (1, "min", F.TYPE_DOUBLE, 0, ""), (2, "max", F.TYPE_DOUBLE, 0, ""), (3, "num", F.TYPE_DOUBLE, 0, ""), (4, "sum", F.TYPE_DOUBLE, 0, ""),
    (5, "sum_squares", F.TYPE_DOUBLE, 0, ""), (6, "bucket_limit", F.TYPE_DOUBLE, 1, ""), (7, "bucket", F.TYPE_DOUBLE, 1, ""))
message("Value", (1, "tag", F.TYPE_STRING, 0, ""), (2, "simple_value", F.TYPE_FLOAT, 0, ""), (5, "histo", F.TYPE_MESSAGE, 0, "HistogramProto"))
message("Summary", (1, "value", F.TYPE_MESSAGE, 1, "Value"))
message("Event", (1, "wall_time", F.TYPE_DOUBLE, 0, ""), (2, "step", F.TYPE_INT64, 0, ""), (3, "file_version", F.TYPE_STRING, 0, ""), (5, "summary", F.TYPE_MESSAGE, 0, "Summary"))
pool = descriptor_pool.DescriptorPool()
pool.Add(f)
Event = cls(pool.FindMessageTypeByName("tensorflow.Event"))
with open(sys.argv[1], "rb") as file: data = file.read()
while data:
    n, = struct.unpack("<Q", data[:8])
    e = Event.FromString(data[12:12+n])
    data = data[16+n:]
    known = Event.FromString(e.SerializeToString())
    known.DiscardUnknownFields()
    if known.ByteSize() != n: sys.exit("%d of %d bytes are of fields that are known" % (known.ByteSize(), n))
    print(e.wall_time, e.step, e.file_version, *["%s=%s" % (v.tag, "%g of %g to %g in %d" % (v.histo.num, v.histo.min, v.histo.max, len(v.histo.bucket))
        if v.HasField("histo") else "%.4g" % v.simple_value) for v in e.summary.value])
`

// Google's own protobuf, not the reader of these tests, has to find every value in the fields of
// the published messages.
func TestProtobufReads(t *testing.T) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import google.protobuf").Run() != nil {
			continue
		}
		out, err := exec.Command(python, "-c", protobufReader, written(t)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		want := `1700000000.5 0 brain.Event:2
1700000001.0 0  train/loss=1.609 train/accuracy=0
1700000001.5 300  train/loss=0.25
1700000002.0 300  head/weights=4 of -1 to 2 in 30
1700000002.5 300  head/biases=2 of 3 to 3 in 1`
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		return
	}
	t.Skip("needs a python3 with Google's protobuf: apt-get install python3-protobuf")
}
