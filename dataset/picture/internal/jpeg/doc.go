// Package jpeg decodes JPEGs of 8 bits a sample that are coded with Huffman codes: those of ITU-T
// T.81's baseline, extended and progressive processes, with one, three or four components of any
// sampling. What image/jpeg reads has image/jpeg's pixels to the last bit, in a third of its time.
//
// It reads what libjpeg reads of a file that has every pixel: bytes between segments, restart
// markers that are late, tables that are left out because they are the standard's, no marker at the
// end. A picture of which pixels are missing is an error, since half a picture looks like another.
//
// Chroma that image.YCbCr has a ratio for is left as it is. Every other sampling is enlarged here
// as libjpeg does by default: what was halved with a triangle, the rest by repeating.
//
// The inverse DCT is image/jpeg's fixed-point variant of Loeffler, Ligtenberg and Moschytz,
// "Practical fast 1-D DCT algorithms with 11 multiplications", ICASSP 1989. Its integers make one
// result on every machine; for amd64 with AVX2 it exists as assembly too, which the generator in
// _generate, a module of its own, writes:
//
//	go generate ./dataset/picture/internal/jpeg
//
// Tests hold it to image/jpeg on drawn and damaged pictures, and a fuzz target on whatever the
// fuzzer finds. A change of image/jpeg's arithmetic in a later Go fails them.
package jpeg
