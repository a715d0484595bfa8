// Package avif adds AVIF to the formats that dataset/picture reads.
//
//	if err := avif.Register(); err != nil { ... }
//
// Register is there in builds with the tag nodynamic, by which the decoder, libavif with aom
// compiled to WebAssembly, never loads such a library of the system instead. It makes a program
// larger by 5 MB.
//
// The container is read here: size and orientation are known, and held against the limits, before
// the decoder runs. Of a damaged or hostile file it may take more memory (4 GiB at most, in a memory
// of its own) and time than the size that it claims, and it cannot be stopped: Decode ends with its
// context and leaves it behind, two at most. So Register is not for servers that strangers reach.
//
// Functions are safe for concurrent use.
package avif
