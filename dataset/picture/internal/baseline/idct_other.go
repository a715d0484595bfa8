//go:build !amd64

package baseline

var best transform = plainTransform
