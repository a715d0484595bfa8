package tensorboard

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of TensorFlow's event.proto, summary.proto and histogram.proto as far as they are
// written here.

// event is Event.
type event struct {
	wall    float64 // seconds since 1970
	step    int
	version string   // of the file, in its first event
	values  [][]byte // encoded Summary.Value
}

func (e event) encode() []byte {
	b := double(nil, 1, e.wall)
	if e.step != 0 {
		b = protowire.AppendTag(b, 2, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(e.step))
	}
	if e.version != "" {
		b = bytesField(b, 3, []byte(e.version))
	}
	if len(e.values) > 0 {
		var summary []byte
		for _, v := range e.values {
			summary = bytesField(summary, 1, v)
		}
		b = bytesField(b, 5, summary)
	}
	return b
}

// scalarValue is Summary.Value with a simple_value, which is written even if it is 0.
func scalarValue(tag string, v float32) []byte {
	b := bytesField(nil, 1, []byte(tag))
	b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, math.Float32bits(v))
}

// buckets is how many equally wide ones a histogram has.
const buckets = 30

// histogramValue is Summary.Value with a HistogramProto. A bucket ends at its limit, the last at
// the largest value.
func histogramValue(tag string, values []float32) []byte {
	lo, hi := float64(values[0]), float64(values[0])
	sum, squares := 0.0, 0.0
	for _, v := range values {
		f := float64(v)
		lo, hi = min(lo, f), max(hi, f)
		sum += f
		squares += f * f
	}
	n := buckets
	if lo == hi {
		n = 1
	}
	counts, limits := make([]float64, n), make([]float64, n)
	for i := range limits {
		limits[i] = lo + (hi-lo)*float64(i+1)/float64(n)
	}
	limits[n-1] = hi
	for _, v := range values {
		i := 0
		if n > 1 {
			i = min(n-1, int(float64(n)*(float64(v)-lo)/(hi-lo)))
		}
		counts[i]++
	}
	var h []byte
	for i, v := range []float64{lo, hi, float64(len(values)), sum, squares} {
		h = double(h, protowire.Number(i+1), v)
	}
	h = doubles(doubles(h, 6, limits), 7, counts)
	return bytesField(bytesField(nil, 1, []byte(tag)), 5, h)
}

func double(b []byte, f protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, f, protowire.Fixed64Type), math.Float64bits(v))
}

// doubles is a packed repeated double.
func doubles(b []byte, f protowire.Number, values []float64) []byte {
	var packed []byte
	for _, v := range values {
		packed = protowire.AppendFixed64(packed, math.Float64bits(v))
	}
	return bytesField(b, f, packed)
}

func bytesField(b []byte, f protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, f, protowire.BytesType), v)
}
