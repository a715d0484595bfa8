// Package softmax computes the softmax of rows of logits in float32, in AVX2 where the processor has
// it and else in plain Go, to the same bits.
//
// Rows are as long as a multiple of Lanes; what is beyond the last label has a bias of Pad, which
// makes its probability 0. Functions may be called concurrently on different rows.
package softmax
