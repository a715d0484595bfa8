package train

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn/linalg"
)

const (
	distanceDirections = 64       // directions in which the covariance is known
	distanceRows       = 4000     // pictures that it is taken from, at most
	distancePasses     = 5        // of the iteration that finds the directions
	distanceShrink     = 0.5      // of the mean variance is added to that in every direction
	distanceMeans      = 32 << 20 // values of the means, at most: more labels have no distance
)

// fitDistance takes the distances from training rows of labels 0..k-1: each label's mean, and of the
// covariance around them the largest directions, by orthogonal iteration. It is nil where means would
// take too much.
func fitDistance(ctx context.Context, rows [][]float32, labels []int, k, threads int) (*inception.Distance, error) {
	f := len(rows[0])
	if k*f > distanceMeans {
		return nil, nil
	}
	means := labelMeans(rows, labels, k)
	step := (len(rows) + distanceRows - 1) / distanceRows
	n := (len(rows) + step - 1) / step
	around, total := make([]float32, n*f), 0.0
	for r := range n {
		row, mean := rows[r*step], means[labels[r*step]*f:]
		for i, v := range row {
			around[r*f+i] = v - mean[i]
			total += float64(v-mean[i]) * float64(v-mean[i])
		}
	}
	q := min(distanceDirections, n/2, f/2)
	directions := make([]float64, q*f)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range directions {
		directions[i] = rng.NormFloat64()
	}
	orthonormal(directions, f)
	x, product := linalg.New(around, n, f), linalg.Product{Threads: threads}
	var along []float64 // [n,Q]
	for range distancePasses {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		along = make([]float64, n*q)
		if err := linalg.AddProduct(linalg.New(along, n, q), x, linalg.New(directions, q, f),
			linalg.Product{TransposeB: true, Threads: threads}); err != nil {
			return nil, fmt.Errorf("train: distance: %w", err)
		}
		clear(directions)
		product.TransposeA = true
		if err := linalg.AddProduct(linalg.New(directions, q, f), linalg.New(along, n, q), x, product); err != nil {
			return nil, fmt.Errorf("train: distance: %w", err)
		}
		orthonormal(directions, f)
	}
	narrow := make([]float32, len(directions))
	for i, v := range directions {
		narrow[i] = float32(v)
	}
	return inception.NewDistance(f, means, narrow, shares(along, q, total/float64(n)/float64(f))), nil
}

// labelMeans are the means of the rows of each label, [K,F].
func labelMeans(rows [][]float32, labels []int, k int) []float32 {
	f := len(rows[0])
	sums, count := make([]float64, k*f), make([]float64, k)
	for r, row := range rows {
		l := labels[r]
		count[l]++
		for i, v := range row {
			sums[l*f+i] += float64(v)
		}
	}
	out := make([]float32, k*f)
	for i, s := range sums {
		out[i] = float32(s / max(count[i/f], 1))
	}
	return out
}

// shares are how much of a square along each direction does not count: what the variance there, of
// along [n,Q], has of itself and of the rest, which is what is left of the mean variance and what is
// added to it.
func shares(along []float64, q int, mean float64) []float32 {
	n, out := len(along)/max(q, 1), make([]float32, q)
	for c := range out {
		variance := 0.0
		for r := range n {
			variance += along[r*q+c] * along[r*q+c] / float64(n)
		}
		out[c] = float32(variance / max(variance+(1+distanceShrink)*mean, math.SmallestNonzeroFloat64))
	}
	return out
}

// orthonormal makes the rows of f values orthogonal to each other and of length 1, by Gram and
// Schmidt, twice for rounding; a row that has nothing of its own becomes 0.
func orthonormal(rows []float64, f int) {
	for r := 0; r < len(rows); r += f {
		row := rows[r : r+f]
		for range 2 {
			for s := 0; s < r; s += f {
				dot := 0.0
				for i, v := range rows[s : s+f] {
					dot += v * row[i]
				}
				for i, v := range rows[s : s+f] {
					row[i] -= dot * v
				}
			}
			length := 0.0
			for _, v := range row {
				length += v * v
			}
			length = math.Sqrt(length)
			for i := range row {
				row[i] /= max(length, 1e-30)
			}
		}
	}
}

// middle is the width of the middle two thirds of some values.
func middle(values []float64) float64 {
	s := slices.SortedFunc(slices.Values(values), cmp.Compare[float64])
	return s[(len(s)-1)*84/100] - s[(len(s)-1)*16/100]
}
