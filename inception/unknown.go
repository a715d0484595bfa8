package inception

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/safetensors"
)

// Unknown is the line below which a picture is taken to be of none of the labels. A picture's score is
// UnknownScore, less Weight times its Model.Distance.
type Unknown struct {
	Threshold float64 `json:"threshold"` // of the score: pictures below it are unknown
	// share of known pictures, 0..1, that the line was to reject when it was drawn
	FalseReject float64 `json:"false_reject"`
	// what the distance from the training pictures counts, above 0; 0 (models of older versions): nothing
	Weight float64 `json:"distance_weight,omitempty"`
}

// UnknownScore says how much a picture is of any label at all: ln sum exp(logit) (the negative
// energy of Liu et al., "Energy-based Out-of-distribution Detection", 2020), from logits [K] that
// no temperature has divided.
func UnknownScore(logits []float64) float64 {
	top := math.Inf(-1)
	for _, z := range logits {
		top = max(top, z)
	}
	sum := 0.0
	for _, z := range logits {
		sum += math.Exp(z - top)
	}
	return top + math.Log(sum)
}

// Distance tells how far what the head reads of a picture lies from the training pictures of a label:
// the square of the Mahalanobis distance from their mean, up to a factor, with one covariance for all
// labels that is known in its largest directions and the same in all others (Lee et al., "A Simple
// Unified Framework for Detecting Out-of-Distribution Samples", 2018, with a spiked covariance).
type Distance struct {
	Features   int
	Means      []float32 // [K,F]
	Directions []float32 // [Q,F], orthonormal
	Shares     []float32 // [Q]: how much of the square along each direction does not count, 0..1
}

// Of is the distance of row [F] from label, infinite for what it does not have: another label or length.
func (d *Distance) Of(label int, row []float32) float64 {
	if d == nil || d.Features < 1 || len(row) != d.Features || label < 0 || label >= len(d.Means)/d.Features ||
		len(d.Directions) != len(d.Shares)*d.Features {
		return math.Inf(1)
	}
	f := d.Features
	mean := d.Means[label*f : (label+1)*f]
	gap, sum := make([]float64, f), 0.0
	for i, v := range row {
		gap[i] = float64(v) - float64(mean[i])
		sum += gap[i] * gap[i]
	}
	for q, share := range d.Shares {
		dot := 0.0
		for i, v := range d.Directions[q*f : (q+1)*f] {
			dot += float64(v) * gap[i]
		}
		sum -= float64(share) * dot * dot
	}
	return sum
}

// Score is the score of a picture with these logits [K], of which the head read row [F]; a nil d is no
// distance.
func (u *Unknown) Score(d *Distance, logits []float64, row []float32) float64 {
	score := UnknownScore(logits)
	if u != nil && u.Weight > 0 && d != nil {
		best := 0
		for l, z := range logits {
			if z > logits[best] {
				best = l
			}
		}
		score -= u.Weight * d.Of(best, row)
	}
	return score
}

// unknown answers nil where there is no line.
func (m *Model) unknown(logits []float64, row []float32) *bool {
	if m.Unknown == nil {
		return nil
	}
	yes := !(m.Unknown.Score(m.Distance, logits, row) >= m.Unknown.Threshold)
	return &yes
}

func (u *Unknown) validate(m *Model) error {
	switch {
	case u == nil && m.Distance != nil:
		return fmt.Errorf("inception: model: unknown: got distances without a line")
	case u == nil:
		return nil
	case math.IsNaN(u.Threshold) || math.IsInf(u.Threshold, 0):
		return fmt.Errorf("inception: model: unknown: the threshold is %g, want a finite number", u.Threshold)
	case !(u.FalseReject > 0 && u.FalseReject < 1):
		return fmt.Errorf("inception: model: unknown: the share of false rejects is %g, want more than 0 and less than 1",
			u.FalseReject)
	case !(u.Weight >= 0 && u.Weight <= math.MaxFloat32):
		return fmt.Errorf("inception: model: unknown: the distance counts %g, want a finite number, 0 or more", u.Weight)
	case u.Weight > 0 != (m.Distance != nil):
		return fmt.Errorf("inception: model: unknown: the distance counts %g, and there are distances: %t", u.Weight,
			m.Distance != nil)
	}
	return m.Distance.validate(&m.Head)
}

// maxDirections bounds the directions of a Distance.
const maxDirections = 1024

func (d *Distance) validate(h *Head) error {
	if d == nil {
		return nil
	}
	if q := len(d.Shares); !h.Linear() || d.Features != h.Features || len(d.Means) != h.Classes*h.Features ||
		q > maxDirections || len(d.Directions) != q*h.Features {
		return fmt.Errorf("inception: model: distance: got %d features, %d means and %d directions of %d values, want those "+
			"of a linear head of %d classes and %d features", d.Features, len(d.Means), q, len(d.Directions), h.Classes,
			h.Features)
	}
	for _, values := range [][]float32{d.Means, d.Directions, d.Shares} {
		if i := safetensors.NotFinite(values); i >= 0 {
			return fmt.Errorf("inception: model: distance: value %d is not finite", i)
		}
	}
	return nil
}

const distanceFormat = "rehead-distance/1"

// files is the file of the distances, if there are any.
func (d *Distance) files() []outFile {
	if d == nil {
		return nil
	}
	return []outFile{{distanceFile, d.encode}}
}

func (d *Distance) encode(w io.Writer) error {
	f := d.Features
	return safetensors.Write(w, map[string]string{"format": distanceFormat}, []safetensors.Tensor{
		{Name: "means", DType: safetensors.F16, Shape: []int{len(d.Means) / f, f}, Values: d.Means},
		{Name: "directions", DType: safetensors.F16, Shape: []int{len(d.Shares), f}, Values: d.Directions},
		{Name: "shares", DType: safetensors.F32, Shape: []int{len(d.Shares)}, Values: d.Shares},
	})
}

func (m *Model) takeDistance(name string, data []byte) error {
	f, err := openTensors(name, data, distanceFormat, 3)
	if err != nil {
		return err
	}
	shares, ok := f.Lookup("shares")
	if !ok || len(shares.Shape) != 1 || shares.Shape[0] > maxDirections {
		return &FormatError{File: name, Tensor: "shares", Offset: -1, Reason: "is missing or no list: train again"}
	}
	q, d := shares.Shape[0], &Distance{Features: m.Head.Features}
	for _, t := range []struct {
		name  string
		dtype safetensors.DType
		shape []int
		to    *[]float32
	}{{"means", safetensors.F16, []int{m.Head.Classes, d.Features}, &d.Means},
		{"directions", safetensors.F16, []int{q, d.Features}, &d.Directions},
		{"shares", safetensors.F32, []int{q}, &d.Shares}} {
		info, ok := f.Lookup(t.name)
		if !ok || info.DType != t.dtype || !slices.Equal(info.Shape, t.shape) {
			return &FormatError{File: name, Tensor: t.name, Offset: -1,
				Reason: fmt.Sprintf("got %s %v, want %s %v: train again", info.DType, info.Shape, t.dtype, t.shape)}
		}
		n := 1
		for _, s := range t.shape {
			n *= s
		}
		*t.to = make([]float32, n)
		if err := f.Float32(info, *t.to, nil); err != nil {
			return err
		}
	}
	m.Distance = d
	return nil
}

// NewDistance takes a distance with its values as a saved model has them, in float16's precision. It
// keeps what it is given.
func NewDistance(features int, means, directions, shares []float32) *Distance {
	for _, values := range [][]float32{means, directions} {
		for i, v := range values {
			h, _ := safetensors.Half(v) // what is too large is not finite, and refused
			values[i] = safetensors.FromHalf(h)
		}
	}
	return &Distance{features, means, directions, shares}
}
