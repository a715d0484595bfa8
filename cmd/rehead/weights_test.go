package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/inception/registry"
	"github.com/c236555e/rehead/internal/safetensors"
)

// foreignWeights writes a narrow network under PyTorch's names, one of its counters included.
func foreignWeights(t *testing.T) string {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	out := []safetensors.Tensor{{Name: "Conv2d_1a_3x3.bn.num_batches_tracked", DType: safetensors.I64,
		Data: make([]byte, 8)}}
	for name, x := range w.Tensors {
		if path, part, _ := strings.Cut(name, ".weight"); part == "" && path != name && path != "fc" {
			name = path + ".conv.weight"
		}
		out = append(out, safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: x.Shape, Values: x.Data})
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, map[string]string{"format": "pt"}, out); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "timm.safetensors")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWeights goes through the subcommands of weights with a file that PyTorch wrote.
func TestWeights(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	foreign := foreignWeights(t)
	var info convert.Info
	must(t, &info, "weights", "info", foreign, "--json")
	if info.Format != "safetensors" || info.Flavor != "timm" || info.Classes != 10 || len(info.SHA256) != 64 ||
		info.Ignored != 1 || info.GFLOP <= 0 {
		t.Errorf("info: got %+v", info)
	}
	if o := command(t, "weights", "info", foreign); o.code != exitDone || !strings.Contains(o.stdout, info.SHA256) ||
		!strings.Contains(o.stdout, "passed over") {
		t.Errorf("info: got %q", o.stdout)
	}
	out := filepath.Join(t.TempDir(), "out.safetensors")
	var made convert.Info
	must(t, &made, "weights", "convert", foreign, out, "--dtype", "f16", "--mean", "123.675,116.28,103.53", "--std",
		"58.395,57.12,57.375", "--size", "150", "--json")
	if made.Recipe.Mean != [3]float32{123.675, 116.28, 103.53} || made.Recipe.Size != 150 || made.Flavor != "timm" {
		t.Errorf("convert: got %+v", made)
	}
	if o := command(t, "weights", "convert", foreign, filepath.Join(t.TempDir(), "avg.safetensors"), "--pool",
		"avg"); o.code != exitDone || !strings.Contains(o.stdout, "in doubt: ") || strings.Contains(o.stdout, "global_pool") {
		t.Errorf("convert: got %q, want what is in doubt", o.stdout)
	}
	for flag, value := range map[string]string{"pool": "median", "epsilon": "NaN", "dtype": "f8", "head-output": "both"} {
		if o := command(t, "weights", "convert", foreign, filepath.Join(t.TempDir(), "m"), "--"+flag, value); o.code != exitUsage ||
			!strings.Contains(o.stderr, "--"+flag+": got") || !strings.Contains(o.stderr, value) {
			t.Errorf("--%s %s: got %d and %q", flag, value, o.code, o.stderr)
		}
	}
	must(t, &info, "weights", "info", out, "--json")
	if info.Recipe != made.Recipe || info.Notes["source_sha256"] == "" || info.File != out {
		t.Errorf("info of what was converted: got %+v", info)
	}
	must(t, &info, "weights", "info", "random:0.1", "--json")
	if info.Width != 0.1 || info.Classes != 1000 {
		t.Errorf("info of made-up weights: got %+v", info)
	}
	var list []listed
	must(t, &list, "weights", "list", "--json")
	if len(list) != 1+len(registry.Entries()) || list[1].Name != "keras" || list[1].Pulled || list[1].BuiltIn {
		t.Errorf("list: got %+v", list)
	}
	for i := range list { // as if all were here: no line is longer
		list[i].Pulled = !list[i].BuiltIn
	}
	var printed strings.Builder
	(&app{stdout: &printed, tty: true}).printWeights(list)
	lines := strings.Split(strings.TrimSuffix(printed.String(), "\n"), "\n")
	for _, l := range lines {
		if n := cells(styles.ReplaceAllString(l, "")); n > columns {
			t.Errorf("list: %d columns, want at most %d: %q", n, columns, l)
		}
	}
	if want := []string{"keras", "keras", "1000", "96", "77.9", "pulled",
		"Apache-2.0"}; !slices.Equal(strings.Fields(lines[2]), want) {
		t.Errorf("list: got %q, want %q", lines[2], want)
	}

	bad := filepath.Join(t.TempDir(), "bad.safetensors")
	data, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, data[:len(data)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	never := filepath.Join(t.TempDir(), "never")
	fails(t, []string{"weights", "convert", bad, never}, bad, "tensor")
	if o := command(t, "weights", "convert", foreign, never, "--flavor", "vgg"); o.code != exitUsage || !strings.Contains(o.stderr, "torchvision") {
		t.Errorf("flavor: code %d, %q", o.code, o.stderr)
	}
	fails(t, []string{"weights", "convert", foreign, never, "--size", "20"}, foreign, "at least")
	fails(t, []string{"inspect", bad}, bad, "tensor") // a weight file that is damaged is told of as one
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("not weights at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, []string{"inspect", text}, text, "neither a model folder")
	trunk := narrow(t, t.TempDir())
	fails(t, []string{"inspect", trunk}, "no classifier")
	fails(t, []string{"weights", "info", "keras"}, "weights pull keras")
	fails(t, []string{"weights", "verify", "keras"}, "weights pull keras")
	fails(t, []string{"weights", "pull", "vgg"}, "vgg", "keras")
	fails(t, []string{"weights", "pull", "keras", "--from", foreign}, "want 96112376", "not the published one")
	if _, err := os.Stat(never); err == nil {
		t.Error("a conversion that failed left a file")
	}
	if o := command(t, "weights", "convert", foreign, never, "--mean", "1,2"); o.code != exitUsage ||
		!strings.Contains(o.stderr, "R,G,B") {
		t.Errorf("two numbers for a mean: exit code %d, %q", o.code, o.stderr)
	}
}

// TestDownloadBar: the line that a terminal shows during a download, and that it goes away.
func TestDownloadBar(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out, errTTY: true}
	bar := a.downloadBar("keras")
	bar.set(30e6, 60e6)
	bar.set(60e6, 60e6)
	if s := out.String(); !strings.Contains(s,
		"keras ███████████████░░░░░░░░░░░░░░░ 30.0 of 60.0 MB") ||
		!strings.Contains(s, "60.0 of 60.0 MB") || !strings.Contains(s, "checking") {
		t.Errorf("got %q", s)
	}
	bar.set(1e6, 0)
	bar.done()
	if s := out.String(); !strings.Contains(s, "keras 1.0 MB") || !strings.HasSuffix(s, "\r\x1b[K") {
		t.Errorf("got %q", s)
	}
	out.Reset()
	bar = (&app{stderr: &out}).downloadBar("keras")
	bar.set(1, 2)
	bar.done()
	if out.Len() > 0 {
		t.Errorf("not a terminal, but %q", out.String())
	}
}
