package ort

// Provider is what computes within ONNX Runtime.
type Provider string

// The providers.
const (
	CPU      Provider = "cpu"
	CUDA     Provider = "cuda"
	TensorRT Provider = "tensorrt"
)

// library is the provider's name in GetAvailableProviders.
func (p Provider) library() string {
	switch p {
	case CUDA:
		return "CUDAExecutionProvider"
	case TensorRT:
		return "TensorrtExecutionProvider"
	}
	return "CPUExecutionProvider"
}

// memory is the name of the host's memory that the provider copies from and to fastest.
func (p Provider) memory() string {
	if p == CPU {
		return hostMemory
	}
	return "CudaPinned"
}

const hostMemory = "Cpu"

// Options says how a session computes.
type Options struct {
	Provider Provider
	Unit     int         // which GPU, from 0
	Threads  int         // of the CPU provider, the caller's among them; at least 1
	TF32     bool        // of CUDA: convolutions may round their factors to 11 bits
	Half     bool        // the network is one of float16, which TensorRT wants to be told
	MaxBatch int         // TensorRT builds its engine for batches of 1 to so many
	CUDA     [][2]string // further options of the CUDA provider, names and values; they have the last word
	Input    Tensor
	Outputs  []Tensor
}

// Tensor is an input or an output of a network, of float32: [N, Shape...].
type Tensor struct {
	Name  string
	Shape []int
}

// size is the number of values of one image.
func (t Tensor) size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}
