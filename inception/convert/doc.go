// Package convert turns the InceptionV3 files that people already have into inception.Weights,
// without Python and without running anything that a file contains.
//
// A file's kind is told by its first bytes (a checkpoint's by its last), never by its name; which
// flavour of the network it holds by what is in it, which Options.Flavor overrides. For every
// format the way is the same: a reader lists the file's tensors (the packages below internal), a
// mapper says which of them belong to which of the network's 94 convolutions (torchvision.go,
// keras.go, slim.go by name; match.go by a graph's edges, which programs.go, openvino.go and
// coreml.go have as ONNX has them), and assemble folds batch norm in
// float64, reorders axes to [O,I,H,W], checks every shape and value, and names the tensor and its
// offset in the file when one is wrong.
//
// A tensor that is missing, mis-shaped, not finite, unknown, there twice or over another's bytes is
// an error; only what every published file has and inference does not use is passed over: the
// auxiliary classifier, PyTorch's batch counters, and what optimizers keep beside a variable.
//
// What a file says of the recipe is little: converted weights have their flavour's, except that a
// published file has its authors' (Options.Official) and that Options.Mean, Std and Size change it.
//
// Memory: the result (about 90 MB at width 1) plus one tensor; files are read in pieces, and no
// file can ask for more than a small multiple of its length. All functions are safe for concurrent
// use.
package convert
