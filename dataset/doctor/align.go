package doctor

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

const patch = 16 // pixels a side of what two pictures are compared by

// window is a part of a picture: its middle and its size in shares of the picture's, and by how
// many radians it is turned.
type window [5]float64

const (
	windowX = iota
	windowY
	windowWidth
	windowHeight
	windowTurn
)

var whole = window{0.5, 0.5, 1, 1, 0}

// The windows that a picture may be of another, beyond those that are tried first.
const (
	leastWindow = 0.75
	mostWindow  = 1.03
	mostTurn    = 0.06
)

// firstWindows are tried before the best of them is moved: the whole, its middle, and cuts of 10
// and 20 % that leave the middle or lie towards an edge or corner.
var firstWindows = func() []window {
	out := []window{whole, {0.5, 0.5, 0.95, 0.95, 0}}
	for _, size := range []float64{0.9, 0.8} {
		for at := range 9 {
			out = append(out, window{0.5 + float64(at%3-1)*(1-size)/3, 0.5 + float64(at/3-1)*(1-size)/3, size, size, 0})
		}
	}
	return out
}()

// view is a window of a picture's luma, less its mean and of length one, so that the scalar product
// of two is their correlation, whatever their exposure.
type view [patch * patch]float32

// look samples a window of the picture, bilinearly.
func (p *fingerprint) look(w window, v *view) {
	if w[windowTurn] == 0 {
		p.upright(w, v[:])
	} else {
		sin, cos := math.Sincos(w[windowTurn])
		acrossX, acrossY := float32(w[windowWidth]*cos*grid), float32(w[windowHeight]*sin*grid)
		downX, downY := float32(-w[windowWidth]*sin*grid), float32(w[windowHeight]*cos*grid)
		left, top := float32(w[windowX]*grid-0.5), float32(w[windowY]*grid-0.5)
		for i := range v {
			across, down := steps[i%patch], steps[i/patch]
			v[i] = p.at(left+acrossX*across+downX*down, top+acrossY*across+downY*down)
		}
	}
	unit(v[:])
}

// steps are the samples' places in a window, -0.5..0.5.
var steps = func() (s [patch]float32) {
	for i := range s {
		s[i] = (float32(i)+0.5)/patch - 0.5
	}
	return s
}()

// upright samples a window that is not turned.
func (p *fingerprint) upright(w window, v []float32) {
	var column, row [patch]int
	var partX, partY [patch]float32
	for i, s := range steps {
		column[i], partX[i] = cell(float32(w[windowX]*grid-0.5) + float32(w[windowWidth]*grid)*s)
		row[i], partY[i] = cell(float32(w[windowY]*grid-0.5) + float32(w[windowHeight]*grid)*s)
	}
	for y, j := range row {
		cells, below := p.shape[j*grid:(j+1)*grid], p.shape[(j+1)*grid:(j+2)*grid]
		part, out := partY[y], v[y*patch:(y+1)*patch]
		for x, i := range column {
			left := float32(cells[i]) + part*(float32(below[i])-float32(cells[i]))
			right := float32(cells[i+1]) + part*(float32(below[i+1])-float32(cells[i+1]))
			out[x] = left + partX[x]*(right-left)
		}
	}
}

// cell is the cell before a coordinate, and how far beyond its middle that lies.
func cell(x float32) (int, float32) {
	x = min(max(x, 0), grid-1.001)
	return int(x), x - float32(int(x))
}

// at is the luma at a point, in cells.
func (p *fingerprint) at(x, y float32) float32 {
	i, fx := cell(x)
	j, fy := cell(y)
	cells := p.shape[j*grid+i : j*grid+i+grid+2]
	top := float32(cells[0]) + fx*(float32(cells[1])-float32(cells[0]))
	bottom := float32(cells[grid]) + fx*(float32(cells[grid+1])-float32(cells[grid]))
	return top + fy*(bottom-top)
}

// unit takes the mean away and scales to length one.
func unit(v []float32) {
	sum, square := float32(0), float32(0)
	for _, s := range v {
		sum += s
	}
	mean := sum / float32(len(v))
	for i := range v {
		v[i] -= mean
		square += v[i] * v[i]
	}
	inverse := float32(1 / math.Sqrt(math.Max(float64(square), 1e-9)))
	for i := range v {
		v[i] *= inverse
	}
}

// apart is 1 - correlation, 0..2.
func (v *view) apart(w *view) float64 {
	return 1 - float64(blas32.Dot(v.vector(), w.vector()))
}

func (v *view) vector() blas32.Vector { return blas32.Vector{N: len(v), Inc: 1, Data: v[:]} }

// flipped is the view of the mirror image.
func (v *view) flipped() (out view) {
	for i, s := range v {
		out[i/patch*patch+patch-1-i%patch] = s
	}
	return out
}

// aligned is how far a picture is from a window of another: 1 - correlation.
type aligned struct {
	distance float64
	window   window
	mirrored bool
}

// aligner holds pictures against the first windows of one.
type aligner struct{ views []float32 } // a row each

func (a *aligner) take(p *fingerprint) {
	if a.views == nil {
		a.views = make([]float32, len(firstWindows)*patch*patch)
	}
	for i, w := range firstWindows {
		v := a.views[i*patch*patch : (i+1)*patch*patch]
		p.upright(w, v)
		unit(v)
	}
}

// hold finds the best of the first windows for a picture or its mirror image.
func (a *aligner) hold(p *fingerprint) (best aligned) {
	var plain view
	p.look(whole, &plain)
	best.distance = 3
	rows := blas32.General{Rows: len(firstWindows), Cols: patch * patch, Stride: patch * patch, Data: a.views}
	correlation := make([]float32, len(firstWindows))
	for _, mirrored := range [2]bool{false, true} {
		if mirrored {
			plain = plain.flipped()
		}
		blas32.Gemv(blas.NoTrans, 1, rows, plain.vector(), 0,
			blas32.Vector{N: len(correlation), Inc: 1, Data: correlation})
		most := slices.Max(correlation)
		if d := 1 - float64(most); d < best.distance {
			best = aligned{d, firstWindows[slices.Index(correlation, most)], mirrored}
		}
	}
	return best
}

// refine moves the window of a as long as that brings p nearer. What is left of both without an
// edge must agree too, half as well, so that equal borders do not pass for equal pictures.
func (a *aligned) refine(of, p *fingerprint) {
	var plain, v view
	p.look(whole, &plain)
	if a.mirrored {
		plain = plain.flipped()
	}
	for step := 0.03; step > 0.002; { // one number of the window at a time
		moved := false
		for k := range a.window {
			for _, by := range [2]float64{-step, step} {
				w := a.window
				if w[k] += by; !w.allowed() {
					continue
				}
				of.look(w, &v)
				if d := v.apart(&plain); d < a.distance {
					a.distance, a.window, moved = d, w, true
				}
			}
		}
		if !moved {
			step /= 2
		}
	}
	of.look(a.window, &v)
	a.distance = max(a.distance, v.middle().apart(plain.middle())/2, 0)
}

// middle is what is left of a view without an edge of three samples, the rest of it zero.
func (v *view) middle() *view {
	const edge, inner = 3, patch - 6
	var out view
	for y := range inner {
		copy(out[y*inner:(y+1)*inner], v[(y+edge)*patch+edge:])
	}
	unit(out[:inner*inner])
	return &out
}

func (w window) allowed() bool {
	return min(w[windowWidth], w[windowHeight]) >= leastWindow && max(w[windowWidth], w[windowHeight]) <= mostWindow &&
		math.Abs(w[windowTurn]) <= mostTurn
}
