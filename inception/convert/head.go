package convert

import (
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/inception"
)

// simplify takes apart what follows the bottleneck: its last activation, and a single dense layer
// with a softmax, or with nothing behind it, which is a plain classifier.
func (src *source) simplify() {
	if src.headErr != nil || len(src.links) == 0 {
		src.links = nil
		return
	}
	src.activation = inception.Softmax
	last := len(src.links) - 1
	switch src.links[last].kind {
	case linkSoftmax:
		src.links, src.ended = src.links[:last], true
	case inception.LayerSigmoid:
		src.links, src.activation, src.ended = src.links[:last], inception.Sigmoid, true
	default:
		if src.bare != nil {
			src.bareLinks, src.links, src.headErr = src.links, nil, src.bare
			return
		}
	}
	for len(src.links) > 0 && src.links[0].kind == inception.LayerReLU {
		src.links = src.links[1:] // nothing that is read of the last block is negative
	}
	dense := 0
	for _, l := range src.links {
		switch l.kind {
		case linkSoftmax:
			src.links, src.headErr = nil, fmt.Errorf("its softmax %q is not the last layer", l.node.Name)
			return
		case inception.LayerDense:
			dense++
			src.head = l.node
		}
	}
	switch {
	case dense == 0:
		src.links, src.headErr = nil, errors.New("has no dense layer behind the global pool")
	default:
		src.plain()
	}
}

// plain makes a head of one dense layer and a softmax the file's classifier.
func (src *source) plain() {
	if len(src.links) == 1 && src.activation == inception.Softmax && src.reads == readsMean {
		src.fc, src.links = src.links[0].dense, nil
	}
}

// classes is the number of rows of the plain classifier, 0 without one.
func (src *source) classes() int {
	if src.fc == nil || src.fc.weight.Len() == 0 {
		return 0
	}
	return src.fc.rows()
}

// outputs is the number of classes of whatever head there is.
func (src *source) outputs() int {
	for i := len(src.links) - 1; i >= 0; i-- {
		if l := src.links[i]; l.kind == inception.LayerDense && l.dense.weight.Len() > 0 {
			return l.dense.rows()
		}
	}
	return src.classes()
}

// rows is the number of a dense layer's units.
func (c *classifier) rows() int {
	if c.bias != nil {
		return c.bias.Len()
	}
	s := c.weight.Shape
	if c.transposed {
		return s[len(s)-1]
	}
	return s[0]
}

// chain reads a head that is more than a plain classifier.
func (src *source) chain(features int, reads *inception.Features) (*inception.Head, error) {
	h := &inception.Head{Features: features, Activation: src.activation}
	width := features
	order := src.channelsLast(features, reads)
	summed := src.reads == readsSum // layers up to the first dense one are of the sum
	if summed {
		width /= 2
	}
	for _, l := range src.links {
		layer := inception.HeadLayer{Kind: l.kind, Alpha: l.alpha}
		switch l.kind {
		case inception.LayerDense:
			w, b, err := l.dense.read(width)
			if err != nil {
				return nil, err
			}
			if summed {
				w, summed = halves(w, width), false
			}
			for from := 0; order != nil && from < len(w); from += width {
				copy(w[from:], reordered(w[from:from+width], order))
			}
			layer.W, layer.B, layer.Units, order = w, b, len(b), nil
			width = len(b)
			h.Before = append(h.Before, layer)
			mergeScale(h)
			continue
		case inception.LayerScale:
			scale, shift, err := l.scaled(width, order)
			if err != nil {
				return nil, err
			}
			if summed {
				scale, shift = append(scale, scale...), append(shift, make([]float64, width)...)
			}
			addScale(h, scale, shift)
			continue
		case inception.LayerPReLU:
			var err error
			if layer.W, err = slopesOf(l.slope, width); err != nil {
				return nil, fmt.Errorf("%v: %w", l.node, err)
			}
			layer.W = reordered(layer.W, order)
		}
		if summed {
			return nil, fmt.Errorf("%v reads the sum of the average and the maximum of its last block: want a dense layer",
				l.node)
		}
		h.Before = append(h.Before, layer)
	}
	last := len(h.Before) - 1
	if last < 0 || h.Before[last].Kind != inception.LayerDense {
		return nil, errors.New("its head ends in a layer that rehead cannot take for probabilities: " +
			"want a dense layer, then " +
			"softmax or sigmoid")
	}
	h.W, h.B, h.Classes = h.Before[last].W, h.Before[last].B, h.Before[last].Units
	if h.Before = h.Before[:last]; len(h.Before) == 0 {
		h.Before = nil
	}
	return h, h.Validate()
}

// scaled are the factors and the terms of a layer that scales, in the order of the features; a nil order is theirs.
func (l *link) scaled(width int, order []int) (scale, shift []float64, err error) {
	scale, shift = make([]float64, width), make([]float64, width)
	for i := range scale {
		scale[i] = 1
	}
	if err := l.scale.put(scale, shift); err != nil {
		return nil, nil, fmt.Errorf("%v: %w", l.node, err)
	}
	return reordered(scale, order), reordered(shift, order), nil
}

// halves are weights [units,width] beside themselves, [units,2 width]: what is multiplied with a sum is multiplied
// with each of its terms.
func halves(w []float32, width int) []float32 {
	out := make([]float32, 0, 2*len(w))
	for from := 0; from < len(w); from += width {
		row := w[from : from+width]
		out = append(append(out, row...), row...)
	}
	return out
}

// slopesOf reads the slopes of a PReLU, one for all or one a value.
func slopesOf(t *tensor, width int) ([]float32, error) {
	n := t.Len()
	if n != 1 && n != width {
		return nil, tensorError(*t, "has shape %v, want one slope or %d", t.Shape, width)
	}
	v, err := finite(*t)
	if err == nil && n == 1 {
		v = slices.Repeat(v, width)
	}
	return v, err
}

// addScale puts y = scale x + shift behind the layers: into the last one where that is dense.
func addScale(h *inception.Head, scale, shift []float64) {
	n := len(h.Before)
	if n == 0 || h.Before[n-1].Kind != inception.LayerDense && h.Before[n-1].Kind != inception.LayerScale {
		one := make([]float32, len(scale))
		for i := range one {
			one[i] = 1
		}
		h.Before = append(h.Before, inception.HeadLayer{Kind: inception.LayerScale, W: one, B: make([]float32, len(scale))})
		n++
	}
	l := &h.Before[n-1]
	l.W, l.B = slices.Clone(l.W), slices.Clone(l.B)
	per := len(l.W) / len(scale)
	for k, s := range scale {
		for i := range per {
			l.W[k*per+i] = float32(float64(l.W[k*per+i]) * s)
		}
		l.B[k] = float32(float64(l.B[k])*s + shift[k])
	}
}

// mergeScale puts a scale that stands in front of the last layer, which is dense, into it.
func mergeScale(h *inception.Head) {
	n := len(h.Before)
	if n < 2 || h.Before[n-2].Kind != inception.LayerScale {
		return
	}
	s, d := h.Before[n-2], h.Before[n-1]
	width := len(s.W)
	w, b := make([]float32, len(d.W)), make([]float32, len(d.B))
	for k := range b {
		sum := float64(d.B[k])
		for i := range width {
			v := float64(d.W[k*width+i])
			sum += v * float64(s.B[i])
			w[k*width+i] = float32(v * float64(s.W[i]))
		}
		b[k] = float32(sum)
	}
	d.W, d.B = w, b
	h.Before = append(h.Before[:n-2], d)
}

// read returns a dense layer's weights [K,F] and biases [K].
func (c *classifier) read(f int) (w, b []float32, err error) {
	var dims []int
	for i, d := range c.weight.Shape {
		if d != 1 || i == 0 && !c.transposed || i == len(c.weight.Shape)-1 && c.transposed {
			dims = append(dims, d)
		}
	}
	if len(dims) == 2 && c.transposed {
		dims[0], dims[1] = dims[1], dims[0]
	}
	if len(dims) != 2 || dims[1] != f || dims[0] < 1 {
		return nil, nil, tensorError(c.weight, "has shape %v, want a dense layer that reads %d features", c.weight.Shape, f)
	}
	if w, err = finite(c.weight); err != nil {
		return nil, nil, err
	}
	k := dims[0]
	if c.transposed {
		t := make([]float32, len(w))
		for i := range f {
			for j := range k {
				t[j*f+i] = w[i*k+j]
			}
		}
		w = t
	}
	b = make([]float32, k)
	if c.bias != nil {
		b, err = vector(c.bias, k)
	}
	return w, b, err
}
