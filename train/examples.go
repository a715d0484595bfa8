package train

// Examples are labelled bottlenecks.
type Examples struct {
	Rows    [][]float32 // [n][F], only read
	Labels  []int       // [n], each in 0..Classes-1
	Classes int
}
