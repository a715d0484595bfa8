package ref

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
)

func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.IsNaN(want[i]) && math.IsNaN(got[i]) || got[i] == want[i] {
			continue
		}
		if !(math.Abs(got[i]-want[i]) <= 1e-12*(1+math.Abs(want[i]))) {
			t.Fatalf("%s: value %d: got %v, want %v", what, i, got[i], want[i])
		}
	}
}

func normal(rng *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

// shapes are images and windows whose sizes never coincide.
var shapes = []struct {
	s   Image
	win ir.Window
}{
	{Image{1, 1, 1, 1}, ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1}},
	{Image{2, 3, 7, 5}, ir.Window{KH: 4, KW: 2, StrideH: 1, StrideW: 3, Top: 3, Bottom: 1, Left: 0, Right: 1}},
	{Image{3, 2, 6, 9}, ir.Window{KH: 1, KW: 7, StrideH: 1, StrideW: 1, Left: 3, Right: 3}},
	{Image{2, 4, 11, 8}, ir.Window{KH: 5, KW: 3, StrideH: 2, StrideW: 1, Top: 1, Bottom: 2, Left: 2, Right: 0}},
}

// padded returns the pixel of a padded image, and whether it lies inside.
func padded(x []float64, s Image, n, c, y, xx int) (float64, bool) {
	if y < 0 || y >= s.H || xx < 0 || xx >= s.W {
		return 0, false
	}
	return x[((n*s.C+c)*s.H+y)*s.W+xx], true
}

// TestWindows writes the definitions out, index by index.
// slowConv computes the convolution from its definition, with the bias and without.
func slowConv(x []float64, s Image, k Kernel[float64]) (conv, bare []float64) {
	win := k.Window
	oh, ow := win.Out(s.H, s.W)
	for n := range s.N {
		for o := range k.Out {
			for at := range oh * ow {
				sum := 0.0
				for ch := range s.C {
					for u := range win.KH {
						for v := range win.KW {
							p, _ := padded(x, s, n, ch, at/ow*win.StrideH+u-win.Top, at%ow*win.StrideW+v-win.Left)
							sum += p * k.W[((o*s.C+ch)*win.KH+u)*win.KW+v]
						}
					}
				}
				bare = append(bare, sum)
				conv = append(conv, sum+k.B[o])
			}
		}
	}
	return conv, bare
}

// slowPools computes the pools from their definition: the largest value, the mean with the border
// counted, and the mean without.
func slowPools(x []float64, s Image, win ir.Window) (biggest, counted, inside []float64) {
	oh, ow := win.Out(s.H, s.W)
	for plane := range s.N * s.C {
		for at := range oh * ow {
			sum, top, count := 0.0, math.Inf(-1), 0
			for u := range win.KH {
				for v := range win.KW {
					y, xx := at/ow*win.StrideH+u-win.Top, at%ow*win.StrideW+v-win.Left
					if p, ok := padded(x, s, plane/s.C, plane%s.C, y, xx); ok {
						sum += p
						top = math.Max(top, p)
						count++
					}
				}
			}
			biggest = append(biggest, top)
			counted = append(counted, sum/float64(win.KH*win.KW))
			inside = append(inside, sum/float64(count))
		}
	}
	return biggest, counted, inside
}

func TestWindows(t *testing.T) {
	for i, c := range shapes {
		s, win := c.s, c.win
		rng := rand.New(rand.NewPCG(3, uint64(i)))
		x := normal(rng, s.N*s.C*s.H*s.W)
		k := Kernel[float64]{W: normal(rng, 5*s.C*win.KH*win.KW), B: normal(rng, 5), Out: 5, Window: win}
		oh, ow := (s.H+win.Top+win.Bottom-win.KH)/win.StrideH+1, (s.W+win.Left+win.Right-win.KW)/win.StrideW+1
		if gh, gw := win.Out(s.H, s.W); gh != oh || gw != ow {
			t.Fatalf("case %d: Out: got %d, %d, want %d, %d", i, gh, gw, oh, ow)
		}
		conv, bare := slowConv(x, s, k)
		biggest, counted, inside := slowPools(x, s, win)
		got := make([]float64, len(conv))
		Conv2D(got, x, s, k)
		near(t, "conv", got, conv)
		k.B = nil
		Conv2D(got, x, s, k)
		near(t, "conv without bias", got, bare)
		got = make([]float64, len(biggest))
		MaxPool(got, x, s, win)
		near(t, "max pool", got, biggest)
		AvgPool(got, x, s, Pool{Window: win, CountBorder: true})
		near(t, "average pool, border counted", got, counted)
		AvgPool(got, x, s, Pool{Window: win})
		near(t, "average pool, border not counted", got, inside)
	}
}

func TestChannels(t *testing.T) {
	s := Image{2, 3, 2, 1}
	x := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	got := make([]float64, len(x))
	BatchNorm(got, x, s, Norm[float64]{
		Gamma: []float64{2, 1, -1}, Beta: []float64{0, 10, 1}, Mean: []float64{1, 0, 5}, Variance: []float64{3, 0, 15},
		Eps: 1,
	})
	near(t, "batch norm", got, []float64{0, 1, 13, 14, 1, 0.75, 6, 7, 19, 20, -0.5, -0.75})
	Affine(got, x, s, []float64{2, 0, -1}, []float64{1, 5, 0})
	near(t, "affine", got, []float64{3, 5, 5, 5, -5, -6, 15, 17, 5, 5, -11, -12})
	mean := make([]float64, 6)
	GlobalAvgPool(mean, x, s)
	near(t, "global average pool", mean, []float64{1.5, 3.5, 5.5, 7.5, 9.5, 11.5})
	joined := make([]float64, 18)
	Concat(joined, 2, Part[float64]{x, 6}, Part[float64]{mean, 3})
	near(t, "concat", joined, []float64{1, 2, 3, 4, 5, 6, 1.5, 3.5, 5.5, 7, 8, 9, 10, 11, 12, 7.5, 9.5, 11.5})
}

func TestNaN(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	got := make([]float64, 4)
	ReLU(got, []float64{nan, -1, inf, -inf})
	near(t, "relu", got, []float64{nan, 0, inf, 0})
	pool := make([]float64, 2)
	MaxPool(pool, []float64{1, nan, 3, -inf}, Image{1, 1, 2, 2}, ir.Window{KH: 1, KW: 2, StrideH: 1, StrideW: 1})
	near(t, "max pool", pool, []float64{nan, 3})
	MaxPool(pool, []float64{nan, 1, -inf, -inf}, Image{1, 1, 2, 2}, ir.Window{KH: 1, KW: 2, StrideH: 1, StrideW: 1})
	near(t, "max pool of the smallest", pool, []float64{nan, -inf})
}

func TestSoftmax(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	e := math.E
	for _, c := range []struct {
		name      string
		row, want []float64
	}{
		{"small", []float64{0, 1}, []float64{1 / (1 + e), e / (1 + e)}},
		{"huge", []float64{1e4, 1e4 + 1}, []float64{1 / (1 + e), e / (1 + e)}},
		{"hugely negative", []float64{-1e300, -1e300}, []float64{0.5, 0.5}},
		{"far apart", []float64{-1e300, 1e300}, []float64{0, 1}},
		{"-Inf", []float64{-inf, 2}, []float64{0, 1}},
		{"all -Inf", []float64{-inf, -inf}, []float64{nan, nan}},
		{"+Inf", []float64{inf, 2}, []float64{nan, nan}},
		{"NaN first", []float64{nan, 2}, []float64{nan, nan}},
		{"NaN last", []float64{2, nan}, []float64{nan, nan}},
	} {
		got := make([]float64, 6)
		Softmax(got, append(append([]float64{3, 3}, c.row...), 0, 0), 2)
		near(t, c.name, got[2:4], c.want)
		near(t, c.name+": the rows beside it", append(got[:2:2], got[4:]...), []float64{0.5, 0.5, 0.5, 0.5})
	}
}

func TestCrossEntropy(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name            string
		logits, targets []float64
		weight, want    float64
	}{
		{"even", []float64{0, 0}, []float64{1, 0}, 1, math.Ln2},
		{"weight", []float64{0, 0}, []float64{1, 0}, 3, 3 * math.Ln2},
		{"soft targets", []float64{0, 0}, []float64{0.25, 0.75}, 1, math.Ln2},
		{"huge, right", []float64{1e5, 0}, []float64{1, 0}, 1, 0},
		{"huge, wrong", []float64{1e5, 0}, []float64{0, 1}, 1, 1e5},
		{"-Inf where the target is 0", []float64{-inf, 0}, []float64{0, 1}, 1, 0},
		{"-Inf where it is not", []float64{-inf, 0}, []float64{1, 0}, 1, inf},
		{"NaN where the target is 0", []float64{nan, 0}, []float64{0, 1}, 1, nan},
		{"NaN, weight 0", []float64{nan, 0}, []float64{1, 0}, 0, 0},
		{"no targets", []float64{5, 0}, []float64{0, 0}, 1, 0},
	} {
		got := CrossEntropy(c.logits, c.targets, []float64{c.weight}, 2)
		near(t, c.name, []float64{got}, []float64{c.want})
		grad := []float64{9, 9}
		CrossEntropyGrad(grad, 2, Loss[float64]{Logits: c.logits, Targets: c.targets, Weights: []float64{c.weight}, Grad: 1})
		if c.weight == 0 {
			near(t, c.name+": gradient", grad, []float64{0, 0})
			continue
		}
		if math.IsNaN(c.want) {
			near(t, c.name+": gradient", grad, []float64{nan, nan})
		}
	}
}

func TestBinaryCrossEntropy(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name                               string
		logit, target, weight, want, slope float64
	}{
		{"even", 0, 1, 1, math.Ln2, -0.5},
		{"even, not of it", 0, 0, 1, math.Ln2, 0.5},
		{"weight", 0, 1, 3, 3 * math.Ln2, -1.5},
		{"soft target", math.Log(3), 0.75, 1, 0.25*math.Log(4) + 0.75*math.Log(4.0/3), 0},
		{"huge, right", 1e5, 1, 1, 0, 0},
		{"huge, wrong", 1e5, 0, 1, 1e5, 1},
		{"minus huge, right", -1e5, 0, 1, 0, 0},
		{"minus huge, wrong", -1e5, 1, 1, 1e5, -1},
		{"infinite, wrong", -inf, 1, 1, inf, -1},
		{"NaN", nan, 1, 1, nan, nan},
		{"NaN, weight 0", nan, 1, 0, 0, 0},
	} {
		near(t, c.name, []float64{BinaryCrossEntropy([]float64{c.logit}, []float64{c.target}, []float64{c.weight})},
			[]float64{c.want})
		grad := []float64{9}
		BinaryCrossEntropyGrad(grad, Loss[float64]{Logits: []float64{c.logit}, Targets: []float64{c.target},
			Weights: []float64{c.weight}, Grad: 1})
		near(t, c.name+": gradient", grad, []float64{c.slope})
	}
}
