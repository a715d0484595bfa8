package inception

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// pack is a .tar.gz of the given entries.
func pack(t testing.TB, headers []tar.Header, bodies []string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	tape := tar.NewWriter(zipped)
	for i, h := range headers {
		if h.Typeflag != tar.TypeXGlobalHeader {
			h.Size, h.Mode = int64(len(bodies[i])), 0o644
		}
		if err := tape.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := tape.Write([]byte(bodies[i])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tape.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpenArchive(t *testing.T) {
	m := small(t)
	root := t.TempDir()
	dir := filepath.Join(root, "m")
	mustSave(t, m, dir, SaveOptions{})
	files := contents(t, dir)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	entries := func(prefix string, skip ...string) (h []tar.Header, b []string) {
		for _, name := range names {
			if !slices.Contains(skip, name) {
				h, b = append(h, tar.Header{Name: prefix + name}), append(b, files[name])
			}
		}
		return h, b
	}
	path := filepath.Join(root, "model.bin") // the name says nothing
	write := func(data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, prefix := range []string{"", "./"} {
		h, b := entries(prefix)
		h, b = append(h, tar.Header{Name: "code/inference.py"}), append(b, "import os")
		write(pack(t, h, b))
		sameModel(t, mustOpen(t, path), m)
	}
	mustSave(t, m, dir, SaveOptions{NoTrunk: true}) // which is most of the work
	files = contents(t, dir)
	names = slices.DeleteFunc(names, func(name string) bool { return name == trunkFile })
	with := func(extra tar.Header, body string, skip ...string) []byte {
		h, b := entries("", skip...)
		return pack(t, append(h, extra), append(b, body))
	}
	deeper, bodies := entries("m/")
	plain, plainBodies := entries("")
	whole := pack(t, plain, plainBodies)
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"one folder too deep", "not at the top", pack(t, deeper, bodies)},
		{"missing file", headFile + ": is missing", with(tar.Header{Name: "x"}, "", headFile)},
		{"file twice", "twice", with(tar.Header{Name: "./" + headFile}, files[headFile])},
		{"way out", "leads out", with(tar.Header{Name: "../" + headFile}, files[headFile], headFile)},
		{"absolute", "leads out", with(tar.Header{Name: "/etc/passwd"}, "")},
		{"link", "not a regular file",
			with(tar.Header{Name: headFile, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, "", headFile)},
		{"changed file", "was changed",
			with(tar.Header{Name: labelsFile}, strings.Replace(files[labelsFile], "C", "D", 1), labelsFile)},
		{"empty", modelJSONFile + ": is missing", pack(t, nil, nil)},
		{"cut in half", "cut short", whole[:len(whole)/2]},
		{"cut at the end", "cut short", whole[:len(whole)-1]},
		{"gzip of something else", "damaged", gzipped(t, strings.Repeat("x", 2000))},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(c.data)
			_, err := OpenModel(path)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want a FormatError with %q and the path", err, c.want)
			}
		})
	}
}

// A global header, as GNU tar's --pax-option=comment=... and git archive write it, is no file, and
// neither is the label that --label writes.
func TestRegression_TarGlobalHeader(t *testing.T) {
	m := small(t)
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, dir, SaveOptions{})
	headers := []tar.Header{{Typeflag: tar.TypeXGlobalHeader,
		PAXRecords: map[string]string{"comment": "hello"}}, {Typeflag: 'V', Name: "/backup of Monday"}}
	bodies := []string{"", ""}
	for name, text := range contents(t, dir) {
		headers, bodies = append(headers, tar.Header{Name: name}), append(bodies, text)
	}
	path := filepath.Join(t.TempDir(), "m.tar.gz")
	if err := os.WriteFile(path, pack(t, headers, bodies), 0o600); err != nil {
		t.Fatal(err)
	}
	sameModel(t, mustOpen(t, path), m)
}

// What a part of an archive unpacks to is bounded before it is unpacked.
func TestRegression_ArchiveThatUnpacksToMuch(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	zeros := strings.Repeat("\x00", maxText+1)
	for want, headers := range map[string][]tar.Header{
		"want at most":   {{Name: reportFile}},
		"unpacks to mor": {{Name: headFile}, {Name: neighboursFile}},
	} {
		data := pack(t, headers, []string{zeros, zeros}[:len(headers)])
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeModel("m.tar.gz", bytes.NewReader(data), int64(len(data)))
		runtime.ReadMemStats(&after)
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 2*maxText {
			t.Errorf("%q: took %d bytes of memory for an archive of %d", want, took, len(data))
		}
	}
}

// A pipe that nobody writes to, as a model or as a part of one, is refused rather than waited for,
// and so is a device.
func TestRegression_ModelThatIsNoFile(t *testing.T) {
	m := small(t)
	root := t.TempDir()
	dir := filepath.Join(root, "m")
	mustSave(t, m, dir, SaveOptions{})
	for _, name := range modelFiles() {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := os.Rename(path, path+".kept"); err != nil {
			t.Fatal(err)
		}
		makePipe(t, path)
		if _, err := OpenModel(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s is a pipe: got %v", name, err)
		}
		if err := os.Rename(path+".kept", path); err != nil {
			t.Fatal(err)
		}
	}
	pipe, link := filepath.Join(root, "pipe"), filepath.Join(root, "link")
	makePipe(t, pipe)
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, link, device} {
		if _, err := OpenModel(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestOpenWeightFile: a converted file with a classifier is a model as it is.
func TestOpenWeightFile(t *testing.T) {
	w := tiny(t, Keras)
	dir := t.TempDir()
	path := filepath.Join(dir, "w.safetensors")
	if err := w.Write(path, ""); err != nil {
		t.Fatal(err)
	}
	m := mustOpen(t, path)
	if !slices.Equal(m.Labels, []string{"0", "1", "2"}) || m.TrunkDigest != w.Digest || m.Head.Features != 96 {
		t.Errorf("got %v, %s, %d features", m.Labels, m.TrunkDigest, m.Head.Features)
	}
	saved := filepath.Join(dir, "m")
	mustSave(t, m, saved, SaveOptions{})
	got := mustOpen(t, saved)
	if got.SelfTest == nil {
		t.Error("the model with a trunk has no self-test")
	}
	m.SelfTest = got.SelfTest
	sameModel(t, got, m)
	if err := w.TrunkOnly().Write(path, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenModel(path); err == nil || !strings.Contains(err.Error(), "rehead train") {
		t.Errorf("weights without a classifier: got %v", err)
	}
	if err := os.WriteFile(path, []byte("hello, world"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenModel(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a text file: got %v", err)
	}
	if _, err := OpenModel(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(pack(f, []tar.Header{{Name: modelJSONFile}, {Name: "../x"}}, []string{"{}", "y"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := unpack("fuzz", bytes.NewReader(data), maxArchive)
		var format *FormatError
		if err != nil && !errors.As(err, &format) {
			t.Fatalf("got %v, want a *FormatError", err)
		}
		for name := range a.files {
			if name != modelJSONFile && !slices.Contains(modelFiles(), name) {
				t.Fatalf("kept %q", name)
			}
		}
	})
}

// TestOpensOldModel: a model that an older rehead packed opens, passes its self-test and is written
// with the same bytes again.
func TestOpensOldModel(t *testing.T) {
	path := filepath.Join(models, "model-1.tar.gz")
	m := mustOpen(t, path)
	c, err := NewClassifier(m, nn.Config{Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a, err := unpack(path, file, maxArchive)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "m")
	mustSave(t, m, dir, SaveOptions{DType: "f16"})
	now := contents(t, dir)
	if len(now) != len(a.files) {
		t.Errorf("got %d files, want %d", len(now), len(a.files))
	}
	for name, data := range a.files {
		if now[name] != string(data) {
			t.Errorf("%s has other bytes", name)
		}
	}
}
