// Package raw is what every reader of foreign weight files hands on: tensors known by name, shape
// and element type, whose values still lie in the file.
//
// A Tensor is a promise, not a copy. Its values are read when Float32s is called, in pieces of
// bounded size, so a reader can list a file of any size in a few kilobytes and a converter holds
// one tensor at a time. Readers check that the values fit the file before they make the promise; a
// Tensor therefore never allocates more than a small multiple of the bytes that back it.
//
// Values are row-major in the order of Shape, for every layout in the file. Tensors may be read
// from several goroutines when the underlying io.ReaderAt allows it; a Cursor belongs to one
// goroutine.
package raw
