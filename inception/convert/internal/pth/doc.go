// Package pth lists the tensors of a file that torch.save wrote: the ZIP form (PyTorch 1.6 and
// later: data.pkl and one raw file for each storage) and the stream form before it (a row of
// pickles, then the storages).
//
// The pickle inside is read by package pickle, which runs nothing; the names it may use are the few
// that a state dict needs (see names.go). Values stay in the file until a tensor's Load is called.
// Strides and storage offsets are honoured, so views and transposed tensors come out as torch would
// print them.
package pth
