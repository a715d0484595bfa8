package report

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// mostDiscriminated is how many labels linear discriminants are computed of: beyond, principal
// components take their place.
const mostDiscriminated = 200

// plane lays pictures out by what the head says of them: by the linear discriminants of the logits
// (R. A. Fisher, 1936), the directions in which labels are apart the most for how much each spreads.
// Of two labels there is one such direction, and the other one is that in which bottlenecks differ
// most. Where pictures have any number of labels, or there are too many labels, it is by the
// principal components of the logits.
func (in *Input) plane(at []int) (xy [][2]float64, axes [2]axis) {
	k := len(in.Labels)
	logits, rows, labels := make([][]float32, len(at)), make([][]float32, len(at)), make([]int, len(at))
	for j, i := range at {
		rows[j], labels[j], logits[j] = in.Rows[i], in.Items[i].Label, make([]float32, k)
		mean := 0.0
		for _, z := range in.Logits[i*k : (i+1)*k] {
			mean += z / float64(k)
		}
		for l, z := range in.Logits[i*k : (i+1)*k] {
			if logits[j][l] = float32(z); !in.MultiLabel { // softmax does not see what all logits share
				logits[j][l] = float32(z - mean)
			}
		}
	}
	if k == 2 && !in.MultiLabel {
		xy, shares := principal(rows)
		spread, wide := 0.0, 0.0
		for j := range xy {
			spread, wide = max(spread, math.Abs(float64(logits[j][1]))), max(wide, math.Abs(xy[j][0]))
		}
		for j := range xy { // up: the bottlenecks' direction, on the scale of the logits
			xy[j] = [2]float64{float64(logits[j][1]), xy[j][0] / max(wide, 1e-30) * spread}
		}
		return xy, [2]axis{{"the logit of " + in.Labels[1], 0},
			{"the first principal component of the bottlenecks, of the variance", shares[0]}}
	}
	if !in.MultiLabel && k <= mostDiscriminated {
		if xy, shares, ok := discriminants(logits, labels, k); ok {
			return xy, [2]axis{{"the first linear discriminant of the logits, of what sets the labels apart", shares[0]},
				{"the second", shares[1]}}
		}
	}
	xy, shares := principal(logits)
	return xy, [2]axis{{"the first principal component of the logits, of the variance", shares[0]},
		{"the second", shares[1]}}
}

// scatter is how labels spread: within each, and their means.
func scatter(rows [][]float32, labels []int, k int) (within, between *mat.SymDense, mean []float64) {
	f := len(rows[0])
	means, counts := make([][]float64, k), make([]float64, k)
	mean = make([]float64, f)
	for i, row := range rows {
		l := labels[i]
		if means[l] == nil {
			means[l] = make([]float64, f)
		}
		counts[l]++
		for j, v := range row {
			means[l][j] += float64(v)
			mean[j] += float64(v) / float64(len(rows))
		}
	}
	within, between = mat.NewSymDense(f, nil), mat.NewSymDense(f, nil)
	d := mat.NewVecDense(f, nil)
	for l, m := range means {
		for j := range m {
			m[j] /= counts[l]
			d.SetVec(j, m[j]-mean[j])
		}
		if m != nil {
			between.SymRankOne(between, counts[l], d)
		}
	}
	for i, row := range rows {
		for j, v := range row {
			d.SetVec(j, float64(v)-means[labels[i]][j])
		}
		within.SymRankOne(within, 1, d)
	}
	return within, between, mean
}

// discriminants returns the first two linear discriminants of the rows and their shares of what all of
// them hold. It is not ok where labels do not spread. Signs are as principal's.
func discriminants(rows [][]float32, labels []int, k int) (xy [][2]float64, shares [2]float64, ok bool) {
	f := len(rows[0])
	within, between, mean := scatter(rows, labels, k)
	ridge := 1e-3*mat.Trace(within)/float64(f) + 1e-12*mat.Trace(between)
	for j := range f {
		within.SetSym(j, j, within.At(j, j)+ridge)
	}
	var root mat.Cholesky
	if !(ridge > 0) || !root.Factorize(within) {
		return nil, shares, false
	}
	var lower mat.TriDense
	root.LTo(&lower)
	var half, whole mat.Dense
	if half.Solve(&lower, between) != nil || whole.Solve(&lower, half.T()) != nil {
		return nil, shares, false
	}
	symmetric := mat.NewSymDense(f, nil)
	for i := range f {
		for j := i; j < f; j++ {
			symmetric.SetSym(i, j, (whole.At(i, j)+whole.At(j, i))/2)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(symmetric, true) {
		return nil, shares, false
	}
	var vectors, weights mat.Dense
	eigen.VectorsTo(&vectors)
	if weights.Solve(lower.T(), &vectors) != nil {
		return nil, shares, false
	}
	values, total := eigen.Values(nil), 0.0
	for _, v := range values {
		total += max(v, 0)
	}
	xy = make([][2]float64, len(rows))
	for d := range min(2, f) {
		at := f - 1 - d // values ascend
		shares[d] = max(values[at], 0) / max(total, 1e-300)
		sign := signOf(&weights, at)
		for i, row := range rows {
			for j, v := range row {
				xy[i][d] += sign * weights.At(j, at) * (float64(v) - mean[j])
			}
		}
	}
	return xy, shares, true
}

// signOf is what makes the weight that is largest by magnitude positive.
func signOf(weights mat.Matrix, column int) float64 {
	sign, most := 1.0, 0.0
	rows, _ := weights.Dims()
	for j := range rows {
		if w := weights.At(j, column); math.Abs(w) > most {
			most, sign = math.Abs(w), math.Copysign(1, w)
		}
	}
	return sign
}

// How principal finds its directions: see Halko, Martinsson and Tropp, "Finding Structure with
// Randomness", 2011.
const (
	principalExtra  = 8  // directions beyond the two wanted
	principalRounds = 10 // of power iteration
)

// principal returns the first two principal components of the rows and their shares of the
// variance. The weight that is largest by magnitude is positive on each axis, so that the signs are
// always the same.
func principal(rows [][]float32) (xy [][2]float64, shares [2]float64) {
	n, f := len(rows), len(rows[0])
	xy = make([][2]float64, n)
	x := mat.NewDense(n, f, nil)
	mean := make([]float64, f)
	for _, row := range rows {
		for j, v := range row {
			mean[j] += float64(v) / float64(n)
		}
	}
	total := 0.0
	for i, row := range rows {
		to := x.RawRowView(i)
		for j, v := range row {
			to[j] = float64(v) - mean[j]
			total += to[j] * to[j]
		}
	}
	if !(total > 0) {
		return xy, shares
	}
	k := min(n, f, 2+principalExtra)
	rng := rand.New(rand.NewPCG(1, 2)) // where it starts does not matter, but has to be the same
	q := mat.NewDense(f, k, nil)
	for j := range f {
		for c := range k {
			q.Set(j, c, rng.NormFloat64())
		}
	}
	var y, back mat.Dense
	for range principalRounds {
		y.Mul(x, q)
		back.Mul(x.T(), &y)
		basis, ok := orthonormal(&back)
		if !ok {
			return xy, shares
		}
		q = basis
	}
	y.Mul(x, q) // [n,k]
	var svd mat.SVD
	if !svd.Factorize(&y, mat.SVDThin) {
		return xy, shares
	}
	var v, weights, at mat.Dense
	svd.VTo(&v)
	weights.Mul(q, &v) // [f,k]
	at.Mul(&y, &v)     // [n,k]
	values := svd.Values(nil)
	for d := range min(2, k) {
		shares[d] = values[d] * values[d] / total
		sign := signOf(&weights, d)
		for i := range n {
			xy[i][d] = sign * at.At(i, d)
		}
	}
	return xy, shares
}

// orthonormal returns an orthonormal basis that spans the columns.
func orthonormal(a *mat.Dense) (*mat.Dense, bool) {
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		return nil, false
	}
	var u mat.Dense
	svd.UTo(&u)
	return &u, true
}
