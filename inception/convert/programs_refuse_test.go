package convert

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/convert/internal/torchscript"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// refused reads a file and wants an error with a text.
func refused(t *testing.T, path, say string) {
	t.Helper()
	if _, err := Load(path, Options{}); err == nil || !strings.Contains(err.Error(), say) {
		t.Errorf("%s: got %v, want an error with %q", filepath.Base(path), err, say)
	}
}

// replaced writes a fixture with one text in the place of another, and returns its path.
func replaced(t *testing.T, name, from, to string) string {
	t.Helper()
	b := fixture.Read(t, name)
	if !bytes.Contains(b, []byte(from)) {
		t.Fatalf("%s has no %q", name, from)
	}
	return fixture.Write(t, name, bytes.Replace(b, []byte(from), []byte(to), 1))
}

// TestOpenVINORefused: an IR without its constants, with those of another, and with what may have
// turned its channels round.
func TestOpenVINORefused(t *testing.T) {
	refused(t, fixture.File(t, "chain.xml"), "belongs beside this one")
	dir := fixture.Files(t, "chain.xml", "chain.bin")
	if err := os.Truncate(filepath.Join(dir, "chain.bin"), 5000); err != nil {
		t.Fatal(err)
	}
	refused(t, filepath.Join(dir, "chain.xml"), "cut short, or another model's")
	for _, c := range [][3]string{
		{`element_type="f32"`, `element_type="u8"`, "RGB or BGR"},
		{`</layers>`, `</layer>`, "the XML is damaged"},
		{`type="ReLU"`, `type="HSwish"`, "the graph is not an InceptionV3"},
		{`exclude-pad="false"`, `exclude-pad="true" rounding_type="ceil"`, "ceil_mode"},
		{`auto_pad="explicit"`, `auto_pad="same_upper"`, `auto_pad is "SAME_UPPER"`},
		{`from-layer="1"`, `from-layer="999"`, ""},
	} {
		path := replaced(t, "chain.xml", c[0], c[1])
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "chain.bin"), fixture.Read(t, "chain.bin"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, path, c[2])
	}
}

// TestCoreMLRefused: a package without its weights, with those of another, and pictures with blue
// first.
func TestCoreMLRefused(t *testing.T) {
	for _, c := range []struct {
		size int64 // of weight.bin
		say  string
	}{{-1, "belongs to the package"}, {3000, "of \"weights/weight.bin\""}} {
		dir := packageFolder(t)
		weights := filepath.Join(dir, filepath.Dir(packageModel), "weights", "weight.bin")
		err := os.Truncate(weights, max(c.size, 0))
		if c.size < 0 {
			err = os.Remove(weights)
		}
		if err != nil {
			t.Fatal(err)
		}
		refused(t, dir, c.say)
	}
	dir := packageFolder(t)
	if err := os.Remove(filepath.Join(dir, packageModel)); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, "is a Core ML package without")
	refused(t, replaced(t, "chain.mlmodel", "\x18\x14", "\x18\x1e"), "blue first")
}

// TestTorchScriptRefused: programs that are not followed, each by a sentence that says why.
func TestTorchScriptRefused(t *testing.T) {
	const file = "code/__torch__.py"
	for _, c := range [][2]string{
		{"return torch.cat([x, x], 1", "want a comma"},
		{"return (self).forward(x, )", "32 deep"},
		{"if torch.gt(torch.len(torch.size(x)), 2):\n      return x\n    return torch.neg(x)", "depends on the input"},
		{"if torch.eq(1, 1):\n      ops.prim.RaiseException(\"no\")\n    return x", "raises an exception"},
		{"for i in range(3):\n      y = x\n    return x", "is not followed"},
		{"return torch.conv2d(x, CONSTANTS.c7)", `constant "c7"`},
		{"return torch.conv2d(x, CONSTANTS.c0, CONSTANTS.c0, [1, 2, 3])", "want two numbers"},
		{"a, b, = [x]\n    return a", "2 values"},
		{"return torch.dropout(x, 0.5, True)", "net.eval()"},
		{"return (self).other(x, )", "has no code"},
		{"return x x", "follows an expression"},
		{"return torch.neg(((x))[0]))", "brackets"},
		{"return torch.neg(x)", ""},
	} {
		b := packed(t, map[string][]byte{
			file: []byte("class Net(Module):\n  __parameters__ = []\n  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    " +
				c[0] + "\n"),
			"constants.pkl": []byte("\x80\x02K\x01\x85."), "data.pkl": []byte("\x80\x02c__torch__\nNet\n)\x81}(ub."),
		})
		a, err := pth.OpenArchive(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := pth.ReadScript(a)
		if err != nil {
			t.Fatal(err)
		}
		_, err = torchscript.Read(s)
		if (err == nil) != (c[1] == "") || err != nil && !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%q: got %v, want an error with %q", c[0], err, c[1])
		}
	}
}

// TestPT2Refused: archives that are not whole, or of another time.
func TestPT2Refused(t *testing.T) {
	config := []byte(`{"config":{"w":{"path_name":"w","tensor_meta":{"dtype":7,"sizes":[{"as_int":3}],"strides":[{"as_int":1}],` +
		`"storage_offset":{"as_int":0}}}}}`)
	program := func(spec string) []byte {
		return []byte(`{"graph_module":{"graph":{"nodes":[]},"signature":{"input_specs":[` + spec + `]}}}`)
	}
	w := `{"parameter":{"arg":{"name":"p_w"},"parameter_name":"w"}}`
	for _, c := range []struct {
		say   string
		files map[string][]byte
	}{
		{"before version 2.8", map[string][]byte{"serialized_exported_program.json": nil}},
		{"compiled code", map[string][]byte{"archive_format": nil}},
		{`"data/weights/model_weights_config.json" is not in the archive`, map[string][]byte{"archive_format": nil,
			"models/model.json": program("")}},
		{"is damaged", map[string][]byte{"archive_format": nil, "models/model.json": []byte("{")}},
		{"no global average pool", map[string][]byte{"archive_format": nil, "models/model.json": program(w), "data/weights/w": make([]byte, 12),
			"data/weights/model_weights_config.json": config, "data/constants/model_constants_config.json": []byte("{}")}},
		{"does not fit a storage of 2 elements", map[string][]byte{"archive_format": nil, "models/model.json": program(w),
			"data/weights/w": make([]byte, 8), "data/weights/model_weights_config.json": config,
			"data/constants/model_constants_config.json": []byte("{}")}},
		{"not in the archive as plain numbers", map[string][]byte{"archive_format": nil,
			"models/model.json": program(strings.ReplaceAll(w, `"w"`, `"v"`)), "data/weights/model_weights_config.json": config,
			"data/constants/model_constants_config.json": []byte("{}")}},
	} {
		refused(t, fixture.Write(t, "net.pt2", packed(t, c.files)), c.say)
	}
}
