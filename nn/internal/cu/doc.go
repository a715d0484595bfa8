// Package cu drives NVIDIA GPUs through the CUDA driver API, libcuda.so.1,
// without cgo and without a toolkit: the library, part of the driver that every
// machine with such a GPU has, is opened at run time.
//
// Every call's result is checked; a failure is an [*Error] that names the call
// and the driver's own word for it. On anything but Linux on amd64 and arm64,
// [Open] says so. Nothing here has met a GPU yet: the tests run it against a
// library of the same name that they compile, and against package cutest.
//
// A Driver is safe for concurrent use.
package cu
