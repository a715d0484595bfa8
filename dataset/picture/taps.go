package picture

import "math"

// taps say of which pixels a row or column of the output is made: those from first on, each times
// its weight. An output pixel without any is black.
type taps struct {
	first   int
	weights []float32
}

// axis is one direction of a resize: in pixels become out.
type axis struct {
	filter  string
	in, out int
	enlarge bool // either direction is enlarged, which OpenCV asks
}

// taps returns those of output pixels from to to.
func (a axis) taps(from, to int) []taps {
	all := make([]taps, to-from)
	pillow := 0.5 * float64(a.in) / float64(a.out) // Pillow adds up
	for i := range max(min(to, a.out), 0) {
		if i >= from {
			all[i-from] = a.at(i, pillow)
		}
		pillow += float64(a.in) / float64(a.out)
	}
	return all
}

// at returns the taps of output pixel i, which is not below zero.
func (a axis) at(i int, pillow float64) taps {
	scale := float32(a.in) / float32(a.out) // as in TensorFlow, whose numbers are of 32 bits
	exact := float64(a.in) / float64(a.out)
	centre := (float32(i) + 0.5) * scale
	one := func(x int) taps { return taps{min(max(x, 0), a.in-1), []float32{1}} }
	switch a.filter {
	case FloorNearest:
		return one(int(float32(i) * scale))
	case TFNearest:
		return one(int(centre))
	case PillowNearest:
		return one(int(pillow))
	case AlignCorners:
		if a.out > 1 {
			scale = float32(a.in-1) / float32(a.out-1)
		}
		return a.between(float64(float32(i) * scale))
	case TFArea:
		return a.area(float64(i)*exact, float64(i+1)*exact)
	case CV2Area:
		if !a.enlarge {
			return a.area(float64(i)*exact, float64(i+1)*exact)
		}
		x := math.Floor(float64(i) * exact)
		if part := float64(i+1) - (x+1)/exact; part > 0 {
			x += part - math.Floor(part)
		}
		return a.between(x)
	case TFBicubic:
		x := math.Floor(float64(centre - 0.5))
		// TensorFlow looks the weights up in a table of 1024 steps
		part := math.RoundToEven((float64(centre-0.5)-x)*1024) / 1024
		return a.kernel(int(x)-1, 4, false, func(k int) float64 { return cubic(float64(k)-1-part, -0.5) })
	case TorchBicubic:
		at := (float64(i)+0.5)*exact - 0.5
		x := math.Floor(at)
		return a.kernel(int(x)-1, 4, true, func(k int) float64 { return cubic(float64(k)-1-(at-x), -0.75) })
	case TFLanczos3, TFLanczos5:
		lobes := 3.0
		if a.filter == TFLanczos5 {
			lobes = 5
		}
		from := int(math.Ceil(float64(centre) - lobes - 0.5))
		n := int(math.Floor(float64(centre)+lobes-0.5)) - from + 1
		return a.kernel(from, n, false, func(k int) float64 { return lanczos(float64(from+k)+0.5-float64(centre), lobes) })
	}
	return a.between((float64(i)+0.5)*exact - 0.5) // the bilinear ones
}

// between takes two pixels by how near they are to x.
func (a axis) between(x float64) taps {
	x = min(max(x, 0), float64(a.in-1))
	left := math.Floor(x)
	if part := float32(x - left); part > 0 {
		return taps{int(left), []float32{1 - part, part}}
	}
	return taps{int(left), []float32{1}}
}

// area takes what lies from lo to hi, by how much of it does.
func (a axis) area(lo, hi float64) taps {
	first, last := int(lo), min(int(math.Ceil(hi)), a.in)
	first = min(first, a.in-1)
	t := taps{first, make([]float32, max(last-first, 1))}
	sum := 0.0
	for k := range t.weights {
		part := min(float64(first+k+1), hi) - max(float64(first+k), lo)
		if part < 1e-6 {
			part = 0
		}
		t.weights[k] = float32(part)
		sum += part
	}
	for k := range t.weights {
		t.weights[k] /= float32(sum)
	}
	return t
}

// kernel takes n pixels from first on by their weights. Those outside are the border's again, or
// are left out and the others made to sum to 1.
func (a axis) kernel(first, n int, repeat bool, weight func(k int) float64) taps {
	from, to := min(max(first, 0), a.in-1), min(max(first+n, 1), a.in)
	t := taps{from, make([]float32, to-from)}
	sum := 0.0
	for k := range n {
		x := first + k
		if !repeat && (x < from || x >= to) {
			continue
		}
		w := weight(k)
		sum += w
		t.weights[min(max(x, from), to-1)-from] += float32(w)
	}
	if math.Abs(sum) < 1e-6 {
		return t
	}
	for k := range t.weights {
		t.weights[k] /= float32(sum)
	}
	return t
}

// cubic is Keys's kernel.
func cubic(x, a float64) float64 {
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a
	}
	return 0
}

// lanczos is the sinc function windowed by its own middle.
func lanczos(x, lobes float64) float64 {
	switch x = math.Abs(x); {
	case x > lobes:
		return 0
	case x <= 1e-3:
		return 1
	}
	return lobes * math.Sin(math.Pi*x) * math.Sin(math.Pi*x/lobes) / (math.Pi * math.Pi * x * x)
}
