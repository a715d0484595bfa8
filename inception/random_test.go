package inception

import (
	"context"
	"math"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// drawn is a smooth made-up input [3,size,size] in -1..1.
func drawn(size int, seed float64) []float32 {
	v := make([]float32, 3*size*size)
	for c := range 3 {
		for y := range size {
			for x := range size {
				a := math.Sin(seed+float64(x)*(0.05+0.03*seed)+float64(c)) + math.Sin(2*seed+float64(y)*0.11-float64(c*x)*0.02)
				v[(c*size+y)*size+x] = float32(a / 2)
			}
		}
	}
	return v
}

// TestRandomStaysInRange: at every width each block's output has a size between 1/50 and 50, and
// two pictures do not end up as the same bottleneck.
func TestRandomStaysInRange(t *testing.T) {
	const size = 107
	for _, width := range []float64{0.1, 0.25, 0.5, 1} {
		for seed := range uint64(2) {
			if width == 1 && testing.Short() || width > 0.1 && seed > 0 {
				continue
			}
			w, err := Random(RandomConfig{Width: width, Seed: seed, Size: size})
			if err != nil {
				t.Fatal(err)
			}
			net, err := Build(nn.NewGraph(), w, size, 1)
			if err != nil {
				t.Fatal(err)
			}
			outputs := []*nn.Node{net.Bottleneck}
			for _, name := range blocks() {
				outputs = append(outputs, net.taps[name])
			}
			run := engines()[1].run
			first, err := run(net, drawn(size, 1), outputs...)
			if err != nil {
				t.Fatal(err)
			}
			second, err := run(net, drawn(size, 2), outputs...)
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range blocks() {
				sum := 0.0
				for _, v := range first[i+1] {
					sum += float64(v) * float64(v)
				}
				if rms := math.Sqrt(sum / float64(len(first[i+1]))); !(rms > 0.02 && rms < 50) {
					t.Errorf("width %g, seed %d: %s has rms %g, want 0.02 to 50", width, seed, name, rms)
				}
			}
			if d := off(second[0], first[0]); !(d > 0.02) {
				t.Errorf("width %g, seed %d: two pictures differ by %g of their norm at the bottleneck, want more than 0.02", width,
					seed, d)
			}
		}
	}
}

// TestRandomIsSeeded also pins the digest, so that "random:0.25" means the same network in every
// release.
func TestRandomIsSeeded(t *testing.T) {
	cfg := RandomConfig{Width: 0.1, Seed: 7, Flavor: Keras, Classes: 5}
	a, err := Random(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Random(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if a.Digest != b.Digest || a.Classes != 5 || a.Recipe != Keras.Recipe() {
		t.Fatalf("got %s and %s, %d classes, %+v", a.Digest, b.Digest, a.Classes, a.Recipe)
	}
	const want = "a4b48dfc6c94a89ddf33b3d0a99d891d09233f0a9b89b4f97e991cf734a49487"
	if a.Digest != want {
		t.Errorf("got digest %s, want %s", a.Digest, want)
	}
	for _, other := range []RandomConfig{
		{Width: 0.1, Seed: 8, Flavor: Keras}, {Width: 0.11, Seed: 7, Flavor: Keras}, {Width: 0.1, Seed: 7, Flavor: Timm},
	} {
		c, err := Random(other)
		if err != nil {
			t.Fatal(err)
		}
		if c.Digest == a.Digest {
			t.Errorf("%+v has the same digest", other)
		}
	}
	bare := cfg
	bare.Classes = 0
	if c, err := Random(bare); err != nil || c.Digest != a.Digest {
		t.Errorf("the classifier changed the trunk's digest: %v", err)
	}
}

func TestRandomRejects(t *testing.T) {
	for _, cfg := range []RandomConfig{{Width: -1}, {Width: 9}, {Width: 0.1, Flavor: "x"}, {Width: 0.1, Classes: -1},
		{Width: 0.1, Size: 74}, {Width: 0.1, Size: 1 << 20}} {
		if _, err := Random(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

// TestEmbedIsIndependent: a picture's bottleneck is the same bits alone and in company.
func TestEmbedIsIndependent(t *testing.T) {
	w, err := Random(RandomConfig{Width: 0.1, Size: 75})
	if err != nil {
		t.Fatal(err)
	}
	trunk, err := NewTrunk(w, nn.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	const n = 3
	f := trunk.Features()
	var input []float32
	for i := range n {
		input = append(input, drawn(75, float64(i))...)
	}
	all, one := make([]float32, n*f), make([]float32, f)
	if err := trunk.Embed(context.Background(), n, input, all); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := trunk.Embed(context.Background(), 1, input[i*len(input)/n:(i+1)*len(input)/n], one); err != nil {
			t.Fatal(err)
		}
		for k := range one {
			if math.Float32bits(one[k]) != math.Float32bits(all[i*f+k]) {
				t.Fatalf("picture %d, feature %d: %v alone, %v in a batch", i, k, one[k], all[i*f+k])
			}
		}
	}
	for _, bad := range [][3]int{{0, 0, 0}, {1, len(input) / n, f + 1}, {2, len(input) / n, f}} {
		if err := trunk.Embed(context.Background(), bad[0], make([]float32, bad[1]), make([]float32, bad[2])); err == nil {
			t.Errorf("n, pixels, bottlenecks of %v were accepted", bad)
		}
	}
}
