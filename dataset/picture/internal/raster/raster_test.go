package raster

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The lengths are on either side of every kernel's step.
var lengths = []int{0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 71, 299}

// kinds are the kernels that there are, by name. Plain Go is the reference.
func kinds() map[string]*Raster {
	return map[string]*Raster{"plain": {plain}, "best": New()}
}

const margin = 37 // elements on either side that nobody may write

// guarded returns n elements in the middle of larger memory, at an address that
// is not a multiple of a vector, all holding poison, and a check that what lies
// around is unchanged.
func guarded[T comparable](t *testing.T, n int, poison T) (middle []T, check func()) {
	all := make([]T, margin+n+margin)
	for i := range all {
		all[i] = poison
	}
	return all[margin : margin+n : margin+n], func() {
		t.Helper()
		for i, v := range all {
			if (i < margin || i >= margin+n) && v != poison {
				t.Fatalf("element %d of %d was written", i-margin, n)
			}
		}
	}
}

func bytesOf(r *rand.Rand, n int) []uint8 {
	out := make([]uint8, n+1)
	for i := range out {
		out[i] = [4]uint8{uint8(r.Uint32()), 0, 255, uint8(r.Uint32())}[r.IntN(4)]
	}
	return out[1:] // unaligned
}

func samples(r *rand.Rand, n, top int) []int16 {
	out := make([]int16, n+1)
	for i := range out {
		out[i] = int16(r.IntN(top + 1))
	}
	return out[1:]
}

// conform compares what do writes with each kind of kernels, for every length.
func conform[T comparable](t *testing.T, poison T, size func(n int) int,
	do func(k *Raster, n int, r *rand.Rand, dst []T)) {
	for _, n := range lengths {
		want := make([]T, size(n))
		do(&Raster{plain}, n, rand.New(rand.NewPCG(1, uint64(n))), want)
		for name, k := range kinds() {
			dst, check := guarded(t, size(n), poison)
			do(k, n, rand.New(rand.NewPCG(1, uint64(n))), dst)
			check()
			if !slices.Equal(dst, want) {
				t.Fatalf("%s, %d elements: got %v, want %v", name, n, dst, want)
			}
		}
	}
}

func times(k int) func(int) int { return func(n int) int { return k * n } }

func TestBlend(t *testing.T) {
	for _, w := range [][2]int{{1, 0}, {3, 1}} {
		conform(t, -1, times(1), func(k *Raster, n int, r *rand.Rand, dst []int16) {
			k.Blend(dst, bytesOf(r, n), bytesOf(r, n), w[0], w[1])
		})
	}
	got := make([]int16, 2)
	New().Blend(got, []uint8{255, 1}, []uint8{255, 7}, 3, 1)
	if !slices.Equal(got, []int16{1020, 10}) {
		t.Errorf("got %v", got)
	}
}

func TestStraight(t *testing.T) {
	for _, c := range []struct{ top, add, down int }{{255, 0, 0}, {1020, 1, 2}, {1020, 2, 2}} {
		conform(t, -999, times(2), func(k *Raster, n int, r *rand.Rand, dst []int16) {
			k.Straight(dst, samples(r, n, c.top), samples(r, n, c.top), c.add, c.down)
		})
	}
}

func TestTriangle(t *testing.T) {
	for _, c := range []struct{ top, even, odd, down int }{{1020, 8, 7, 4}, {255, 1, 2, 2}} {
		conform(t, -999, times(4), func(k *Raster, n int, r *rand.Rand, dst []int16) {
			k.Triangle(dst, samples(r, n+2, c.top), samples(r, n+2, c.top), c.even, c.odd, c.down)
		})
	}
	got := make([]int16, 8)
	New().Triangle(got, []int16{100, 100, 140, 140}, []int16{128, 128, 128, 128}, 1, 2, 2)
	if !slices.Equal(got, []int16{-28, 0, -18, 0, 2, 0, 12, 0}) {
		t.Errorf("got %v", got)
	}
}

// TestColours goes through all chroma and some luma, and compares with the
// definition in floats as well.
func TestColours(t *testing.T) {
	for name, k := range kinds() {
		for luma := 0; luma < 256; luma += 17 {
			for cb := -128; cb < 128; cb++ {
				y, pairs := make([]uint8, 256), make([]int16, 512)
				for i := range y {
					y[i], pairs[2*i], pairs[2*i+1] = uint8(luma), int16(cb), int16(i-128)
				}
				red, green, blue, rgba := make([]float32, 256), make([]float32, 256), make([]float32, 256), make([]uint8, 1024)
				k.Planes(red, green, blue, y, pairs)
				k.Pixels(rgba, y, pairs)
				for i := range y {
					r, g, b := Colour(y[i], pairs[2*i], pairs[2*i+1])
					if red[i] != float32(r) || green[i] != float32(g) || blue[i] != float32(b) ||
						[4]uint8(rgba[4*i:]) != [4]uint8{r, g, b, 255} {
						t.Fatalf("%s: (%d,%d,%d): got %v %v %v and %v, want %d %d %d", name, luma, cb, i-128, red[i], green[i], blue[i],
							rgba[4*i:4*i+4], r, g, b)
					}
					want := float64(luma) - 0.344136*float64(cb) - 0.714136*float64(i-128)
					if d := math.Abs(float64(g) - min(max(want, 0), 255)); !(d <= 0.51) {
						t.Fatalf("(%d,%d,%d): green is %d, want %v", luma, cb, i-128, g, want)
					}
				}
			}
		}
	}
}

func TestColoursConform(t *testing.T) {
	pairs := func(r *rand.Rand, n int) []int16 {
		p := samples(r, 2*n, 255)
		for i := range p {
			p[i] -= 128
		}
		return p
	}
	conform(t, -1, times(3), func(k *Raster, n int, r *rand.Rand, dst []float32) {
		k.Planes(dst[:n:n], dst[n:2*n:2*n], dst[2*n:3*n:3*n], bytesOf(r, n), pairs(r, n))
	})
	conform(t, 77, times(4), func(k *Raster, n int, r *rand.Rand, dst []uint8) {
		k.Pixels(dst, bytesOf(r, n), pairs(r, n))
	})
}

func floats(r *rand.Rand, n int) []float32 {
	out := make([]float32, n+1)
	for i := range out {
		out[i] = r.Float32() * 255
	}
	return out[1:]
}

func TestAcross(t *testing.T) {
	conform(t, -1, times(1), func(k *Raster, n int, r *rand.Rand, dst []float32) {
		const width = 43
		left, right := make([]int32, n), make([]int32, n)
		for i := range left {
			left[i], right[i] = int32(r.IntN(width)), int32(r.IntN(width))
		}
		lerp := floats(r, n)
		for i := range lerp {
			lerp[i] /= 255
		}
		k.Across(dst, floats(r, width), left, right, lerp)
	})
	got := make([]float32, 9)
	New().Across(got, []float32{10, 20}, make([]int32, 9), []int32{1, 1, 1, 1, 1, 1, 1, 1, 1},
		[]float32{0, 0.5, 0.25, 1, 0, 0, 0, 0, 0.75})
	if !slices.Equal(got, []float32{10, 15, 12.5, 20, 10, 10, 10, 10, 17.5}) {
		t.Errorf("got %v", got)
	}
}

func TestDown(t *testing.T) {
	for _, std := range []float32{1, 128, 127.5, 0.007} {
		conform(t, -1e9, times(1), func(k *Raster, n int, r *rand.Rand, dst []float32) {
			k.Down(dst, floats(r, n), floats(r, n), r.Float32(), 123.68, std)
		})
	}
	got := make([]float32, 9)
	New().Down(got, []float32{0, 0, 0, 0, 0, 0, 0, 4, 4}, []float32{8, 8, 8, 8, 8, 8, 8, 8, 8}, 0.25, 1, 2)
	if !slices.Equal(got, []float32{0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 2, 2}) {
		t.Errorf("got %v", got)
	}
}

// TestShort: a slice that is too short panics before a kernel runs over its end.
func TestShort(t *testing.T) {
	k := New()
	long, short, words := make([]float32, 64), make([]float32, 40), make([]int16, 512)
	for name, call := range map[string]func(){
		"blend":    func() { k.Blend(words[:64], make([]uint8, 64), make([]uint8, 63), 1, 0) },
		"straight": func() { k.Straight(words[:126:126], words[:64], words[:64], 0, 0) },
		"triangle": func() { k.Triangle(words[:255:255], words[:66], words[:66], 1, 2, 2) },
		"planes":   func() { k.Planes(long, short[:40:40], long, make([]uint8, 64), words) },
		"pixels":   func() { k.Pixels(make([]uint8, 255), make([]uint8, 64), words) },
		"across":   func() { k.Across(long, long, make([]int32, 64), make([]int32, 64), short[:40:40]) },
		"down":     func() { k.Down(long, long, short[:40:40], 0, 0, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			call()
		}()
	}
}

func BenchmarkRow(b *testing.B) {
	const n = 320
	for name, k := range kinds() {
		cb, pairs, luma := make([]int16, n/2+2), make([]int16, 2*n), make([]uint8, n)
		planes, out, list, lerp := make([]float32, 3*n), make([]float32, 299), make([]int32, 299), make([]float32, 299)
		b.Run(name+"/triangle", func(b *testing.B) {
			for b.Loop() {
				k.Triangle(pairs, cb, cb, 8, 7, 4)
			}
		})
		b.Run(name+"/planes", func(b *testing.B) {
			for b.Loop() {
				k.Planes(planes[:n], planes[n:2*n], planes[2*n:], luma, pairs)
			}
		})
		b.Run(name+"/across", func(b *testing.B) {
			for b.Loop() {
				k.Across(out, planes, list, list, lerp)
			}
		})
		b.Run(name+"/down", func(b *testing.B) {
			for b.Loop() {
				k.Down(out, planes[:299], planes[n:][:299], 0.5, 128, 127.5)
			}
		})
	}
}
