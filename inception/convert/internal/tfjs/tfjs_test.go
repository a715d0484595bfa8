package tfjs

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

const manifest = `{"format":"graph-model","modelTopology":{"node":[
{"name":"x","op":"Placeholder"},{"name":"w","op":"Const"},
{"name":"y","op":"_FusedConv2D","input":["x","w","b"],"attr":{"strides":{"list":{"i":["1","2","2","1"]}},
"padding":{"s":"VkFMSUQ="},"fused_ops":{"list":{"s":["Qmlhc0FkZA==","UmVsdQ=="]}}}}]},
"weightsManifest":[{"paths":["a.bin","b.bin"],"weights":[
{"name":"w","shape":[1,1,1,3],"dtype":"float32","quantization":{"dtype":"uint8","min":-1,"scale":0.5}},
{"name":"b","shape":[1],"dtype":"float32"},
{"name":"h","shape":[2],"dtype":"float32","quantization":{"dtype":"float16"}}]}]}`

func shards(parts ...string) Open {
	return func(name string) (io.ReaderAt, int64, error) {
		i := int(name[0] - 'a')
		if i < 0 || i >= len(parts) {
			return nil, 0, fmt.Errorf("no %s", name)
		}
		return strings.NewReader(parts[i]), int64(len(parts[i])), nil
	}
}

func TestRead(t *testing.T) {
	open := shards("\x00\x02\x04\x00\x00", "\x80\x3f\x00\x3c\x00\xc0") // 1.0 crosses the files
	m, err := Read(strings.NewReader(manifest), int64(len(manifest)), open)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"[-1 0 1]", "[1]", "[1 -2]"} {
		v, err := m.Tensors[i].Float32s()
		if err != nil || fmt.Sprint(v) != want {
			t.Errorf("%s: got %v, %v, want %s", m.Tensors[i].Name, v, err, want)
		}
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	ops := ""
	for v := "y"; g.By[v] != nil && g.By[v].Op != "Placeholder"; v = g.By[v].Inputs[0] {
		ops += g.By[v].Op + " "
	}
	if ops != "Relu BiasAdd Conv2D " || g.By["y/part0"].Attrs["padding"].Text != "VALID" {
		t.Errorf("got %q and %+v", ops, g.By["y/part0"])
	}
	for say, open := range map[string]Open{"not beside it": shards("ab"),
		"cut short": shards("\x00\x02\x04\x00\x00", "\x80")} {
		if _, err := Read(strings.NewReader(manifest), int64(len(manifest)), open); err == nil ||
			!strings.Contains(err.Error(), say) {
			t.Errorf("got error %v, want one with %q", err, say)
		}
	}
}

func FuzzRead(f *testing.F) {
	data := make([]byte, 64)
	fuzztest.Tensors(f, fuzztest.Limits{Elements: func(n int) int { return 64 * (n + 1) }}, func(b []byte) ([]raw.Tensor, error) {
		m, err := Read(bytes.NewReader(b), int64(len(b)), func(string) (io.ReaderAt, int64, error) {
			return bytes.NewReader(data), int64(len(data)), nil
		})
		if err != nil {
			return nil, err
		}
		_, _ = m.Graph()
		return m.Tensors, nil
	}, []byte(manifest))
}
