// Package engine runs a compiled network on the CPU.
//
// [Compile] turns an [ir.Net] into an [Executor]: it picks a kernel for every
// step, packs the weights, writes branches straight into their slice of the
// concatenation, moves an average pool behind the 1x1 convolution that follows
// it (which then pools fewer channels), and lays all activations out in one
// arena by the time during which they are needed.
//
// The steps are grouped into regions: those of one region do not depend on each
// other. A [Executor.Run] goes through the regions in order and splits each into
// units, which the caller's goroutine and a fixed team of others take in turn.
// What a unit computes depends on nothing but the image, so results are the same
// bit for bit for every batch and number of threads. Runs on one Executor
// exclude each other, as each of them uses all its threads; a steady state
// allocates nothing.
package engine
