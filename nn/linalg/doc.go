// Package linalg has the dense linear algebra that solving for a head takes: products of matrices
// and the Cholesky factorisation, in float32 and float64, and products with the same rows over and
// over (Rows), on the kernels of nn.
//
// Matrices are row-major views of slices. Sums are in the type of the result: of a float64 result of
// float32 factors each product is exact. The order of all sums depends on nothing but the sizes, so
// the number of threads changes no bit of a result.
//
// Functions may be called concurrently on different data; they use the goroutines that they are told
// to, and wait for all of them before they return.
package linalg
