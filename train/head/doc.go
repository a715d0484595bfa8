// Package head fits the last layer of a classifier: a softmax, or sigmoids where an example has any
// number of labels, on the bottlenecks of a frozen trunk, or on any other matrix.
//
// # The head
//
// With bottlenecks z = (x - mean) * scale, mean and scale being those of the examples (see
// Scaling), Fit minimises
//
//	L(W, b) = 1/n sum_i v_i H(t_i, softmax(W z_i + b)) + L2/2 |W|^2
//
// H being the cross entropy with the targets t_i and v_i the weight of example i. By default it
// does so by L-BFGS from W = 0 and the bias of how frequent labels are. L is strictly convex in W for
// L2 > 0, so that there is one answer, and it is found when L is proven to be at most
// Options.Tolerance of it above its least value: the proof is the duality gap, computed in float64.
// On the way there products are in float32 as long as those can tell anything, and of large problems in
// bfloat16 where the processor is faster with that. Solvers of
// small steps take loss and gradient from the Gorgonia graph of nn.HeadGraph, which is what the rest
// is held to. Mean and scale are then folded into W and b in float64: the head takes plain
// bottlenecks.
//
// # Layout
//
//	config.go      what can be chosen; minibatch.go: of sgd, momentum, adam and retrain
//	fit.go         Fit and its Solution; sgd.go: small steps
//	solve.go       the way to the optimum and when it is reached; lbfgs.go, linesearch.go, vector.go
//	search.go      L2 and scaling by cross-validation
//	examples.go    rows and labels; targets.go: what is asked of them; scale.go: their scaling
//	objective.go   loss and gradient in chunks; residual.go: of one row; rough.go: by bfloat16
//	space.go       more features than examples
//	exact.go       the same in float64, and how far from the optimum that is; bias.go: the best bias
//	stream.go      more rows than memory: FitStream and its passes; streamstart.go: the first of them and
//	               the sample; streampass.go: the others; surrogate.go: the sample's loss in their place;
//	               streamstate.go: memory and checkpoints
//	logits.go      what a head says; calibrate.go: temperature and thresholds
//	checkpoint.go  a stopped fit goes on; progress.go: what it tells on the way
//
// # Concurrency
//
// Fit and Logits use several goroutines and wait for all of them before they return. The number of
// threads changes no bit of a result.
package head
