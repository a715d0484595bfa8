// Package train makes a classifier from a folder of labelled pictures: bottlenecks from a frozen
// trunk, and a softmax head on them that is solved to convergence.
//
// # The way of a run
//
// Run checks the whole plan first (labels, split, how many pictures each class has in each part),
// hashes every picture, embeds those whose bottleneck is not in the cache yet, fits the head,
// measures it and looks for wrong labels:
//
//	pictures -> SHA-256 -> cache, or trunk -> bottlenecks [n,F] -> head.Fit -> inception.Model
//	                                                             -> metrics -> report
//
// Evaluate goes the same way with a head that is there, Embed ends with the cache, and EmbedChecked
// serves the checks of a data set. Nothing is skipped silently: a picture that cannot be read is
// set aside with its reason and counted.
//
// # Layout
//
// Below are head (examples, loss, solvers, search, checkpoints), metrics, and report, which draws
// what it is given: none of them imports this package, nor do head and metrics import each other.
// The files here follow the way of a run:
//
//	config.go       what can be set
//	run.go          Run, its steps and its result; evaluate.go: Evaluate
//	precheck.go     reading and checking pictures; split.go: keeping equal ones in one part
//	bottlenecks.go  cache or trunk, the one way; views.go: of altered views; embedcache.go: Embed
//	precision.go    the trunk's precision; calibration of an int8 trunk
//	solve.go        the head: warmstart.go, settings.go; crossval.go: its temperature's answers
//	labelerrors.go  doubtful labels and outliers; unknown.go: the line below which a picture is
//	                unknown; neighbours.go: training pictures that the model keeps,
//	                remember.go: which pictures it was made with
//	learning.go     the solver's way, for the report; report.go: Report and Plots
//
// # Determinism
//
// The same pictures, weights, settings and kernel give the same bytes in the model for any number
// of threads: examples are summed in chunks of a fixed size, in their order.
//
// # Concurrency
//
// Run, Evaluate and Embed use several goroutines and wait for all of them before they return.
// Progress is called from one goroutine at a time. Two runs may share one cache folder.
package train
