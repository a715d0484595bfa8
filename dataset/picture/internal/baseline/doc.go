// Package baseline decodes the JPEGs that cameras and websites mostly write to
// the very planes that image/jpeg makes of them, in a third of its time.
//
// These are pictures of ITU-T T.81's baseline process, or of its extended one
// with 8 bits a sample, with one grey component, or three of YCbCr in one scan.
// [Decode] says no to every other picture, and to every one with anything odd in
// it: a marker that it does not know, a code that is in no table, data that end
// too early or too late. The caller then asks image/jpeg, which alone says what
// is an error and which. So this package knows no error of its own, and a picture
// has the same pixels, and the same fault, with it as without it.
//
// The inverse DCT is image/jpeg's fixed-point variant of Loeffler, Ligtenberg and
// Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications", ICASSP
// 1989. Its integers make one result on every machine; for amd64 with AVX2 it
// exists as assembly too, which the generator in internal/_generate writes:
//
//	go generate ./dataset/picture/internal/baseline
//
// Tests hold it to image/jpeg on drawn and damaged pictures, and a fuzz target on
// whatever the fuzzer finds. A change of image/jpeg's arithmetic in a later Go
// fails them.
package baseline
