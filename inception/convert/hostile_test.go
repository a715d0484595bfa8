package convert

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/ckpt"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/graphdef"
	"github.com/c236555e/rehead/inception/convert/internal/hdf5"
	"github.com/c236555e/rehead/inception/convert/internal/onnx"
	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/boundtest"
	"github.com/c236555e/rehead/internal/safetensors"
)

// everyFormat names a fixture of each.
var everyFormat = []string{
	"torchvision.pth", "old.pth", "timm.safetensors", "keras.h5", "unfolded.onnx", "slim.pb",
	"classify_image_graph_def.pb", "inception_v3.ckpt",
}

// tensorsOf lists the tensors of a fixture with their places in the file.
func tensorsOf(t *testing.T, name string, b []byte) []raw.Tensor {
	t.Helper()
	r, size := bytes.NewReader(b), int64(len(b))
	var out []raw.Tensor
	var err error
	consts := func(g *graph.Graph, e error) {
		if err = e; err == nil {
			for name, k := range g.Consts {
				k.Name = name
				out = append(out, k.Tensor)
			}
		}
	}
	switch filepath.Ext(name) {
	case ".pth":
		var p *pth.File
		if p, err = pth.Read(r, size); err == nil {
			out = p.Tensors
		}
	case ".h5":
		var h *hdf5.File
		if h, err = hdf5.Read(r, size); err == nil {
			out = h.Tensors
		}
	case ".ckpt":
		out, err = ckpt.Read(r, size, nil)
	case ".onnx":
		consts(onnx.Read(r, size, nil))
	case ".pb":
		consts(graphdef.Read(r, size))
	case ".safetensors":
		var st *safetensors.File
		if st, err = safetensors.New(name, r, size); err == nil {
			out, err = fromSafetensors(st, r, size)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// place is how an error says where: a file's byte, in either of two words.
var place = regexp.MustCompile(`(offset|byte) \d+`)

// TestNotFinite writes NaN and infinity over one value of a whole file of each format: the error
// names the tensor and its place.
func TestNotFinite(t *testing.T) {
	for _, name := range everyFormat {
		t.Run(name, func(t *testing.T) {
			good := fixture.Read(t, name)
			tried := 0
			for _, x := range tensorsOf(t, name, good) {
				if x.DType != raw.F32 || x.Offset < 0 || x.Len() < 16 || !strings.Contains(x.Name, "7b") &&
					!strings.Contains(x.Name, "_7") {
					continue
				}
				if strings.HasPrefix(x.Name, "AuxLogits") || strings.Contains(x.Name, "/AuxLogits/") {
					continue
				}
				if tried++; tried > 6 {
					break
				}
				bad := bytes.Clone(good)
				v := []float64{math.NaN(), math.Inf(1)}[tried%2]
				binary.LittleEndian.PutUint32(bad[x.Offset+4:], math.Float32bits(float32(v)))
				bad = checksummed(t, name, bad, x.Offset)
				_, err := Load(fixture.Write(t, name, bad), Options{})
				if name == "inception_v3.ckpt" { // its checksums see everything first
					if err == nil || !strings.Contains(err.Error(), "checksum") || !place.MatchString(err.Error()) {
						t.Errorf("%s: got error %v, want one about a checksum", x.Name, err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), `"`+x.Name) || !strings.Contains(err.Error(), fmt.Sprint(x.Offset)) || !strings.Contains(err.Error(), "finite") {
					t.Errorf("%v in %s at %d: got error %v", v, x.Name, x.Offset, err)
				}
			}
			if tried == 0 {
				t.Error("no tensor was tried")
			}
		})
	}
}

// checksummed returns a ZIP archive with the checksum of the file that holds the byte at offset
// made anew; every other file as it is.
func checksummed(t *testing.T, name string, data []byte, offset int64) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return data
	}
	for _, f := range z.File {
		start, err := f.DataOffset()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		end := start + int64(f.UncompressedSize64)
		if start <= offset && offset < end {
			was, is := make([]byte, 4), make([]byte, 4)
			binary.LittleEndian.PutUint32(was, f.CRC32)
			binary.LittleEndian.PutUint32(is, crc32.ChecksumIEEE(data[start:end]))
			return bytes.ReplaceAll(data, was, is)
		}
	}
	return data
}

// TestMemory cuts files of each format short and overwrites their bytes with all kinds of others,
// sizes above all: reading them must not allocate more than a small multiple of their length,
// whatever they claim.
func TestMemory(t *testing.T) {
	if raceDetector {
		t.Skip("nothing here runs side by side, and the detector allocates too")
	}
	const base = 24 << 20 // the network's tables, windows, and what a graph's single values may stand for
	for _, name := range everyFormat {
		t.Run(name, func(t *testing.T) {
			good := fixture.Read(t, name)
			rng := rand.New(rand.NewPCG(1, uint64(len(good))))
			path := filepath.Join(t.TempDir(), name)
			for i := range 60 {
				bad := bytes.Clone(good)
				switch i % 3 {
				case 0:
					bad = bad[:rng.IntN(len(bad))]
				case 1: // somewhere among the headers at either end
					at := rng.IntN(min(len(bad)-8, 30000))
					if rng.IntN(2) == 0 {
						at = len(bad) - 8 - at
					}
					binary.LittleEndian.PutUint64(bad[at:], rng.Uint64()>>rng.IntN(64))
				case 2:
					for range 20 {
						bad[rng.IntN(len(bad))] = byte(rng.Uint32())
					}
				}
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
				var err error
				if n := boundtest.Allocated(func() { _, err = Load(path, Options{}) }); n > base+16*uint64(len(good)) {
					t.Fatalf("change %d: %d bytes were allocated for a file of %d (error %v)", i, n, len(bad), err)
				}
			}
		})
	}
}

// TestBombs: little that unpacks to much is refused before it is unpacked.
func TestBombs(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(make([]byte, 80<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	zeros := map[string][]byte{"bomb.pb": make([]byte, 32<<20)}
	for name, b := range map[string][]byte{"bomb.gz": z.Bytes(), "bomb.tgz": tgz(t, zeros, "bomb.pb")} {
		path := fixture.Write(t, name, b)
		var err error
		n := boundtest.Allocated(func() { _, err = Load(path, Options{}) })
		if err == nil || !strings.Contains(err.Error(), "bytes") || n > 66*uint64(len(b))+16<<20 {
			t.Errorf("%s: %d bytes allocated for %d, error %v", name, n, len(b), err)
		}
	}
}

// FuzzArchive: whatever is packed, and however, reading it ends in weights or in an error.
func FuzzArchive(f *testing.F) {
	pb := []byte("\x0a\x08\x0a\x01a\x12\x03Foo")
	f.Add(tgz(f, map[string][]byte{"a.pb": pb}, "a.pb"))
	f.Add(tgz(f, map[string][]byte{"a.pb": pb, labelMap: []byte("entry {\n  target_class: 449\n}")}, labelMap, "a.pb"))
	f.Add(tgz(f, map[string][]byte{"LICENSE": []byte("x")}, "LICENSE"))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		defer boundtest.Reader(t, len(b))()
		u, err := unpack(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if u.data == nil || u.data.size > maxRatio*int64(len(b)) {
			t.Fatalf("%d bytes came out of %d", u.data.size, len(b))
		}
		got := make([]byte, u.data.size)
		if n, err := u.data.ReadAt(got, 0); int64(n) != u.data.size || err != nil {
			t.Fatalf("read %d of %d bytes: %v", n, u.data.size, err)
		}
	})
}

// FuzzOpen: whatever a file of any format holds, opening it as a model ends in one or in an error. A real file is
// damaged at one place, or cut there where there is nothing to put: the narrowest network has a megabyte, which a
// fuzzer that keeps it whole hardly gets to change.
func FuzzOpen(f *testing.F) {
	names := append([]string{
		"chain.keras", "peak.keras", "chain.weights.h5", "chain.tflite", "chain.pt2", "chain-script.pt", "whole.pth",
		"paddle.pdparams", "chain.mlmodel", "folded.onnx", "output_graph.pb",
	}, everyFormat...)
	whole := make([][]byte, len(names))
	for i, name := range names {
		whole[i] = fixture.Read(f, name)
		f.Add(uint(i), uint(0), whole[i][:16])
		f.Add(uint(i), uint(len(whole[i])-64), []byte(nil))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, kind, at uint, patch []byte) {
		kind %= uint(len(names))
		b := slices.Clone(whole[kind])
		at %= uint(len(b))
		if n := copy(b[at:], patch); n == 0 {
			b = b[:at]
		}
		path := filepath.Join(dir, names[kind])
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		defer boundtest.Reader(t, len(b))()
		if m, err := OpenModel(path, Options{Quantized: true}); err == nil && len(m.Labels) == 0 {
			t.Fatal("a model without labels was opened")
		}
	})
}

// FuzzLabelMap: no text sets a label outside the classifier.
func FuzzLabelMap(f *testing.F) {
	f.Add("entry {\n  target_class: 449\n  target_class_string: \"n01440764\"\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		defer boundtest.Reader(t, len(text))()
		out := make([]string, 1008)
		if err := readLabelMap(text, out); err != nil && !strings.Contains(err.Error(), "line") {
			t.Fatalf("got error %v, want one that names the line", err)
		}
	})
}

// full writes a network of the full width as others do: about 95 MB.
func full(tb testing.TB) string {
	tb.Helper()
	w, err := inception.Random(inception.RandomConfig{Classes: 1000})
	if err != nil {
		tb.Fatal(err)
	}
	return foreign(tb, w)
}

// foreign writes a network as others do, batch norm and all, as safetensors.
func foreign(tb testing.TB, w *inception.Weights) string {
	tb.Helper()
	var out []safetensors.Tensor
	add := func(name string, shape []int, v []float32) {
		out = append(out, safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Values: v})
	}
	for name, t := range w.Tensors {
		path, conv := strings.CutSuffix(name, ".weight")
		switch {
		case strings.HasPrefix(name, "fc."):
			add(name, t.Shape, t.Data)
		case conv:
			one := make([]float32, t.Shape[0])
			for i := range one {
				one[i] = 1
			}
			add(path+".conv.weight", t.Shape, t.Data)
			for _, part := range []string{"weight", "bias", "running_mean", "running_var"} {
				add(path+".bn."+part, t.Shape[:1], one)
			}
		}
	}
	path := filepath.Join(tb.TempDir(), "foreign.safetensors")
	f, err := os.Create(path)
	if err == nil {
		err = safetensors.Write(f, map[string]string{"format": "pt"}, out)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// BenchmarkConvert converts a foreign file of the full width and reports its size and what was
// allocated for it, in MB.
func BenchmarkConvert(b *testing.B) {
	in := full(b)
	st, err := os.Stat(in)
	if err != nil {
		b.Fatal(err)
	}
	out := filepath.Join(b.TempDir(), "out.safetensors")
	var total uint64
	for b.Loop() {
		total += boundtest.Allocated(func() { _, err = Convert(in, out, Options{}) })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(st.Size())/1e6, "file-MB")
	b.ReportMetric(float64(total)/float64(b.N)/1e6, "allocated-MB/op")
}

// TestConvertMemory: a file of the full width is converted in less than 400 MB, all that is
// allocated counted.
func TestConvertMemory(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("makes a file of 95 MB")
	}
	in, out := full(t), filepath.Join(t.TempDir(), "out.safetensors")
	var err error
	if n := boundtest.Allocated(func() { _, err = Convert(in, out, Options{DType: "f16"}) }); err != nil || n > 400e6 {
		t.Errorf("%d bytes were allocated, error %v; want at most 400 MB", n, err)
	}
}
