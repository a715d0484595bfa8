//go:build !linux && !darwin

package kernel

func hasBFloat16() bool { return false }
