//go:build !linux || (!amd64 && !arm64)

package kernels

import "testing"

func newBoard(t testing.TB) board { return &interpreted{TB: t} }
