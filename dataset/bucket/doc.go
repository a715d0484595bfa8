// Package bucket reads and writes object stores, whose clients lie in rooms of their own, such as
// bucket/s3.
//
// A Bucket is what such a client gives: pages of a listing, parts of objects, objects that appear
// whole. No client makes a body whole that ends too early, and where a proxy packs it anew a short
// one may end without any error: OpenRange counts bytes and goes on where they end, under the ETag
// that they began with, and Fetch compares what came with what was listed. A Store is a
// source.Store over buckets, in which a prefix is a folder. All is safe for concurrent use, but for
// single readers and uploads.
package bucket
