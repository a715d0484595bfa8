// Package ptx runs NVIDIA's PTX, as a compiler wrote it, on the CPU and watches what it does: for
// tests of kernels on machines without a GPU. Nothing but tests imports it.
//
// A [Module] is parsed text. A launch runs block by block; a block's warps run in turns between
// barriers, the 32 threads of a warp together where they are at one place and the ones furthest
// behind first where they are not. Only the forms of instructions that the kernels of nn/cuda
// consist of are known; any other is an error of [Parse].
//
// What a launch finds wrong is a [*Fault] that names the block, the thread and the instruction:
//
//   - an access outside of every allocation (they lie far apart), or not aligned;
//   - a word of global memory that two threads of a launch store to, or that one stores to and
//     another loads: nothing orders the blocks of a launch;
//   - a word of shared memory that is read before anything was written to it, or while cp.async is
//     still on its way to it, which is until the thread's own wait; it reads as NaN until then;
//   - a word of shared memory that one thread writes and another reads or writes without a barrier
//     between them;
//   - a barrier, a shuffle, ldmatrix or mma that not all of a warp's threads reach together;
//   - a kernel that does not end.
//
// Fresh memory holds bytes of 0xFF, a NaN in every format. Arithmetic is IEEE's with one rounding,
// fused where PTX says so, and without flushing; a mma's sum is rounded once, where hardware drops
// more, and ex2.approx is exact: kernels must not depend on either.
//
// A [Memory] and the launches on it belong to one goroutine at a time.
package ptx
