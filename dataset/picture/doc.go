// Package picture turns a picture's bytes into what the network is fed.
//
//	bytes --Decode--> image.Image --Recipe.Apply--> [3,Size,Size] float32      (Recipe.Load does both)
//
// Decode reads JPEG, PNG, GIF, BMP, WebP and TIFF by their first bytes, under limits on bytes and
// pixels, and never panics. A Recipe is stored in every model: the one path from bytes to tensor
// for training, prediction, evaluation, serving and benchmarks. A tensor is planar, channels R, G,
// B, rows from the top, float32. Augment makes altered views of a picture for training.
//
// How close the pixels are to other software's, measured on the pictures of many libraries' test
// suites: lossless formats are equal to Pillow's; JPEG differs by at most 4 of 255 and 0.03 on
// average (another inverse cosine transform; chroma is interpolated and converted exactly as
// libjpeg does), WebP by at most 1. On equal pixels "bilinear", "bicubic" and "lanczos" differ from
// Pillow's filters, and so from torchvision's of PIL pictures, by at most 2 and by 0.006 on
// average; "nearest" picks a neighbour where a centre falls between two pixels; "tf1-bilinear" is
// TensorFlow 1's own arithmetic to the last bit; the resizes of other tools, see Resizes, are
// within a level of theirs. docs/pictures.md lists what is read of each format.
//
// Everything here is safe for concurrent use.
package picture
