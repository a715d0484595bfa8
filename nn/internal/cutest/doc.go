// Package cutest is a driver for GPUs to test against: the calls of libcuda that package cu makes, as
// C functions that lead back into Go, with the interpreter of package ptx behind them. What runs on
// it is the program's own code and the program's own kernels; only the machine is another.
//
// It is hostile where the real one may be: work is done at no time before its stream is synchronised,
// copies too, so that what they read may have changed by then; fresh and freed memory holds numbers
// that are none; a call from a thread without a context fails; a kernel that does something wrong
// (see package ptx) takes its GPU with it. What was never given back, [Driver.Leaks] lists.
//
// One Driver is in use at a time, as C functions know no receiver: tests with one do not run in
// parallel.
package cutest
