//go:build !amd64

package jpeg

var best transform = plainTransform
