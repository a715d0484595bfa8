package nn

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// branches is a small network of everything that int8 can do: a padded convolution, two pools, a
// concatenation and the global average.
func branches(t *testing.T) (x, mean, block *Node) {
	t.Helper()
	g := NewGraph()
	r := rand.New(rand.NewPCG(3, 5))
	apply := func(op Op, in ...*Node) *Node {
		t.Helper()
		n, err := Apply(op, in...)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	conv := func(name string, in *Node, out, k int) *Node {
		t.Helper()
		c := in.Shape()[1]
		w, b := make([]float32, out*c*k*k), make([]float32, out)
		for i := range w {
			w[i] = float32(r.NormFloat64() / math.Sqrt(float64(c*k*k)))
		}
		for i := range b {
			b[i] = r.Float32() * 0.3
		}
		weight, err := Param(g, name+".weight", w, out, c, k, k)
		if err != nil {
			t.Fatal(err)
		}
		bias, err := Param(g, name+".bias", b, out)
		if err != nil {
			t.Fatal(err)
		}
		pad := Padding{Top: k / 2, Bottom: k / 2, Left: k / 2, Right: k / 2}
		return apply(&ReLU{Name: name + ".relu"}, apply(&Conv2D{Name: name, Padding: pad}, in, weight, bias))
	}
	x, err := Input(g, "picture", 1, 3, 14, 17)
	if err != nil {
		t.Fatal(err)
	}
	a := conv("a", x, 24, 3)
	around := Padding{Top: 1, Bottom: 1, Left: 1, Right: 1}
	block = apply(&Concat{Name: "join"},
		conv("b", a, 40, 1),
		apply(&MaxPool{Name: "max", Kernel: [2]int{3, 3}, Padding: around}, a),
		conv("c", apply(&AvgPool{Name: "avg", Kernel: [2]int{3, 3}, Padding: around}, a), 16, 3))
	return x, apply(&GlobalAvgPool{Name: "mean"}, block), block
}

func pictures(n, size int) []float32 {
	r := rand.New(rand.NewPCG(9, 2))
	v := make([]float32, n*size)
	for i := range v {
		v[i] = r.Float32()*2 - 0.7
	}
	return v
}

// off is |a-b| / |b|.
func off(a, b []float32) float64 {
	diff, norm := 0.0, 0.0
	for i := range b {
		d := float64(a[i] - b[i])
		diff, norm = diff+d*d, norm+float64(b[i])*float64(b[i])
	}
	return math.Sqrt(diff / norm)
}

func calibrated(t *testing.T, x *Node, in []float32, n int, outputs ...*Node) Ranges {
	t.Helper()
	c, err := NewCalibrator(Config{Threads: 2}, x, outputs...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Ranges(); err == nil {
		t.Error("ranges of no image: no error")
	}
	for i := range n {
		if err := c.Add(context.Background(), in[i*len(in)/n:][:len(in)/n]); err != nil {
			t.Fatal(err)
		}
	}
	ranges, err := c.Ranges()
	if err != nil {
		t.Fatal(err)
	}
	return ranges
}

// TestInt8 compares int8 with float32, and the kernels with each other.
func TestInt8(t *testing.T) {
	x, mean, block := branches(t)
	const n, size = 4, 3 * 14 * 17
	in := pictures(n, size)
	ranges := calibrated(t, x, in, n, mean)
	for _, name := range []string{"picture", "a", "b", "c", "max", "avg", "join"} {
		if r, ok := ranges[name]; !ok || !(r.High > 0) {
			t.Errorf("range of %q: got %+v, %v", name, r, ok)
		}
	}
	if r := ranges["picture"]; r.Low != slices.Min(in) || r.High != slices.Max(in) {
		t.Errorf("range of the input: got %+v, want %v to %v", r, slices.Min(in), slices.Max(in))
	}
	run := func(cfg Config) (means, blocks []float32) {
		t.Helper()
		p, err := Compile(cfg, x, mean, block)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if want := cfg.precision(); p.Precision() != want || p.Device() != "cpu" {
			t.Errorf("got %s on %s, want %s on the CPU", p.Precision(), p.Device(), want)
		}
		means, blocks = make([]float32, n*80), make([]float32, n*80*14*17)
		if err := p.Run(context.Background(), n, in, means, blocks); err != nil {
			t.Fatal(err)
		}
		return means, blocks
	}
	wantMeans, wantBlocks := run(Config{})
	var first [2][]float32
	for _, kernel := range Kernels() {
		means, blocks := run(Config{Kernel: kernel, Threads: 3, Precision: Int8, Ranges: ranges})
		// A step is 1/255 of the largest value, so about 1 % of a usual one.
		if a, b := off(means, wantMeans), off(blocks, wantBlocks); !(a < 0.01 && b < 0.03) {
			t.Errorf("%s: means are off by %.3g, the block by %.3g", kernel, a, b)
		}
		if first[0] == nil {
			first = [2][]float32{means, blocks}
		}
		if !slices.Equal(means, first[0]) || !slices.Equal(blocks, first[1]) {
			t.Errorf("%s differs from %s", kernel, Kernels()[0])
		}
	}
}

// TestBFloat16 compares a program of bfloat16 with one of float32, and kernels with each other.
func TestBFloat16(t *testing.T) {
	x, mean, block := branches(t)
	const n, size = 4, 3 * 14 * 17
	in := pictures(n, size)
	run := func(cfg Config) (means, blocks []float32) {
		t.Helper()
		p, err := Compile(cfg, x, mean, block)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if want := cfg.precision(); p.Precision() != want || p.Device() != "cpu" {
			t.Errorf("got %s on %s, want %s on the CPU", p.Precision(), p.Device(), want)
		}
		means, blocks = make([]float32, n*80), make([]float32, n*80*14*17)
		if err := p.Run(context.Background(), n, in, means, blocks); err != nil {
			t.Fatal(err)
		}
		return means, blocks
	}
	wantMeans, wantBlocks := run(Config{})
	var first [2][]float32
	for _, kernel := range Kernels() {
		means, blocks := run(Config{Kernel: kernel, Threads: 3, Precision: BFloat16})
		// Of 8 bits the last is 1/256 to 1/128 of a value, and rounding is off by half of it at most.
		if a, b := off(means, wantMeans), off(blocks, wantBlocks); !(a < 0.004 && b < 0.006) || a == 0 {
			t.Errorf("%s: means are off by %.3g, the block by %.3g", kernel, a, b)
		}
		if first[0] == nil {
			first = [2][]float32{means, blocks}
		}
		own := []string{"amx", "bf16"} // their sums are rounded otherwise, and amx's weights, too
		if kernel == "ref" || slices.Contains(own, kernel) || slices.Contains(own, Kernels()[0]) {
			bound := 0.001
			if kernel == "amx" || Kernels()[0] == "amx" {
				bound = 0.006
			}
			if a := off(blocks, first[1]); !(a < bound) {
				t.Errorf("%s is off by %.3g from %s", kernel, a, Kernels()[0])
			}
		} else if !slices.Equal(means, first[0]) || !slices.Equal(blocks, first[1]) {
			t.Errorf("%s differs from %s", kernel, Kernels()[0])
		}
	}
	if _, err := Compile(Config{Precision: BFloat16, Device: "cuda"}, x, mean); err == nil ||
		!strings.Contains(err.Error(), "want device cpu") {
		t.Errorf("on another device: got %v, want an error", err)
	}
}

// TestInt8Refused asserts that settings which cannot be are named.
func TestInt8Refused(t *testing.T) {
	x, mean, _ := branches(t)
	ranges := Ranges{"picture": {Low: -1, High: 1}}
	for want, cfg := range map[string]Config{
		"Precision":   {Precision: "int4"},
		"Calibrator":  {Precision: Int8},
		`no range`:    {Precision: Int8, Ranges: ranges},
		`want device`: {Precision: Int8, Ranges: ranges, Device: "cuda"},
	} {
		if _, err := Compile(cfg, x, mean); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error with %q", cfg, err, want)
		}
	}
	y, err := Apply(&Concat{Name: "join"}, mean)
	if err == nil { // a second operator of that name
		_, err = NewCalibrator(Config{}, x, y)
		if err == nil {
			t.Error("two operators of one name: no error")
		}
	}
}

// TestHistogram asserts where a histogram cuts off: never for a flat
// distribution, below a lone outlier, and at the same place whatever the order.
func TestHistogram(t *testing.T) {
	var flat, spiked, turned histogram
	r := rand.New(rand.NewPCG(1, 1))
	x := make([]float32, 100000)
	for i := range x {
		x[i] = r.Float32()
	}
	flat.add(x)
	if c := flat.clip(); !(c > 0.98 && c <= 1) {
		t.Errorf("flat: got %v, want about 1", c)
	}
	spiked.add(x)
	spiked.add([]float32{40, -3, 0, float32(math.NaN()), float32(math.Inf(1))})
	turned.add([]float32{40})
	turned.add(x)
	for _, h := range []*histogram{&spiked, &turned} {
		// Of 100,000 numbers and one at 40, (40-c)^2 + 100,000 (c/255)^2 / 12 is least there.
		if c, want := float64(h.clip()), 40/(1+1e5/(12*255*255)); !(math.Abs(c-want) < 0.05) {
			t.Errorf("an outlier: got %v, want %v", c, want)
		}
		n := 0.0
		for _, k := range h.count {
			n += k
		}
		if zero := slices.Index(x, 0); h.top != 40 || zero < 0 && n != float64(len(x)+1) {
			t.Errorf("got a top of %v and %v numbers, want 40 and %d", h.top, n, len(x)+1)
		}
	}
	var none histogram
	none.add([]float32{0, -1})
	if c := none.clip(); c != 0 {
		t.Errorf("nothing above zero: got %v", c)
	}
}

// TestQuantizeFilter: a step is a 127th of the largest weight, neighbours share 8 bits, and bad
// lengths and numbers are refused.
func TestQuantizeFilter(t *testing.T) {
	q := make([]int8, 4)
	step, err := QuantizeFilter(q, []float32{1, -0.5, 0, 0.25}, 1)
	if err != nil || step != 1.0/127 || q[0] != 127 || q[1] != -64 && q[1] != -63 || q[2] != 0 || q[3] != 32 {
		t.Errorf("got step %v, %v, %v", step, q, err)
	}
	if _, err := QuantizeFilter(q, []float32{1, 1, 0, 0}, 1); err != nil || int(q[0])+int(q[1]) > 128 {
		t.Errorf("neighbours are %v, %v, want at most 128 together", q, err)
	}
	for _, w := range [][]float32{nil, {1}, {1, 2, 3, float32(math.NaN())}} {
		if _, err := QuantizeFilter(q, w, 1); err == nil {
			t.Errorf("%v was taken into %d places", w, len(q))
		}
	}
}
