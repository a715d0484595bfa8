package shards

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/bottleneck"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/safetensors"
)

var recipe = picture.Recipe{Size: 299, Geometry: picture.Squash, Filter: picture.Bilinear, Std: [3]float32{1, 1, 1}}

func testKey(features int) Key {
	return Key{Key: bottleneck.Key{Trunk: strings.Repeat("ab", 32), Recipe: recipe, Features: features}, Reads: Last}
}

// testRow is row i of any number, with a label of five, or none.
func testRow(i, features int) Row {
	r := Row{Path: fmt.Sprintf("photos/%d/ü%d.jpg", i%5, i), Sum: sha256.Sum256(fmt.Append(nil, i))}
	for j := range features {
		r.Features = append(r.Features, float32(math.Sin(float64(i*features+j))))
	}
	if i%6 != 5 {
		r.Labels = []string{fmt.Sprintf("label %d", i%5)}
	}
	return r
}

func testWriter(t *testing.T, key Key, multi bool, rows ...Row) *Writer {
	t.Helper()
	w, err := NewWriter(key, multi)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func encoded(t *testing.T, w *Writer) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := w.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inMemory is a shard's place in memory.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

func placed(name string, data []byte) Place {
	return Place{Name: name, Size: int64(len(data)), Open: func() (File, error) { return inMemory{bytes.NewReader(data)}, nil }}
}

// readAll is all that a set says.
func readAll(s *Set, c Stream) (rows []Row, err error) {
	err = s.Each(context.Background(), c, func(b *Block) error {
		defer b.Release()
		f := s.Key.Features
		for i := range b.Len() {
			r := Row{Sum: b.Sum(i), Features: make([]float32, f)}
			for j := range f {
				at := 2 * (i*f + j)
				r.Features[j] = safetensors.FromHalf(uint16(b.Features[at]) | uint16(b.Features[at+1])<<8)
			}
			if b.MultiLabel != nil {
				for _, l := range b.MultiLabel[i] {
					r.Labels = append(r.Labels, s.Labels[l])
				}
			} else if l := b.Labels[i]; l >= 0 {
				r.Labels = []string{s.Labels[l]}
			}
			if b.Parts != nil && b.Parts[i] > 0 {
				r.Given, r.Part = true, dataset.Split(b.Parts[i]-1)
			}
			rows = append(rows, r)
		}
		return nil
	})
	all := make([]int, len(rows))
	for i := range all {
		all[i] = i
	}
	if err != nil {
		return nil, err
	}
	paths, err := s.Paths(context.Background(), all)
	for i, p := range paths {
		rows[i].Path = p
	}
	return rows, err
}

// rounded is a row with its features as float16 has them.
func rounded(r Row) Row {
	r.Features = slices.Clone(r.Features)
	for i, v := range r.Features {
		h, _ := safetensors.Half(v)
		r.Features[i] = safetensors.FromHalf(h)
	}
	return r
}

// TestRoundTrip: what was written is read, from shards of odd sizes, labels of their own and blocks
// that end within them.
func TestRoundTrip(t *testing.T) {
	const features = 7
	for _, multi := range []bool{false, true} {
		var want []Row
		var places []Place
		at := 0
		for k, n := range []int{1, 255, 256, 700, 3} {
			var rows []Row
			for range n {
				r := testRow(at, features)
				if multi && at%3 == 0 {
					r.Labels = append([]string{"z"}, r.Labels...)
				}
				if k == 3 {
					r.Given, r.Part = at%2 == 0, dataset.Split(at%6/2)
				}
				if !r.Given {
					r.Part = 0
				}
				rows, at = append(rows, r), at+1
			}
			if k == 4 {
				for i := range rows {
					rows[i].Labels = []string{"only here"}
				}
			}
			places = append(places, placed(fmt.Sprint(k), encoded(t, testWriter(t, testKey(features), multi, rows...))))
			for _, r := range rows {
				slices.Sort(r.Labels)
				want = append(want, rounded(r))
			}
		}
		s, err := OpenSet(context.Background(), places)
		if err != nil {
			t.Fatal(err)
		}
		if s.Rows != at || !slices.Contains(s.Labels, "only here") || s.MultiLabel != multi {
			t.Fatalf("got %d rows of %q, several labels: %t", s.Rows, s.Labels, s.MultiLabel)
		}
		for _, c := range []Stream{{}, {Rows: 256, Blocks: 2}, {Rows: 512, Blocks: 64}} {
			got, err := readAll(s, c)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("several labels %t, %+v: rows differ from what was written", multi, c)
			}
		}
		from := 0
		err = s.Each(context.Background(), Stream{Rows: 256, From: 3, Want: func(b *Block) bool { return b.Number == 4 }},
			func(b *Block) error {
				defer b.Release()
				if from == 0 {
					from = b.First
				}
				if has := b.Features != nil; has != (b.Number == 4) {
					return fmt.Errorf("block %d: got features: %t", b.Number, has)
				}
				return nil
			})
		if err != nil || from != 512 { // 1, 255, 256 rows are a block each
			t.Errorf("got %v and a first row %d, want none and 512", err, from)
		}
	}
}

// TestBytesFollowFromRows: not from what the writer was used for before, nor from the order of labels.
func TestBytesFollowFromRows(t *testing.T) {
	rows := []Row{testRow(1, 3), testRow(2, 3)}
	rows[0].Labels = []string{"b", "a"}
	want := encoded(t, testWriter(t, testKey(3), true, rows...))
	w := testWriter(t, testKey(3), true, testRow(9, 3), testRow(8, 3), testRow(7, 3))
	w.Reset()
	rows[0].Labels = []string{"a", "b", "a"}
	for _, r := range rows {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := encoded(t, w); !bytes.Equal(got, want) {
		t.Error("the same rows give other bytes")
	}
	path := filepath.Join(t.TempDir(), "s.safetensors")
	if err := w.Save(path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file has other bytes, or none: %v", err)
	}
}

// TestDamage: no byte of a shard can be another without an error.
func TestDamage(t *testing.T) {
	for _, multi := range []bool{false, true} {
		data := encoded(t, testWriter(t, testKey(2), multi, testRow(0, 2), testRow(1, 2), testRow(5, 2)))
		for i := range data {
			bad := slices.Clone(data)
			bad[i] ^= 1
			s, err := OpenSet(context.Background(), []Place{placed("s", bad)})
			if err == nil {
				_, err = readAll(s, Stream{})
			}
			if err == nil && !harmless(data, i) {
				t.Errorf("byte %d (%q) is another, and nothing said so", i, data[max(0, i-20):i+1])
			}
		}
		for n := range len(data) {
			if _, err := Open("s", bytes.NewReader(data[:n]), int64(n)); err == nil {
				t.Errorf("cut to %d bytes, and nothing said so", n)
			}
		}
	}
}

// harmless says whether byte i is in a name of the header, which is then another tensor's, or the sum
// itself is missing then.
func harmless(data []byte, i int) bool {
	for _, name := range []string{`"index_crc32c"`, `"features_crc32c"`} {
		at := bytes.Index(data, []byte(name))
		if at >= 0 && at < i && i < at+len(name)-1 {
			return true
		}
	}
	return false
}

// TestRefusals names each rule.
func TestRefusals(t *testing.T) {
	other := testKey(3)
	other.Trunk = strings.Repeat("cd", 32)
	prepared := testKey(3)
	prepared.Recipe.Size = 199
	reads := testKey(3)
	reads.Reads = `{"blocks":["Mixed_6e"]}`
	good := placed("good", encoded(t, testWriter(t, testKey(3), false, testRow(0, 3))))
	several := placed("several", encoded(t, testWriter(t, testKey(3), true, testRow(0, 3))))
	for want, places := range map[string][]Place{
		"want at least one": nil,
		"named twice":       {good, good},
		"bad has bottlenecks of the trunk cdcdcdcdcdcdcdcd, not abababababababab": {good, placed("bad", encoded(t,
			testWriter(t, other, false, testRow(0, 3))))},
		"bad has bottlenecks of pictures prepared otherwise": {good, placed("bad", encoded(t, testWriter(t, prepared, false, testRow(0, 3))))},
		"bad has bottlenecks of what reads":                  {good, placed("bad", encoded(t, testWriter(t, reads, false, testRow(0, 3))))},
		"bad has bottlenecks of 4 features":                  {good, placed("bad", encoded(t, testWriter(t, testKey(4), false, testRow(0, 4))))},
		"good and several one has several labels":            {good, several},
	} {
		if _, err := OpenSet(context.Background(), places); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	w := testWriter(t, testKey(2), false)
	big := testRow(0, 2)
	big.Features[1] = 7e4
	for want, r := range map[string]Row{
		"got 3 features, want 2":                 testRow(0, 3),
		"value 1 is 70000, which float16 cannot": big,
		"got 2 labels, want at most 1":           {Features: []float32{1, 2}, Labels: []string{"a", "b"}},
		`got the label "", want UTF-8`:           {Features: []float32{1, 2}, Labels: []string{""}},
		"the path is not UTF-8":                  {Features: []float32{1, 2}, Path: "\xff"},
		"got part 3, which there is not":         {Features: []float32{1, 2}, Part: 3, Given: true},
	} {
		if err := w.Add(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := w.Encode(&bytes.Buffer{}); err == nil || len(w.features) > 0 {
		t.Errorf("refused rows left something: %v, %d bytes", err, len(w.features))
	}
}

// TestDuplicates: found whatever the memory, counted beyond what is listed.
func TestDuplicates(t *testing.T) {
	var places []Place
	for k := range 2 {
		w := testWriter(t, testKey(1), false)
		for i := range 30_000 {
			r := testRow(i+k*29_990, 1) // the second begins with ten of the first
			if i == 77 {
				r.Sum = testRow(5, 1).Sum
			}
			if err := w.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		places = append(places, placed(fmt.Sprint(k), encoded(t, w)))
	}
	s, err := OpenSet(context.Background(), places)
	if err != nil {
		t.Fatal(err)
	}
	var first []Same
	for _, memory := range []int64{0, 1 << 30} {
		list, extra, err := s.Duplicates(context.Background(), memory, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 11 || extra != 12 {
			t.Fatalf("memory %d: got %d groups and %d too many, want 11 and 12", memory, len(list), extra)
		}
		slices.SortFunc(list, func(a, b Same) int { return a[0] - b[0] })
		if !slices.Equal(list[0], Same{5, 77, 30_077}) || !slices.Equal(list[1], Same{29_990, 30_000}) {
			t.Errorf("got %v first", list[:2])
		}
		if first != nil && !reflect.DeepEqual(first, list) {
			t.Error("another memory, other duplicates")
		}
		first = list
	}
	if list, extra, err := s.Duplicates(context.Background(), 0, 2); err != nil || len(list) != 2 || extra != 12 {
		t.Errorf("got %d groups, %d too many and %v, want 2 and 12", len(list), extra, err)
	}
}

// TestEachStops: at an error of the callback, of the files and of the context, with all files closed.
func TestEachStops(t *testing.T) {
	var places []Place
	var opened, closed atomic.Int64
	for k := range 5 {
		w := testWriter(t, testKey(1), false)
		for i := range 600 {
			if err := w.Add(testRow(i, 1)); err != nil {
				t.Fatal(err)
			}
		}
		data := encoded(t, w)
		p := placed(fmt.Sprint(k), data)
		p.Open = func() (File, error) {
			opened.Add(1)
			return counting{inMemory{bytes.NewReader(data)}, &closed}, nil
		}
		places = append(places, p)
	}
	s, err := OpenSet(context.Background(), places)
	if err != nil {
		t.Fatal(err)
	}
	opened.Store(0)
	closed.Store(0)
	enough := errors.New("enough")
	seen := 0
	err = s.Each(context.Background(), Stream{Rows: 256, Blocks: 3}, func(b *Block) error {
		b.Release()
		if seen++; seen == 4 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || opened.Load() != closed.Load() {
		t.Errorf("got %v, %d opened and %d closed", err, opened.Load(), closed.Load())
	}
	ctx, stop := context.WithCancelCause(context.Background())
	err = s.Each(ctx, Stream{Rows: 256, Blocks: 2}, func(b *Block) error {
		stop(enough) // and keeps its block
		return nil
	})
	if !errors.Is(err, enough) || opened.Load() != closed.Load() {
		t.Errorf("got %v, %d opened and %d closed", err, opened.Load(), closed.Load())
	}
}

type counting struct {
	File
	closed *atomic.Int64
}

func (c counting) Close() error {
	c.closed.Add(1)
	return c.File.Close()
}

// TestPython: the library that others read shards with sees the same numbers.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import safetensors, numpy").Run() != nil {
		t.Skip("python3 with safetensors and numpy is not here: pip install safetensors numpy")
	}
	path := filepath.Join(t.TempDir(), "s.safetensors")
	if err := testWriter(t, testKey(2), false, testRow(0, 2), testRow(5, 2), testRow(3, 2)).Save(path); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], "np") as f:
    x, at, paths = f.get_tensor("features"), f.get_tensor("path_offsets"), f.get_tensor("paths").tobytes()
    names = json.loads(f.metadata()["labels"])
    for i, l in enumerate(f.get_tensor("label")):
        print(x[i].astype("<f4").tobytes().hex(), names[l] if l >= 0 else None, paths[at[i]:at[i+1]].decode(),
              f.get_tensor("sha256")[i].tobytes().hex()[:8])
`, path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := ""
	for _, i := range []int{0, 5, 3} {
		r, name := rounded(testRow(i, 2)), "None"
		if r.Labels != nil {
			name = r.Labels[0]
		}
		want += fmt.Sprintf("%x %s %s %x\n", safetensors.PutFloat32(nil, r.Features), name, r.Path, r.Sum[:4])
	}
	if string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
}

// FuzzOpen: no bytes make a panic, nor more memory than their length accounts for.
func FuzzOpen(f *testing.F) {
	for _, multi := range []bool{false, true} {
		w, _ := NewWriter(testKey(2), multi)
		_ = w.Add(testRow(0, 2))
		_ = w.Add(testRow(5, 2))
		var b bytes.Buffer
		_ = w.Encode(&b)
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := OpenSet(context.Background(), []Place{placed("s", data)})
		if err == nil {
			_, _ = readAll(s, Stream{})
		}
	})
}
