// Package dataset turns files into what the network is fed, and remembers what came of it.
//
//	bytes --Decode--> image.Image --Recipe.Apply--> [3,Size,Size] float32      (Recipe.Load does both)
//	folder --Scan--> Folder --Split--> train, validation, test    (ReadManifest for lists, Join for parts of their own, Folds for k parts)
//	Folder --Check--> Checkup, --Refine (with bottlenecks)--> near duplicates, doubtful labels
//	SHA-256 of the bytes --Cache--> bottleneck                    (Augment.CacheSum for altered views of a picture)
//
// Decode reads JPEG, PNG, GIF, BMP, WebP and TIFF by their first bytes, under limits on bytes and
// pixels, and never panics. A Recipe is stored in every model: the one path from bytes to tensor
// for training, prediction, evaluation, serving and benchmarks. A tensor is planar, channels R, G,
// B, rows from the top, float32.
//
// How close the pixels are to other software's, measured on the pictures of many libraries' test
// suites: lossless formats are equal to Pillow's; JPEG differs by at most 4 of 255 and 0.03 on
// average (another inverse cosine transform; chroma is interpolated and converted exactly as
// libjpeg does), WebP by at most 1. On equal pixels "bilinear", "bicubic" and "lanczos" differ from
// Pillow's filters, and so from torchvision's of PIL pictures, by at most 2 and by 0.006 on
// average; "nearest" picks a neighbour where a centre falls between two pixels; "tf1-bilinear" is
// TensorFlow 1's own arithmetic to the last bit.
//
// Functions and methods are safe for concurrent use, unless their comments say otherwise: Recipe
// and Cache are, a Folder while it is only read, an NPYWriter and a Checkup are not. Nothing is
// logged; what is left out of a Folder is listed in its Problems.
package dataset
