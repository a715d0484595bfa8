// Package train makes a classifier from a folder of labelled pictures: bottlenecks from a frozen
// trunk, and a softmax head on them that is solved to convergence.
//
// # The way of a run
//
// Run checks the whole plan first (labels, split, how many pictures each class has in each part),
// hashes every picture, embeds those whose bottleneck is not in the cache yet, and fits the head:
//
//	pictures -> SHA-256 -> cache, or trunk -> bottlenecks [n,F] -> FitHead -> inception.Head -> Metrics
//
// Nothing is skipped silently: a picture that cannot be read is set aside with its reason and
// counted.
//
// # The head
//
// With bottlenecks z = (x - mean) * scale, mean and scale being those of the training part (see
// Scaling), the head minimises
//
//	L(W, b) = 1/n sum_i -log softmax(W z_i + b)[y_i] + L2/2 |W|^2
//
// by L-BFGS from W = 0, b = 0; loss and gradient come from the Gorgonia graph of nn.HeadGraph. L is
// strictly convex in W for L2 > 0, so that there is one answer, and it is found when the largest
// component of the gradient is at most FitConfig.Tolerance. Mean and scale are then folded into W
// and b in float64: the head of the model takes plain bottlenecks.
//
// # Determinism
//
// The same pictures, weights, settings and kernel give the same bytes in the model, whatever the
// number of threads: examples are summed in chunks of a fixed size, in their order.
//
// # Concurrency
//
// Run, Evaluate and FitHead use several goroutines and wait for all of them before they return.
// Progress is called from one goroutine at a time. Two runs may share one cache folder.
package train
