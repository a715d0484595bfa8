// Package bottleneck says which bottlenecks belong together, wherever they are kept: those of one trunk,
// of pictures prepared in one way, of one length and of one arithmetic.
package bottleneck
