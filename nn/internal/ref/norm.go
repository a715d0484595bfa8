package ref

import "math"

// BatchMoments returns the mean and the variance of each channel of x [N,C,H,W] over images and pixels; the
// variance divides by their number.
func BatchMoments[T Float](x []T, s Image) (mean, variance []float64) {
	mean, variance = make([]float64, s.C), make([]float64, s.C)
	area := s.H * s.W
	count := float64(s.N * area)
	for i, v := range x {
		mean[i/area%s.C] += float64(v) / count
	}
	for i, v := range x {
		c := i / area % s.C
		d := float64(v) - mean[c]
		variance[c] += d * d / count
	}
	return mean, variance
}

// BatchNormTraining is BatchNorm with the moments of x itself, which it returns; p's own are not read.
func BatchNormTraining[T Float](dst, x []T, s Image, p Norm[T]) (mean, variance []float64) {
	mean, variance = BatchMoments(x, s)
	area := s.H * s.W
	for i, v := range x {
		c := i / area % s.C
		dst[i] = T((float64(v)-mean[c])/math.Sqrt(variance[c]+p.Eps)*float64(p.Gamma[c]) + float64(p.Beta[c]))
	}
	return mean, variance
}

// normSums returns the moments of x, and the mean over images and pixels of grad and of grad times the
// normalised x.
func normSums[T Float](grad, x []T, s Image, eps float64) (mean, spread, first, second []float64) {
	mean, spread = BatchMoments(x, s)
	for c, v := range spread {
		spread[c] = math.Sqrt(v + eps)
	}
	first, second = make([]float64, s.C), make([]float64, s.C)
	area := s.H * s.W
	count := float64(s.N * area)
	for i, g := range grad {
		c := i / area % s.C
		first[c] += float64(g) / count
		second[c] += float64(g) * (float64(x[i]) - mean[c]) / spread[c] / count
	}
	return mean, spread, first, second
}

// BatchNormGradX is the gradient by x of BatchNormTraining, x's moments included. Of p, Gamma and Eps count.
func BatchNormGradX[T Float](dst, grad, x []T, s Image, p Norm[T]) {
	mean, spread, first, second := normSums(grad, x, s, p.Eps)
	area := s.H * s.W
	for i, g := range grad {
		c := i / area % s.C
		normal := (float64(x[i]) - mean[c]) / spread[c]
		dst[i] = T(float64(p.Gamma[c]) / spread[c] * (float64(g) - first[c] - normal*second[c]))
	}
}

// BatchNormGradGamma is the gradient by gamma of BatchNormTraining, [C].
func BatchNormGradGamma[T Float](dst, grad, x []T, s Image, eps float64) {
	_, _, _, second := normSums(grad, x, s, eps)
	for c, v := range second {
		dst[c] = T(v * float64(s.N*s.H*s.W))
	}
}
