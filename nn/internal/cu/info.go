package cu

// Info describes a GPU.
type Info struct {
	Ordinal      int
	Name         string // such as "NVIDIA H200"
	Major, Minor int    // compute capability
	SMs          int    // multiprocessors
	Memory       uint64 // bytes
}
