package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// conformCase is a convolution with awkward sizes. out is written as blocks
// 1.. of a wider tensor, as a branch of a concatenation is.
type conformCase struct {
	in, h, w, out int
	win           ir.Window
	relu, planar  bool
}

func (c conformCase) String() string {
	return fmt.Sprintf("%dx%dx%d_%dx%d_s%d,%d_p%d,%d,%d,%d_%d_planar=%v", c.in, c.h, c.w, c.win.KH, c.win.KW,
		c.win.StrideH, c.win.StrideW, c.win.Top, c.win.Bottom, c.win.Left, c.win.Right, c.out, c.planar)
}

var conformCases = []conformCase{
	{in: 1, h: 2, w: 3, out: 1, win: ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1}},
	{in: 19, h: 5, w: 7, out: 33, win: ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1}, relu: true},
	{in: 8, h: 6, w: 9, out: 80, win: ir.Window{KH: 1, KW: 1, StrideH: 2, StrideW: 3}},
	{in: 3, h: 13, w: 11, out: 20, win: ir.Window{KH: 3, KW: 3, StrideH: 2, StrideW: 2}, relu: true, planar: true},
	{in: 5, h: 9, w: 10, out: 50, win: ir.Window{KH: 2, KW: 4, StrideH: 1, StrideW: 2}, planar: true},
	{in: 3, h: 10, w: 12, out: 8,
		win: ir.Window{KH: 3, KW: 3, StrideH: 2, StrideW: 2, Top: 1, Bottom: 0, Left: 0, Right: 1}},
	{in: 20, h: 11, w: 6, out: 24,
		win: ir.Window{KH: 3, KW: 3, StrideH: 1, StrideW: 1, Top: 1, Bottom: 1, Left: 1, Right: 1}, relu: true},
	{in: 12, h: 7, w: 9, out: 70,
		win: ir.Window{KH: 3, KW: 3, StrideH: 1, StrideW: 1, Top: 2, Bottom: 1, Left: 0, Right: 2}},
	{in: 9, h: 8, w: 13, out: 40, win: ir.Window{KH: 1, KW: 7, StrideH: 1, StrideW: 1, Left: 3, Right: 3}, relu: true},
	{in: 16, h: 14, w: 5, out: 49, win: ir.Window{KH: 7, KW: 1, StrideH: 1, StrideW: 1, Top: 3, Bottom: 3}},
	{in: 17, h: 12, w: 10, out: 31,
		win: ir.Window{KH: 5, KW: 5, StrideH: 1, StrideW: 1, Top: 2, Bottom: 2, Left: 2, Right: 2}, relu: true},
	{in: 10, h: 8, w: 7, out: 96, win: ir.Window{KH: 3, KW: 1, StrideH: 1, StrideW: 1, Top: 1, Bottom: 1}},
	{in: 24, h: 7, w: 8, out: 97, win: ir.Window{KH: 1, KW: 3, StrideH: 1, StrideW: 1, Left: 1, Right: 1}},
	{in: 7, h: 9, w: 15, out: 18,
		win: ir.Window{KH: 3, KW: 2, StrideH: 3, StrideW: 2, Top: 1, Bottom: 2, Left: 1, Right: 0}, relu: true},
	{in: 300, h: 3, w: 2, out: 112, win: ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1}},
}

// variant is one way to compute a convolution.
type variant struct {
	name      string
	tolerance float64 // of the sum of the products' magnitudes
	make      func(Spec) (Conv, error)
}

// levels returns the sets that differ in float32.
func levels() []Set {
	return slices.DeleteFunc(Sets(), func(s Set) bool { return s.unit != unitNone })
}

func variants(s *Spec) []variant {
	var list []variant
	for _, set := range levels() {
		list = append(list, variant{"direct/" + set.String(), 2e-6, func(s Spec) (Conv, error) { return NewDirect(set, s) }})
		for _, t := range Tilings(s) {
			// A point's magnitude grows with the tile, and rounding with it.
			list = append(list, variant{fmt.Sprintf("winograd %dx%d/%v", t.H, t.W, set), 1e-4,
				func(s Spec) (Conv, error) { return NewWinograd(set, s, t, 3) }})
		}
	}
	return list
}

// bench is a convolution's data: guarded, poisoned buffers around it.
type bed struct {
	spec    Spec
	in, out []float32 // with guard floats at both ends
	want    []float64 // [C][H][W]
	scale   []float64 // the sum of the magnitudes that were added
	lanes   []int
}

const (
	guard    = 24
	sentinel = 12345.678
)

func newBed(c conformCase, r *rand.Rand, strange map[int]float32) *bed {
	oh, ow := c.win.Out(c.h, c.w)
	b := &bed{}
	s := &b.spec
	s.KH, s.KW, s.StrideH, s.StrideW = c.win.KH, c.win.KW, c.win.StrideH, c.win.StrideW
	s.PadTop, s.PadLeft, s.ReLU, s.Planar = c.win.Top, c.win.Left, c.relu, c.planar
	s.Filter, s.Bias = random(r, c.out*c.in*s.KH*s.KW), random(r, c.out)
	x := random(r, c.in*c.h*c.w)
	for i, v := range strange {
		x[i%len(x)] = v
	}
	if c.planar {
		s.In = Tensor{C: c.in, H: c.h, W: c.w, Row: c.w, Plane: c.h * c.w, Off: guard}
		b.in = append(append(fill(guard), x...), fill(guard)...)
	} else {
		s.In = Padded(c.in, c.h, c.w, Border{c.win.Top, c.win.Bottom, c.win.Left, c.win.Right}).At(guard)
		b.in = fill(s.In.Size() + 2*guard)
		s.In.ZeroHalo(b.in)
		Unpack(b.in, s.In, x, inOrder(c.in))
	}
	// Three blocks more than needed: the output is the second and following.
	whole := Padded(8*(Blocks(c.out)+3), oh, ow, Border{1, 0, 2, 1}).At(guard)
	s.Out = whole.Slice(1, c.out)
	b.out = fill(whole.Size() + 2*guard)
	b.lanes = inOrder(c.out)
	b.reference(c, x)
	return b
}

// inOrder returns the lanes of n channels side by side.
func inOrder(n int) []int {
	lanes := make([]int, n)
	for i := range lanes {
		lanes[i] = i
	}
	return lanes
}

func (b *bed) reference(c conformCase, x []float32) {
	wide := func(v []float32, abs bool) []float64 {
		w := make([]float64, len(v))
		for i, a := range v {
			if w[i] = float64(a); abs {
				w[i] = math.Abs(w[i])
			}
		}
		return w
	}
	oh, ow := c.win.Out(c.h, c.w)
	im := ref.Image{N: 1, C: c.in, H: c.h, W: c.w}
	b.want, b.scale = make([]float64, c.out*oh*ow), make([]float64, c.out*oh*ow)
	for dst, abs := range map[*[]float64]bool{&b.want: false, &b.scale: true} {
		ref.Conv2D(*dst, wide(x, abs), im, ref.Kernel[float64]{
			W: wide(b.spec.Filter, abs), B: wide(b.spec.Bias, abs), Out: c.out, Window: c.win})
	}
	if c.relu {
		ref.ReLU(b.want, b.want)
	}
}

func fill(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = sentinel
	}
	return v
}

// run computes the parts in a shuffled order with poisoned scratch memory.
func (b *bed) run(t *testing.T, v variant, r *rand.Rand) (all, result []float32) {
	t.Helper()
	conv, err := v.make(b.spec)
	if err != nil {
		t.Fatal(err)
	}
	out, before := slices.Clone(b.out), slices.Clone(b.in)
	scratch := make([]float32, conv.Scratch())
	for _, p := range r.Perm(conv.Parts()) {
		for i := range scratch {
			scratch[i] = float32(math.NaN())
		}
		conv.Run(p, out, b.in, scratch)
	}
	for i, x := range b.in {
		if math.Float32bits(x) != math.Float32bits(before[i]) {
			t.Fatalf("%s wrote to its input at %d", v.name, i)
		}
	}
	b.checkOutside(t, v, out)
	result = make([]float32, len(b.want))
	Pack(result, out, b.spec.Out, b.lanes)
	return out, result
}

// checkOutside asserts that only the output's own pixels were written.
func (b *bed) checkOutside(t *testing.T, v variant, out []float32) {
	t.Helper()
	o := b.spec.Out
	own := make([]bool, len(out))
	for block := range Blocks(o.C) {
		for y := range o.H {
			for x := range o.W * Block {
				own[o.Index(block*Block, y, 0)+x] = true
			}
		}
	}
	for i, x := range out {
		if !own[i] && x != sentinel {
			t.Fatalf("%s wrote outside its output, at %d", v.name, i)
		}
	}
}

func TestConvolutionsConform(t *testing.T) {
	for _, c := range conformCases {
		r := rand.New(rand.NewPCG(uint64(c.h), uint64(c.w)))
		b := newBed(c, r, nil)
		for _, v := range variants(&b.spec) {
			_, got := b.run(t, v, r)
			for i, w := range b.want {
				if !(math.Abs(float64(got[i])-w) <= v.tolerance*b.scale[i]+1e-30) {
					t.Errorf("%v %s: output %d is %v, want %v", c, v.name, i, got[i], w)
					break
				}
			}
		}
	}
}

// TestDirectVariantsAgree asserts what the package promises: the direct
// variants in assembly add in one order and so agree bit for bit.
func TestDirectVariantsAgree(t *testing.T) {
	for _, c := range conformCases {
		b := newBed(c, rand.New(rand.NewPCG(3, 4)), nil)
		var first []float32
		for _, set := range levels() {
			if set == Ref {
				continue // separate multiplication and addition
			}
			conv, err := NewDirect(set, b.spec)
			if err != nil {
				t.Fatal(err)
			}
			out := slices.Clone(b.out)
			for p := range conv.Parts() {
				conv.Run(p, out, b.in, nil)
			}
			if first == nil {
				first = out
			} else if !slices.Equal(out, first) {
				t.Errorf("%v: %v differs from %v", c, set, Sets()[0])
			}
		}
	}
}

// TestStrangeValues puts NaN and infinities in the input. Where the reference
// is NaN or infinite, the direct variants must be too; Winograd's transforms
// mix neighbouring pixels, so that there more outputs may be.
func TestStrangeValues(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range conformCases {
		c.relu = false
		r := rand.New(rand.NewPCG(5, 6))
		b := newBed(c, r, map[int]float32{1: nan, 17: inf, 40: -inf})
		for _, v := range variants(&b.spec) {
			_, got := b.run(t, v, r)
			for i, w := range b.want {
				strange := math.IsNaN(w) || math.IsInf(w, 0)
				g := float64(got[i])
				if ok := !math.IsNaN(g) && !math.IsInf(g, 0); strange && ok {
					t.Errorf("%v %s: output %d is %v, want %v", c, v.name, i, g, w)
					break
				} else if !strange && !ok && v.name[:6] == "direct" {
					t.Errorf("%v %s: output %d is %v, want %v", c, v.name, i, g, w)
					break
				}
			}
		}
	}
}

// TestReLUKeepsNaN asserts that a NaN is not clamped away.
func TestReLUKeepsNaN(t *testing.T) {
	c := conformCases[1]
	r := rand.New(rand.NewPCG(7, 8))
	b := newBed(c, r, map[int]float32{0: float32(math.NaN())})
	for _, v := range variants(&b.spec) {
		_, got := b.run(t, v, r)
		if got[0] == got[0] {
			t.Errorf("%s: output 0 is %v, want NaN", v.name, got[0])
		}
	}
}

func TestSpecRejects(t *testing.T) {
	good := Spec{In: Padded(8, 6, 6, Border{1, 1, 1, 1}), Out: Dense(8, 6, 6), KH: 3, KW: 3, StrideH: 1, StrideW: 1,
		PadTop: 1, PadLeft: 1, Filter: make([]float32, 8*8*9)}
	if _, err := NewDirect(Ref, good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Spec){
		"stride": func(s *Spec) { s.StrideW = 0 },
		"filter": func(s *Spec) { s.Filter = s.Filter[1:] },
		"bias":   func(s *Spec) { s.Bias = make([]float32, 7) },
		"halo":   func(s *Spec) { s.In = Dense(8, 6, 6) },
	} {
		s := good
		spoil(&s)
		if _, err := NewDirect(Ref, s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Select("no such set"); err == nil {
		t.Error("an unknown set is accepted")
	}
}

// TestPoolsConform compares pooling with the reference: clipped windows, gaps
// between planes, NaN.
// poolWanted is the reference's pool of kind "max", "mean" or, with the border counted, "border",
// the latter two with a bias and a ReLU.
func poolWanted(kind string, x []float32, im ref.Image, win ir.Window, bias []float32) []float32 {
	oh, ow := win.Out(im.H, im.W)
	want := make([]float32, im.C*oh*ow)
	if kind == "max" {
		ref.MaxPool(want, x, im, win)
		return want
	}
	ref.AvgPool(want, x, im, ref.Pool{Window: win, CountBorder: kind == "border"})
	for i := range want {
		want[i] = max(want[i]+bias[i/(oh*ow)], 0)
	}
	return want
}

func TestPoolsConform(t *testing.T) {
	nan := float32(math.NaN())
	windows := []ir.Window{
		{KH: 3, KW: 3, StrideH: 2, StrideW: 2},
		{KH: 3, KW: 3, StrideH: 1, StrideW: 1, Top: 1, Bottom: 1, Left: 1, Right: 1},
		{KH: 2, KW: 3, StrideH: 3, StrideW: 1, Top: 1, Left: 2, Right: 1},
		{KH: 6, KW: 7, StrideH: 1, StrideW: 1},
	}
	for _, win := range windows {
		const c, h, w = 19, 6, 7
		r := rand.New(rand.NewPCG(9, 10))
		x := random(r, c*h*w)
		x[2*h*w+9] = nan
		oh, ow := win.Out(h, w)
		lanes := make([]int, c)
		for i := range lanes {
			lanes[i] = i
		}
		bias := random(r, c)
		in := Padded(c, h, w, Border{0, 1, 1, 0}).At(guard)
		src := fill(in.Size() + 2*guard)
		Unpack(src, in, x, inOrder(c))
		whole := Padded(c+16, oh, ow, Border{1, 0, 0, 2}).At(guard)
		for _, kind := range []string{"max", "mean", "border"} {
			want := poolWanted(kind, x, ref.Image{N: 1, C: c, H: h, W: w}, win, bias)
			for _, set := range levels() {
				s := PoolSpec{In: in, Out: whole.Slice(1, c), KH: win.KH, KW: win.KW, StrideH: win.StrideH, StrideW: win.StrideW,
					PadTop: win.Top, PadLeft: win.Left, Max: kind == "max", CountBorder: kind == "border"}
				if !s.Max {
					s.Bias, s.ReLU = bias, true
				}
				p, err := NewPool(set, s)
				if err != nil {
					t.Fatal(err)
				}
				b := &bed{spec: Spec{Out: s.Out}}
				out := fill(whole.Size() + 2*guard)
				for _, part := range r.Perm(p.Parts()) {
					p.Run(part, out, src, nil)
				}
				b.checkOutside(t, variant{name: kind + "/" + set.String()}, out)
				got := make([]float32, len(want))
				Pack(got, out, s.Out, lanes)
				for i, v := range want {
					if v != v && got[i] != got[i] {
						continue
					}
					if !(math.Abs(float64(got[i]-v)) <= 1e-6) {
						t.Errorf("%s %v %+v: output %d is %v, want %v", kind, set, win, i, got[i], v)
						break
					}
				}
			}
		}
	}
}

// TestPoolRejects asserts that a window outside the image is an error.
func TestPoolRejects(t *testing.T) {
	_, err := NewPool(Ref, PoolSpec{In: Dense(8, 4, 4), Out: Dense(8, 4, 4), KH: 1, KW: 1, StrideH: 2, StrideW: 1})
	if err == nil {
		t.Error("no error")
	}
}

// TestHalo asserts that ZeroHalo clears the halo and nothing else.
func TestHalo(t *testing.T) {
	for _, halo := range []Border{{}, {1, 2, 3, 1}, {0, 0, 1, 2}, {2, 0, 0, 0}, {0, 3, 0, 1}} {
		x := Padded(19, 4, 5, halo).At(guard)
		data := fill(x.Size() + 2*guard)
		x.ZeroHalo(data)
		for b := range Blocks(x.C) {
			for y := -halo.Top; y < x.H+halo.Bottom; y++ {
				for col := -halo.Left; col < x.W+halo.Right; col++ {
					inside := y >= 0 && y < x.H && col >= 0 && col < x.W
					if v := data[x.Index(b*Block, y, 0)+col*Block]; inside != (v == sentinel) {
						t.Fatalf("halo %+v: pixel %d,%d of block %d holds %v", halo, y, col, b, v)
					}
				}
			}
		}
		for _, v := range append(slices.Clone(data[:guard]), data[len(data)-guard:]...) {
			if v != sentinel {
				t.Fatalf("halo %+v: written outside the tensor", halo)
			}
		}
	}
}
