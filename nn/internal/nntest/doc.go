// Package nntest is the suite that everything which runs a graph of package nn
// passes: the tape machine, the CPU's kernels, and every other device. A new
// device's test is one line:
//
//	nntest.TestProgram(t, nn.Config{Device: "cuda"}, nntest.Float32)
//
// The graphs are small; their sizes never coincide (height, width, channels and
// kernel all differ), so that no two can be confused. What is expected is
// computed beside each graph while it is built, in float64, by the reference
// kernels, so that walking, fusing and planning the graph are tested too.
//
// Layout: images are [N,C,H,W], row-major. The functions here are called from
// a test's own goroutine.
package nntest
