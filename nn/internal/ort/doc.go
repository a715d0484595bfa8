// Package ort runs networks with ONNX Runtime: its shared library is opened at run time and called
// through the C API's table of functions, without cgo and without its headers.
//
// A [Library] is opened once and stays; its [Session] holds a network on one execution provider. What
// a session reads and writes lies in memory of the library's, so nothing of Go's is kept by it. The
// functions' places in the table never change from version to version; the library is asked for the
// newest version that both sides know.
//
// Every call's status is checked; a failure is an [*Error] with the library's own words. On anything
// but Linux and macOS on amd64 and arm64, [Open] says so. The CPU provider is tested with the library
// itself; of CUDA and TensorRT, whose options are set here too, nothing has met a GPU yet.
//
// A Library and a Session are safe for concurrent use; runs of one session take turns.
package ort
