// Package nn builds neural networks as Gorgonia expression graphs of its own
// operators and runs them two ways.
//
// A graph is made of leaves ([Input], [Param]) and operators ([Conv2D],
// [BatchNorm], [BatchNormTraining], [ReLU], [MaxPool], [AvgPool], [GlobalAvgPool], [Concat],
// [Dense], [Softmax], [CrossEntropy], [BinaryCrossEntropy]) put together by
// [Apply], which checks every shape. An operator is a plain struct of its
// configuration. The same graph then goes to
//
//   - a [Machine], Gorgonia's tape machine: slow, plain, the reference; or
//   - a [Program], compiled by [Compile] for a device: fused, planned, parallel.
//
// [HeadGraph] is the graph that trains a head, gradients included. A [Config]
// says what a Program runs on: "cpu", or a device that registers itself when its
// package is imported, such as nn/cuda.
//
// # Layout
//
// Everything is float32 and row-major. Images are [N,C,H,W]: batch, channel,
// row, column; vectors [N,F]. Convolution weights are [O,I,KH,KW], dense
// weights [K,F].
//
// # Concurrency
//
// A graph is built by one goroutine. Afterwards it is only read, and any number
// of Machines and Programs may be made of it. A Program may be used by many
// goroutines at once, as may a Machine and a HeadGraph; calls wait for each
// other. Parameters are shared with the caller, never copied by a
// graph or a Machine, and must not change while one of them runs.
package nn
