// Package cache keeps on disk what was computed from pictures.
//
// A Store is an append-only file of records of one length, found by the SHA-256 of a picture's
// bytes, safe against crashes and shared by processes. Bottlenecks lie on it, and so does what the
// doctor saw.
package cache
