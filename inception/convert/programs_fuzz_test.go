package convert

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/c236555e/rehead/inception/convert/internal/coreml"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/onnx"
	"github.com/c236555e/rehead/inception/convert/internal/openvino"
	"github.com/c236555e/rehead/inception/convert/internal/paddle"
	"github.com/c236555e/rehead/inception/convert/internal/pt2"
	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/convert/internal/torchscript"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/boundtest"
)

// matched runs the matcher over what a reader made of damaged bytes, and reads what it found.
func matched(t *testing.T, g *graph.Graph, size int) {
	src, _, err := graphSource(g, onnxDialect{})
	if err != nil {
		return
	}
	w, err := assemble(src)
	if err == nil && w.Features() > size {
		t.Fatalf("%d features of a file of %d bytes", w.Features(), size)
	}
}

// fuzzPair fuzzes a reader of graphs whose values lie in a second file, and the matcher behind it.
func fuzzPair(f *testing.F, read func(t *testing.T, text, values []byte) (*graph.Graph, error)) {
	f.Helper()
	f.Fuzz(func(t *testing.T, text, values []byte) {
		defer boundtest.Reader(t, len(text)+len(values))()
		if g, err := read(t, text, values); err == nil {
			matched(t, g, len(text)+len(values))
		}
	})
}

// zipMember is the text of a file in an archive among the fixtures.
func zipMember(t testing.TB, fixtureName, name string) []byte {
	t.Helper()
	b := fixture.Read(t, fixtureName)
	a, err := pth.OpenArchive(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := a.Text(name, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// packed makes an archive as PyTorch does.
func packed(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "a/" + name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shortened is a program of torch.export with its first nodes alone, and what they read: small enough
// to be read a hundred times a second.
func shortened(t testing.TB, program, config []byte, nodes int) (p, c []byte) {
	t.Helper()
	var whole, weights map[string]any
	if err := errors.Join(json.Unmarshal(program, &whole), json.Unmarshal(config, &weights)); err != nil {
		t.Fatal(err)
	}
	module := whole["graph_module"].(map[string]any)
	g := module["graph"].(map[string]any)
	g["nodes"] = g["nodes"].([]any)[:nodes]
	g["outputs"] = g["nodes"].([]any)[nodes-1].(map[string]any)["outputs"]
	kept, err := json.Marshal(g["nodes"])
	if err != nil {
		t.Fatal(err)
	}
	unread := func(name string) bool { return !bytes.Contains(kept, []byte(`"`+name+`"`)) }
	maps.DeleteFunc(g["tensor_values"].(map[string]any), func(name string, _ any) bool { return unread(name) })
	g["inputs"] = slices.DeleteFunc(g["inputs"].([]any), func(x any) bool {
		return unread(x.(map[string]any)["as_tensor"].(map[string]any)["name"].(string))
	})
	signature, parameters := module["signature"].(map[string]any), map[string]bool{}
	signature["input_specs"] = slices.DeleteFunc(signature["input_specs"].([]any), func(x any) bool {
		spec, ok := x.(map[string]any)["parameter"].(map[string]any)
		if !ok {
			spec, ok = x.(map[string]any)["buffer"].(map[string]any)
		}
		if !ok || unread(spec["arg"].(map[string]any)["name"].(string)) {
			return ok
		}
		for _, key := range []string{"parameter_name", "buffer_name"} {
			if name, ok := spec[key].(string); ok {
				parameters[name] = true
			}
		}
		return false
	})
	values := weights["config"].(map[string]any)
	maps.DeleteFunc(values, func(name string, _ any) bool { return !parameters[name] })
	for _, v := range values {
		v.(map[string]any)["path_name"] = "weight_0"
	}
	p, err = json.Marshal(whole)
	if err == nil {
		c, err = json.Marshal(weights)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

// shortProgram reads a program whose weights are zeros.
func shortProgram(t testing.TB, program, config []byte) (*graph.Graph, error) {
	t.Helper()
	b := packed(t, map[string][]byte{"archive_format": []byte("pt2"), "models/model.json": program,
		"data/weights/model_weights_config.json": config, "data/weights/weight_0": make([]byte, 1<<14),
		"data/constants/model_constants_config.json": []byte(`{"config":{}}`)})
	a, err := pth.OpenArchive(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pt2.Read(a)
}

// FuzzPT2: no graph of torch.export makes its reader or the matcher panic.
func FuzzPT2(f *testing.F) {
	program := zipMember(f, "chain.pt2", "models/model.json")
	program, config := shortened(f, program, zipMember(f, "chain.pt2", "data/weights/model_weights_config.json"), 12)
	if g, err := shortProgram(f, program, config); err != nil || len(g.Nodes) < 12 {
		f.Fatalf("the seed is not read: %v", err)
	}
	f.Add(program, config)
	fuzzPair(f, func(t *testing.T, program, config []byte) (*graph.Graph, error) {
		return shortProgram(t, program, config)
	})
}

// FuzzTorchScript: no code makes the follower panic, or go on for long.
func FuzzTorchScript(f *testing.F) {
	const net = "code/__torch__/torchvision/models/inception/___torch_mangle_660.py"
	f.Add(zipMember(f, "chain-script.pt", net), zipMember(f, "chain-script.pt", "constants.pkl"))
	f.Add([]byte("class Inception3(Module):\n  def forward(self: __torch__.Inception3,\n    x: Tensor) -> Tensor:\n"+
		"    a, b, = (x, [x, CONSTANTS.c0])\n    if torch.eq(torch.dim(x), 4):\n      c = torch.relu_(b[0])\n"+
		"    else:\n      c = annotate(Optional[Tensor], None)\n    return (self).forward(torch.add(a, c, alpha=1), )\n"),
		[]byte("\x80\x02K\x01\x85."))
	fuzzPair(f, func(t *testing.T, code, constants []byte) (*graph.Graph, error) {
		b := packed(t, map[string][]byte{net: code, "constants.pkl": constants, "constants/0": make([]byte, 1728), "data.pkl": []byte(
			"\x80\x02c__torch__.torchvision.models.inception.___torch_mangle_660\nInception3\n)\x81}(ub.")})
		a, err := pth.OpenArchive(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := pth.ReadScript(a)
		if err != nil {
			return nil, err
		}
		return torchscript.Read(s)
	})
}

// FuzzOpenVINO: no XML makes its reader or the matcher panic.
func FuzzOpenVINO(f *testing.F) {
	f.Add(fixture.Read(f, "chain.xml"), fixture.Read(f, "chain.bin")[:1<<12])
	fuzzPair(f, func(_ *testing.T, text, values []byte) (*graph.Graph, error) {
		m, err := openvino.Read(bytes.NewReader(text), int64(len(text)), func() (io.ReaderAt, int64, error) {
			return bytes.NewReader(values), int64(len(values)), nil
		})
		if err != nil {
			return nil, err
		}
		return m.Graph, nil
	})
}

// shortPaddle is a program of Paddle's with its first operators alone and the parameters that they read.
func shortPaddle(t testing.TB, text []byte, operators int) (short, values []byte) {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	region := whole["program"].(map[string]any)["regions"].([]any)[0].(map[string]any)
	block := region["blocks"].([]any)[0].(map[string]any)
	parameter := func(o any) bool { return o.(map[string]any)["#"] == "p" }
	all := block["ops"].([]any)
	kept := slices.DeleteFunc(slices.Clone(all), parameter)[:operators]
	read := map[any]bool{}
	for _, o := range kept {
		for _, in := range o.(map[string]any)["I"].([]any) {
			read[in.(map[string]any)["%"]] = true
		}
	}
	shapes := map[string][]any{}
	parameters := slices.DeleteFunc(slices.Clone(all), func(o any) bool {
		if !parameter(o) {
			return true
		}
		out := o.(map[string]any)["O"].(map[string]any)
		name := o.(map[string]any)["A"].([]any)[3].(string)
		if read[out["%"]] {
			shapes[name] = out["TT"].(map[string]any)["D"].([]any)[1].([]any)
		}
		return !read[out["%"]]
	})
	block["ops"] = append(parameters, kept...)
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := 4
		values = append(values, make([]byte, 16)...)
		values = append(values, byte(2+2*len(shapes[name])), 0, 0, 0, 0x08, 5)
		for _, d := range shapes[name] {
			n *= int(d.(float64))
			values = append(values, 0x10, byte(d.(float64)))
		}
		values = append(values, make([]byte, n)...)
	}
	short, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return short, values
}

// FuzzPaddle: no program makes its reader or the matcher panic.
func FuzzPaddle(f *testing.F) {
	read := func(_ *testing.T, text, values []byte) (*graph.Graph, error) {
		return paddle.ReadProgram(bytes.NewReader(text), int64(len(text)), func() (io.ReaderAt, int64, error) {
			return bytes.NewReader(values), int64(len(values)), nil
		})
	}
	text, values := shortPaddle(f, fixture.Read(f, "paddle-program.json"), 16)
	if g, err := read(nil, text, values); err != nil || len(g.Nodes) < 8 {
		f.Fatalf("the seed is not read: %v", err)
	}
	f.Add(text, values)
	fuzzPair(f, read)
}

// FuzzCoreML: no model makes its reader or the matcher panic.
func FuzzCoreML(f *testing.F) {
	f.Add(fixture.Read(f, "chain.mlpackage.mlmodel"), fixture.Read(f, "chain.mlpackage.bin")[:1<<12])
	f.Add(fixture.Read(f, "chain.mlmodel")[:1<<14], []byte(nil))
	fuzzPair(f, func(_ *testing.T, model, values []byte) (*graph.Graph, error) {
		m, err := coreml.Read(bytes.NewReader(model), int64(len(model)), func(string) (io.ReaderAt, int64, error) {
			return bytes.NewReader(values), int64(len(values)), nil
		})
		if err != nil {
			return nil, err
		}
		return m.Graph, nil
	})
}

// members are the files of an archive of PyTorch's, without the folder that they are in.
func members(t testing.TB, b []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(f.Name, "/")
		if files[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// FuzzWhole: no pickle makes the mapping of whole networks panic. It alone is damaged: FuzzOpen and
// FuzzArchive damage what is around it.
func FuzzWhole(f *testing.F) {
	files := members(f, fixture.Read(f, "whole.pth"))
	f.Add(files["data.pkl"])
	f.Fuzz(func(t *testing.T, pickle []byte) {
		now := maps.Clone(files)
		now["data.pkl"] = pickle
		b := packed(t, now)
		defer boundtest.Reader(t, len(b))()
		p, err := pth.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		src, err := torchNames(p.Tensors)
		if err == nil && p.Modules != nil {
			err = src.whole(p.Modules)
		}
		if err == nil {
			_, _ = assemble(src)
		}
	})
}

// fieldsOf calls f for each field of a message: its number, its contents where it has a length, all of it.
func fieldsOf(t testing.TB, b []byte, f func(n protowire.Number, v, whole []byte)) {
	t.Helper()
	for len(b) > 0 {
		n, kind, tag := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(n, kind, b[max(tag, 0):])
		if tag < 0 || size < 0 {
			t.Fatal(protowire.ParseError(min(tag, size)))
		}
		var v []byte
		if kind == protowire.BytesType {
			v, _ = protowire.ConsumeBytes(b[tag:])
		}
		f(n, v, b[:tag+size])
		b = b[tag+size:]
	}
}

// shortONNX is a model with its first nodes alone, and the initializers that they read.
func shortONNX(t testing.TB, b []byte, nodes int) []byte {
	t.Helper()
	const graph, node, initializer, values = 7, 1, 5, 13
	var model, short fixture.PB
	read := map[string]bool{}
	fieldsOf(t, b, func(n protowire.Number, v, whole []byte) {
		if n != graph {
			model = append(model, whole...)
			return
		}
		fieldsOf(t, v, func(n protowire.Number, v, whole []byte) {
			if n != node || nodes == 0 {
				return
			}
			nodes--
			short = append(short, whole...)
			fieldsOf(t, v, func(n protowire.Number, v, _ []byte) {
				if n == 1 {
					read[string(v)] = true
				}
			})
		})
		fieldsOf(t, v, func(n protowire.Number, v, whole []byte) {
			keep := n != node && n != values
			if n == initializer {
				fieldsOf(t, v, func(n protowire.Number, v, _ []byte) { keep = keep && (n != 8 || read[string(v)]) })
			}
			if keep {
				short = append(short, whole...)
			}
		})
	})
	return model.Raw(graph, short)
}

// FuzzONNX: no graph makes the matcher panic, quantised or not.
func FuzzONNX(f *testing.F) {
	for _, name := range []string{"folded.onnx", "unfolded.onnx"} {
		b := shortONNX(f, fixture.Read(f, name), 12)
		if g, err := onnx.Read(bytes.NewReader(b), int64(len(b)), nil); err != nil || len(g.Nodes) != 12 || len(b) > 1<<16 {
			f.Fatalf("the seed of %d bytes is not read: %v", len(b), err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer boundtest.Reader(t, len(b))()
		values := func(string) (io.ReaderAt, int64, error) { return bytes.NewReader(b), int64(len(b)), nil }
		if g, err := onnx.Read(bytes.NewReader(b), int64(len(b)), values); err == nil {
			_, _ = onnxSource(g)
		}
	})
}
