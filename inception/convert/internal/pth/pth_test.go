package pth

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

func list1(b []byte) ([]raw.Tensor, error) {
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return f.Tensors, nil
}

// TestFixtures: the same network in the ZIP form, the stream form, nested with views, and in other
// element types.
func TestFixtures(t *testing.T) {
	want := map[string][]float32{}
	types := map[string]raw.DType{}
	for _, name := range []string{"torchvision.pth", "old.pth", "nested.pth", "timm-bf16.pth"} {
		t.Run(name, func(t *testing.T) {
			got, err := list1(fixture.Read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) < 94*6 {
				t.Fatalf("%d tensors, want at least %d", len(got), 94*6)
			}
			for _, g := range got {
				key := strings.TrimPrefix(g.Name, "module.")
				if g.DType == raw.I64 {
					if !strings.HasSuffix(key, "num_batches_tracked") {
						t.Errorf("%s has %v", g.Name, g.DType)
					}
					continue
				}
				v, err := g.Float32s()
				if err != nil {
					t.Fatal(err)
				}
				if want[key] == nil && name == "torchvision.pth" {
					want[key], types[key] = v, g.DType
					continue
				}
				w := want[key]
				if len(w) != len(v) || w == nil {
					t.Fatalf("%s has %d elements, want %d", g.Name, len(v), len(w))
				}
				tol := 0.0
				if g.DType == raw.BF16 {
					tol = 1.0 / 256 // 8 bits of mantissa, rounded
				}
				for i := range v {
					if !(math.Abs(float64(v[i]-w[i])) <= tol*math.Abs(float64(w[i]))) {
						t.Fatalf("%s[%d] is %g, want %g", g.Name, i, v[i], w[i])
					}
				}
			}
		})
	}
	if v := want["Mixed_7c.branch_pool.bn.running_var"]; len(v) != 16 || v[0] <= 0 {
		t.Errorf("a running variance is %v", v)
	}
}

// archive makes a ZIP file as torch.save does, from a pickle and storages "0", "1", ...
func archive(t testing.TB, pickle string, data []byte, method uint16, more ...[]byte) []byte {
	t.Helper()
	type part struct {
		name string
		data []byte
	}
	parts := []part{{"a/data.pkl", []byte(pickle)}, {"a/data/0", data}}
	for i, d := range more {
		parts = append(parts, part{fmt.Sprintf("a/data/%d", i+1), d})
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range append(parts, part{"a/version", []byte("3\n")}) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: method})
		if err == nil {
			_, err = w.Write(f.data)
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

// tensorPickle is a dictionary {key: tensor} over storage "0" of count elements.
func tensorPickle(key, storage string, count, offset int, size, stride string) string {
	return fmt.Sprintf("}(S'%s'\nctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\n%s\nS'0'\nS'cpu'\nI%d\ntQI%d\n(%st(%stI00\nccollections\nOrderedDict\n)RtRu.",
		key, storage, count, offset, ints2(size), ints2(stride))
}

func ints2(s string) string {
	out := ""
	for _, f := range strings.Fields(s) {
		out += "I" + f + "\n"
	}
	return out
}

func TestViews(t *testing.T) {
	data := make([]byte, 24*4)
	for i := range 24 {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(i)))
	}
	for _, c := range []struct {
		size, stride string
		offset       int
		want         []float32
		fails        string
	}{
		{size: "2 3", stride: "3 1", want: []float32{0, 1, 2, 3, 4, 5}},
		{size: "2 3", stride: "3 1", offset: 18, want: []float32{18, 19, 20, 21, 22, 23}},
		{size: "3 2", stride: "1 3", want: []float32{0, 3, 1, 4, 2, 5}},
		{size: "2 2", stride: "12 5", offset: 1, want: []float32{1, 6, 13, 18}},
		{size: "2 1 2", stride: "2 99 1", want: []float32{0, 1, 2, 3}},
		{size: "3 2", stride: "0 1", want: []float32{0, 1, 0, 1, 0, 1}},
		{size: "", stride: "", offset: 7, want: []float32{7}},
		{size: "0 5", stride: "5 1", want: nil},
		{size: "2 3", stride: "3 1", offset: 19, fails: "ends at element 24"},
		{size: "5 5", stride: "5 1", fails: "does not fit a storage of 24"},
		{size: "2 3", stride: "3", fails: "strides [3] have 1"},
		{size: "2 2", stride: "9999999 1", fails: "leaves a storage"},
		{size: "100 100", stride: "0 0", fails: "does not fit"},
		{size: "1073741824 1073741824", stride: "0 0", fails: "more than"},
		{size: "-1 2", stride: "1 1", fails: "want an integer"},
		{size: "2 2", stride: "-1 1", fails: "want an integer"},
	} {
		t.Run(c.size+" by "+c.stride, func(t *testing.T) {
			got, err := list1(archive(t, tensorPickle("w", "FloatStorage", 24, c.offset, c.size, c.stride), data, zip.Store))
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v and error %v, want one with %q", got, err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			v, err := got[0].Float32s()
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(v) != fmt.Sprint(c.want) {
				t.Errorf("got %v, want %v", v, c.want)
			}
		})
	}
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		storage string
		data    []byte
		want    float32
	}{
		{"HalfStorage", []byte{0x00, 0x3e}, 1.5},
		{"HalfStorage", []byte{0x01, 0x00}, 1.0 / (1 << 24)},
		{"BFloat16Storage", []byte{0xc0, 0x3f}, 1.5},
		{"FloatStorage", []byte{0, 0, 0xc0, 0x3f}, 1.5},
		{"DoubleStorage", []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, 1.5},
	} {
		got, err := list1(archive(t, tensorPickle("w", c.storage, 1, 0, "1", "1"), c.data, zip.Store))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := got[0].Float32s(); err != nil || v[0] != c.want {
			t.Errorf("%s: got %v, %v, want %g", c.storage, v, err, c.want)
		}
	}
}

// TestRefused: one damaged or hostile file each, and what its error must say.
func TestRefused(t *testing.T) {
	good := tensorPickle("w", "FloatStorage", 4, 0, "2 2", "2 1")
	data := make([]byte, 16)
	stream := fixture.Read(t, "old.pth")
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"no archive", bytes.Repeat([]byte("x"), 64), "starts neither"},
		{"no directory", archive(t, good, data, zip.Store)[:100], "ZIP directory"},
		{"compressed", archive(t, good, data, zip.Deflate), "compressed"},
		{"a short storage", archive(t, good, data[:12], zip.Store), `storage "0" at offset`},
		{"a long storage", archive(t, good, make([]byte, 20), zip.Store), "want 4 elements"},
		{"another storage", archive(t, strings.ReplaceAll(good, "S'0'", "S'7'"), data, zip.Store), `storage "7" is not in the archive`},
		{"a storage outside", archive(t, strings.ReplaceAll(good, "S'0'", "S'../version'"), data, zip.Store),
			"is not in the archive"},
		{"duplicate key", archive(t, strings.TrimSuffix(good, "u.")+"S'w'\nK\x01u.", data, zip.Store), `"w" is a number`},
		{"unknown storage type", archive(t, strings.ReplaceAll(good, "FloatStorage", "ComplexStorage"), data, zip.Store),
			"torch.ComplexStorage"},
		{"system", archive(t, "cos\nsystem\n(S'touch owned'\ntR.", data, zip.Store), "os.system"},
		{"a whole module", archive(t, "c__main__\nNet\n)\x81.", data, zip.Store), "__main__.Net"},
		{"a list", archive(t, "].", data, zip.Store), "holds a list"},
		{"no tensors", archive(t, "}.", data, zip.Store), "no tensors"},
		{"a bare storage", archive(t, "}S'w'\n(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQs.", data, zip.Store), `"w" is a storage`},
		{"stream cut in its pickles", stream[:2000], "pickle at offset"},
		{"stream cut in its storages", stream[:len(stream)/2], "cut off"},
		{"stream with a changed count", change(stream, len(stream)-200, 200), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := list1(c.file)
			if c.want == "" {
				return // only must not panic
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %d tensors and error %v, want one with %q", len(got), err, c.want)
			}
		})
	}
	twice := strings.TrimSuffix(good, "u.") + strings.TrimSuffix(strings.TrimPrefix(good, "}("), "u.") + "u."
	if _, err := list1(archive(t, twice, data, zip.Store)); err == nil || !strings.Contains(err.Error(), `"w" at offset `) || !strings.Contains(err.Error(), "twice") {
		t.Errorf("duplicate tensor: got error %v", err)
	}
	other := strings.Replace(strings.TrimPrefix(good, "}("), "S'w'", "S'v'", 1)
	shared := strings.TrimSuffix(good, "u.") + strings.TrimSuffix(other, "u.") + "u."
	if _, err := list1(archive(t, shared, data, zip.Store)); err == nil || !strings.Contains(err.Error(), `tensor "w" at offset `) || !strings.Contains(err.Error(), `overlaps tensor "v"`) {
		t.Errorf("two tensors of one storage: got error %v", err)
	}
}

// Rows that a quantised tensor says it has, but not what they hold, take no memory.
func TestRegression_ScalesOfNoRows(t *testing.T) {
	storage := func(kind, key string, count int) string {
		return fmt.Sprintf("((S'storage'\nctorch\n%s\nS'%s'\nS'cpu'\nI%d\ntQI0\n", kind, key, count)
	}
	per := func(kind, key string) string {
		return "ctorch._utils\n_rebuild_tensor_v2\n" + storage(kind, key, 1) +
			"(I1073741824\nt(I1\ntI00\nccollections\nOrderedDict\n)RtR"
	}
	file := archive(t, "}(S'w'\nctorch._utils\n_rebuild_qtensor\n"+storage("QInt8Storage", "0", 8)+
		"(I1073741824\nI0\nt(I0\nI1\nt(ctorch\nper_channel_affine\n"+per("DoubleStorage", "1")+
		per("LongStorage", "2")+"I0\ntI00\nccollections\nOrderedDict\n)RtRu.", make([]byte, 8), zip.Store, make([]byte, 8),
		make([]byte, 8))
	if _, err := list1(file); err == nil || !strings.Contains(err.Error(), "1073741824 rows") {
		t.Errorf("got %v, want an error that says 1073741824 rows", err)
	}
}

// A bit that fell over is told by the checksums of the archive, whichever file it is in.
func TestRegression_ChecksumsAreChecked(t *testing.T) {
	file := archive(t, tensorPickle("w", "FloatStorage", 4, 0, "2 2", "2 1"), []byte("0123456789abcdef"), zip.Store)
	for _, part := range []string{"789abc", "FloatStorage"} {
		changed := bytes.Clone(file)
		changed[bytes.Index(changed, []byte(part))] ^= 1
		if _, err := list1(changed); err == nil || !strings.Contains(err.Error(), "CRC-32") {
			t.Errorf("a bit of %q: got %v, want the checksum to tell", part, err)
		}
	}
	if _, err := list1(file); err != nil {
		t.Error(err)
	}
}

func change(b []byte, from, n int) []byte {
	c := append([]byte(nil), b...)
	for i := from; i < from+n; i++ {
		c[i] ^= 0xff
	}
	return c
}

func FuzzRead(f *testing.F) {
	data := make([]byte, 16)
	good := tensorPickle("w", "FloatStorage", 4, 0, "2 2", "2 1")
	magic := "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}." + good +
		"](S'0'\ne.\x04\x00\x00\x00\x00\x00\x00\x00"
	fuzztest.Tensors(f, fuzztest.Limits{}, list1, archive(f, good, data, zip.Store),
		archive(f, "}S'state_dict'\n"+strings.TrimSuffix(good, ".")+"s.", data, zip.Store), append([]byte(magic), data...))
}
