package convert

import (
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/internal/fixture"
)

// TestWritten: an ONNX model as text or JSON is that model. See testdata/written.py.
func TestWritten(t *testing.T) {
	want, err := Load(fixture.File(t, "folded.onnx"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"folded.textproto", "folded.json"} {
		got, err := Load(fixture.File(t, name), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if sameTensors(t, got, want); got.Flavor != want.Flavor || got.Recipe != want.Recipe {
			t.Errorf("%s: got %s and %+v, want %s and %+v", name, got.Flavor, got.Recipe, want.Flavor, want.Recipe)
		}
	}
}

// TestWrittenRefused: what is no such text is refused with its place.
func TestWrittenRefused(t *testing.T) {
	for text, want := range map[string]string{
		"ir_version: 8\ngraph { node { op_type: \"Conv }":                             "not closed",
		"ir_version: 8\ngraph { node { op_type: \"Conv\\q\" } }":                      `\q`,
		"ir_version: 8\ngraph { initializer { dims: x } }":                            "whole number",
		"ir_version: 8\ngraph { initializer { dims: \"3\" } }":                        "another kind",
		"ir_version: 8\ngraph { initializer { float_data: [1, 2":                      "unexpected EOF",
		"ir_version: 8\ngraph: 3":                                                     "another kind",
		"ir_version: 8\n" + strings.Repeat("graph { ", 100):                           "64 deep",
		"{\"ir_version\": \"8\", \"graph\": {\"node\": [{\"opType\": 3}]}}":           "another kind",
		"{\"ir_version\": \"8\", \"graph\": {\"initializer\": [{\"rawData\": \"?\"}]": "base64",
		"{\"ir_version\": \"8\", \"graph\": [[1]]}":                                   "list in a list",
		"{\"ir_version\": \"8\", \"graph\": {":                                        "EOF",
		"{\"ir_version\": \"8\", \"x\": " + strings.Repeat("{\"x\":", 100):            "64 deep",
	} {
		if _, err := Load(fixture.Write(t, "net.txt", []byte(text)), Options{}); err == nil ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "offset") {
			t.Errorf("%.60q: got %v, want an error with %q and an offset", text, err, want)
		}
	}
}
