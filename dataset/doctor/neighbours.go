package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/c236555e/rehead/internal/par"
)

// space is bottlenecks, standardised as they are needed.
type space struct {
	rows  [][]float32
	items []int // the item of each row
	at    []int // the row of each item, -1 for none
	mean  []float32
	scale []float32 // 1/spread; 0 for a feature that never changes
	norm  []float64
}

func newSpace(bottlenecks [][]float32) (*space, error) {
	s := &space{at: make([]int, len(bottlenecks))}
	features := 0
	for i, v := range bottlenecks {
		s.at[i] = -1
		if v == nil {
			continue
		}
		if features == 0 {
			features = len(v)
		}
		if len(v) != features || features == 0 {
			return nil, fmt.Errorf("dataset: refine: bottleneck %d has %d values, want %d as the others", i, len(v), features)
		}
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return nil, fmt.Errorf("dataset: refine: bottleneck %d has a value that is not finite", i)
			}
		}
		s.at[i] = len(s.rows)
		s.rows, s.items = append(s.rows, v), append(s.items, i)
	}
	sum, square := make([]float64, features), make([]float64, features)
	for _, v := range s.rows {
		for k, x := range v {
			sum[k] += float64(x)
		}
	}
	n := float64(len(s.rows))
	for _, v := range s.rows {
		for k, x := range v {
			d := float64(x) - sum[k]/n
			square[k] += d * d
		}
	}
	s.mean, s.scale = make([]float32, features), make([]float32, features)
	for k := range sum {
		s.mean[k] = float32(sum[k] / n)
		if spread := math.Sqrt(square[k] / n); spread > 1e-6 {
			s.scale[k] = float32(1 / spread)
		}
	}
	s.norm = make([]float64, len(s.rows))
	for a := range s.rows {
		s.norm[a] = math.Sqrt(s.dot(a, a))
	}
	return s, nil
}

func (s *space) dot(a, b int) float64 {
	va, vb, mean, scale := s.rows[a], s.rows[b], s.mean, s.scale
	vb, mean, scale = vb[:len(va)], mean[:len(va)], scale[:len(va)]
	sum := 0.0
	for k, x := range va {
		m, w := mean[k], scale[k]
		sum += float64((x - m) * w * ((vb[k] - m) * w))
	}
	return sum
}

// cosine of two rows, standardised.
func (s *space) cosine(a, b int) float64 {
	if n := s.norm[a] * s.norm[b]; n > 0 {
		return s.dot(a, b) / n
	}
	return 0
}

// neighbour is a row near another.
type neighbour struct {
	row    int
	cosine float64
}

const (
	exactly   = 1024 // rows up to which no projection is needed
	projected = 192  // dimensions of it
	blockRows = 128
)

// nearest finds the k rows nearest to each, nearest first.
func (s *space) nearest(ctx context.Context, k, workers int) ([][]neighbour, error) {
	n := len(s.rows)
	k = min(k, n-1)
	candidates, matrix := k, blas32.General{}
	if n <= exactly {
		matrix = s.standardised()
	} else {
		matrix, candidates = s.project(projected, workers), min(n-1, 4*k)
	}
	out := make([][]neighbour, n)
	all := make([][]float32, workers)
	err := par.Each(ctx, workers, (n+blockRows-1)/blockRows, func(worker, i int) error {
		from, to := i*blockRows, min((i+1)*blockRows, n)
		block := blas32.General{Rows: to - from, Cols: matrix.Cols, Stride: matrix.Stride,
			Data: matrix.Data[from*matrix.Stride : to*matrix.Stride]}
		if all[worker] == nil {
			all[worker] = make([]float32, blockRows*n)
		}
		scores := blas32.General{Rows: to - from, Cols: n, Stride: n, Data: all[worker]}
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, block, matrix, 0, scores)
		for a := from; a < to; a++ {
			out[a] = s.rank(a, k, largest(scores.Data[(a-from)*n:(a-from+1)*n], a, candidates))
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(errors.New("dataset: refine: stopped"), err)
	}
	return out, nil
}

// rank orders candidates by their true cosine and keeps k.
func (s *space) rank(a, k int, rows []int) []neighbour {
	out := make([]neighbour, len(rows))
	for i, b := range rows {
		out[i] = neighbour{b, s.cosine(a, b)}
	}
	slices.SortFunc(out, func(x, y neighbour) int {
		if c := cmp.Compare(y.cosine, x.cosine); c != 0 {
			return c
		}
		return x.row - y.row
	})
	return out[:min(k, len(out))]
}

// largest returns the places of the k largest scores, but for one, in any order.
func largest(scores []float32, but, k int) []int {
	heap := make([]int, 0, k) // the least of them first
	less := func(i, j int) bool { return scores[heap[i]] < scores[heap[j]] }
	down := func(i int) {
		for {
			c := 2*i + 1
			if c >= len(heap) {
				return
			}
			if c+1 < len(heap) && less(c+1, c) {
				c++
			}
			if !less(c, i) {
				return
			}
			heap[i], heap[c] = heap[c], heap[i]
			i = c
		}
	}
	for at, v := range scores {
		switch {
		case at == but:
		case len(heap) < k:
			if heap = append(heap, at); len(heap) == k {
				for i := k/2 - 1; i >= 0; i-- {
					down(i)
				}
			}
		case k > 0 && v > scores[heap[0]]:
			heap[0] = at
			down(0)
		}
	}
	return heap
}

// standardised is every row, of length one.
func (s *space) standardised() blas32.General {
	n, features := len(s.rows), len(s.mean)
	m := blas32.General{Rows: n, Cols: features, Stride: features, Data: make([]float32, n*features)}
	for a, v := range s.rows {
		s.standardise(m.Data[a*features:(a+1)*features], a, v)
	}
	return m
}

func (s *space) standardise(dst []float32, a int, v []float32) {
	inverse := float32(0)
	if s.norm[a] > 0 {
		inverse = float32(1 / s.norm[a])
	}
	for k, x := range v {
		dst[k] = (x - s.mean[k]) * s.scale[k] * inverse
	}
}

// project maps every standardised row to dims dimensions by random signs, which keeps angles up to
// about 1/sqrt(dims).
func (s *space) project(dims, workers int) blas32.General {
	n, features := len(s.rows), len(s.mean)
	rng := rand.New(rand.NewPCG(1, 2))
	signs := blas32.General{Rows: dims, Cols: features, Stride: features, Data: make([]float32, dims*features)}
	for i := range signs.Data {
		signs.Data[i] = float32(2*int(rng.Uint64()>>63) - 1)
	}
	m := blas32.General{Rows: n, Cols: dims, Stride: dims, Data: make([]float32, n*dims)}
	par.Do(workers, (n+blockRows-1)/blockRows, func(i int) {
		from, to := i*blockRows, min((i+1)*blockRows, n)
		buf := make([]float32, blockRows*features)
		for a := from; a < to; a++ {
			s.standardise(buf[(a-from)*features:(a-from+1)*features], a, s.rows[a])
		}
		block := blas32.General{Rows: to - from, Cols: features, Stride: features, Data: buf}
		part := blas32.General{Rows: to - from, Cols: dims, Stride: dims, Data: m.Data[from*dims : to*dims]}
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, block, signs, 0, part)
	})
	for a := range n { // to length one again
		row := m.Data[a*dims : (a+1)*dims]
		sum := 0.0
		for _, x := range row {
			sum += float64(x) * float64(x)
		}
		if sum > 0 {
			inverse := float32(1 / math.Sqrt(sum))
			for i := range row {
				row[i] *= inverse
			}
		}
	}
	return m
}
