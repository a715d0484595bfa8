//go:build !linux || (!amd64 && !arm64)

package cu

import "errors"

// A Driver is libcuda, opened and initialised: never here.
type Driver struct{}

// Open says that there is no driver for this system.
func Open(...string) (*Driver, error) {
	return nil, errors.New("cuda: GPUs are found on Linux on amd64 and arm64 only; use --device cpu")
}

// Version is the newest CUDA that the driver knows.
func (*Driver) Version() string { return "" }

// Count returns the number of GPUs.
func (*Driver) Count() (int, error) { return 0, nil }

// Info describes the GPU of that ordinal.
func (*Driver) Info(int) (Info, error) { return Info{}, nil }
