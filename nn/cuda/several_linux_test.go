//go:build amd64 || arm64

package cuda_test

import (
	"bytes"
	"context"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/cutest"
)

// TestSeveral shares images between two GPUs: the same numbers in the same order, bit for bit.
func TestSeveral(t *testing.T) {
	n := newNetwork(t)
	d := &cutest.Driver{GPUs: 3}
	use(t, d)
	want, err := n.run(t, "cuda:1")
	if err != nil {
		t.Fatal(err)
	}
	alone := d.Launched(1)
	for _, dev := range []string{"cuda:0,cuda:2", "cuda:all"} {
		got, err := n.run(t, dev)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got other numbers than of one GPU", dev)
		}
	}
	if d.Launched(0) == 0 || d.Launched(1) == alone || d.Launched(2) == 0 {
		t.Errorf("got %d, %d and %d kernels, want some on each GPU", d.Launched(0), d.Launched(1)-alone, d.Launched(2))
	}
	p, err := nn.Compile(nn.Config{Device: "cuda:0,cuda:2"}, n.input, n.output)
	if err != nil {
		t.Fatal(err)
	}
	if p.Device() != "cuda:0,cuda:2" || p.Kernel() != "float32" || p.Batch() != 64 {
		t.Errorf("got device %s, kernel %s, batch %d", p.Device(), p.Kernel(), p.Batch())
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestSeveralRefuses asks for GPUs that are not there, or are there once.
func TestSeveralRefuses(t *testing.T) {
	n := newNetwork(t)
	use(t, &cutest.Driver{GPUs: 2})
	for dev, want := range map[string]string{
		"cuda:0,cuda:2": `device "cuda:2" cannot be used here: cuda: GPU 2: this machine has 2, want 0 to 1`,
		"cuda:1,cuda:1": "devices cuda:1 and cuda:1: want several numbers of one device",
		"cuda:0,cpu":    "devices cuda:0 and cpu: want several numbers of one device",
		"cuda:0,":       "want names with commas between",
		"cpu:all":       "cpu does not say how many units it has",
		"cuda:0,cuda:x": `device "cuda:x"`,
	} {
		if _, err := n.run(t, dev); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", dev, err, want)
		}
	}
}

// TestSeveralLost loses one of two GPUs in the middle of a run, and has the other without memory when it
// begins: the error names the one, and nothing is left behind.
func TestSeveralLost(t *testing.T) {
	n := newNetwork(t)
	t.Run("lost", func(t *testing.T) {
		d := &cutest.Driver{GPUs: 2}
		use(t, d)
		p, err := nn.Compile(nn.Config{Device: "cuda:all"}, n.input, n.output)
		if err != nil {
			t.Fatal(err)
		}
		d.Lose("cuGraphLaunch", 1, cutest.Unavailable)
		err = p.Run(context.Background(), images, n.pixels, make([]float32, images*n.values))
		if err == nil || !strings.Contains(err.Error(), "nn: run: cuda:") || !strings.Contains(err.Error(), "the GPU is lost") {
			t.Errorf("got %v, want which GPU is lost", err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("close: got %v, want none", err)
		}
	})
	t.Run("compile", func(t *testing.T) {
		d := &cutest.Driver{GPUs: 2}
		use(t, d)
		d.Fail("cuModuleLoadData", 1, cutest.OutOfMemory)
		if _, err := n.run(t, "cuda:all"); err == nil || !strings.Contains(err.Error(), "nn: device cuda:1: cuda:") {
			t.Errorf("got %v, want which GPU has no memory", err)
		}
	})
}

// TestSharedFolder embeds pictures by two GPUs: the rows of one GPU, in the pictures' order.
func TestSharedFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("interprets whole networks")
	}
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: inception.MinSize, Flavor: inception.Torchvision})
	if err != nil {
		t.Fatal(err)
	}
	var files [][]byte
	for i := range 3 {
		var b bytes.Buffer
		if err := png.Encode(&b, draw.Picture(i, 80, uint64(i))); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	d := useSeveral(t, 2)
	launched := func(gpu int) int {
		if d == nil {
			return 0
		}
		return d.Launched(gpu)
	}
	embed := func(device string, batch int) (rows [][]float32) {
		trunk, err := inception.NewTrunk(w, nn.Config{Device: device})
		if err != nil {
			t.Fatal(err)
		}
		defer trunk.Close()
		rows = make([][]float32, len(files))
		before := 0
		if d != nil {
			before = d.Uploaded(0)
		}
		err = trunk.EmbedAll(context.Background(), len(files), func(i int) ([]byte, error) { return files[i], nil },
			func(i int, row []float32, err error) error {
				rows[i] = slices.Clone(row)
				return err
			}, inception.EmbedConfig{Batch: batch})
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			return rows
		}
		// A picture travels as its bytes.
		if got, want := d.Uploaded(0)-before, len(files)*3*trunk.Size()*trunk.Size(); device == "cuda:0" && got != want {
			t.Errorf("uploaded %d bytes, want %d", got, want)
		}
		return rows
	}
	want, alone := embed("cuda:0", 1), launched(0)
	for i, row := range embed("cuda:0,cuda:1", 2) {
		if !slices.Equal(row, want[i]) {
			t.Errorf("picture %d: got another row than of one GPU", i)
		}
	}
	if d != nil && (launched(0) == alone || launched(1) == 0) {
		t.Errorf("got %d and %d kernels, want some on each GPU", launched(0)-alone, launched(1))
	}
}
