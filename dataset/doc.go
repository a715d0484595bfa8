// Package dataset turns files into what the network is fed: it decodes pictures, applies a model's recipe, reads folders of
// label folders, splits them, and keeps bottlenecks on disk.
package dataset
