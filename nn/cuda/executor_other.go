//go:build !linux || (!amd64 && !arm64)

package cuda

import (
	"errors"

	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
)

var errElsewhere = errors.New("cuda: GPUs are driven on Linux on amd64 and arm64 only; use --device cpu")

func compile(*cu.Driver, *ir.Net, int, device.Config) (device.Executor, error) {
	return nil, errElsewhere
}

func regress(*cu.Driver, device.Examples, int) (device.Regression, error) { return nil, errElsewhere }
