// Package convert turns the InceptionV3 files that people already have into inception.Weights, without Python and
// without running anything that a file contains.
//
// A file's kind is told by its first bytes, never by its name; which flavour of the network it holds by what is in
// it (see detect.go), which Options.Flavor overrides. Whatever the format, the way is the same: a reader lists the
// file's tensors (package raw and the reader packages below this one), a mapper says which of them belong to which of
// the network's 94 convolutions (torchvision.go and its neighbours), and assemble folds batch norm in float64, reorders
// axes to [O,I,H,W], checks every shape and value, and names the tensor and its offset in the file when one is wrong.
//
// A tensor that is missing, mis-shaped, not finite or unknown is an error, except those that every published file has
// and inference does not use: the auxiliary classifier and the batch counters of PyTorch.
//
// Memory: the result (about 90 MB at width 1) plus one tensor; files are read in pieces. All functions are safe for
// concurrent use.
package convert
