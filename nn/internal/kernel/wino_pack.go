package kernel

import "unsafe"

// winoExpand multiplies a small matrix by lanes of 16, all in float64. The
// generator knows the layout.
type winoExpand struct {
	in     *float64 // [taps][16]
	matrix *float64 // [rows][taps]
	out    unsafe.Pointer
	rows   int
	taps   int
	step   int // bytes from one row of the result to the next
}

// pack transforms the filters in float64 and lays them out as the products
// read them.
func (w *winograd) pack(s *Spec) {
	ins, total := s.ins(), s.outs()
	panels := (total + winoWidth - 1) / winoWidth
	w.bias = make([]float32, panels*winoWidth)
	copy(w.bias, s.Bias)
	depth := w.depth * w.lanes
	w.weights = s.alloc(panels * w.points * depth * winoWidth)
	taps := s.KH * s.KW
	// Taps are gathered column by column, so that the transform down finds its
	// own side by side.
	g := make([]float64, taps*winoWidth)          // [kw][kh][output]
	half := make([]float64, w.v.n*s.KW*winoWidth) // [point down][kw][output]
	down := winoExpand{matrix: &w.v.filter[0], rows: w.v.n, taps: s.KH, step: 8 * s.KW * winoWidth}
	across := winoExpand{matrix: &w.h.filter[0], rows: w.h.n, taps: s.KW, step: 4 * depth * winoWidth}
	for p := range panels {
		outs := min(winoWidth, total-p*winoWidth)
		clear(g)
		for c := range ins {
			for o := range outs {
				f := s.Filter[((p*winoWidth+o)*ins+c)*taps:][:taps]
				for y := range s.KH {
					for x := range s.KW {
						g[(x*s.KH+y)*winoWidth+o] = float64(f[y*s.KW+x])
					}
				}
			}
			for x := range s.KW {
				down.in = &g[x*s.KH*winoWidth]
				down.out = unsafe.Pointer(&half[x*winoWidth])
				w.expand(&down, false)
			}
			for i := range w.v.n {
				across.in = &half[i*s.KW*winoWidth]
				across.out = unsafe.Pointer(&w.weights[((p*w.points+i*w.h.n)*depth+c)*winoWidth])
				w.expand(&across, true)
			}
		}
	}
}

// aligned returns n zeros that start at a cache line.
func aligned(n int) []float32 {
	v := make([]float32, n+16)
	return v[alignment(v):][:n]
}

// alignment returns the index of the first element of v at a cache line.
func alignment(v []float32) int {
	return int(-uintptr(unsafe.Pointer(&v[0]))&63) / 4
}
