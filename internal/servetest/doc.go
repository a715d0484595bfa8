// Package servetest holds the checks of SageMaker's container contract, and of the Open Inference
// Protocol beside it, that can be made from outside, over HTTP alone. The same list is run against
// a server in the test's own process and against a container that was built and started: see
// docs/contract.md for the items.
//
// A [Subject] is one running server in one [Mode]; [Run] makes every check of that mode. Checks
// only send requests, so that they run in any order; those of [Multi] load and unload the models
// that they use.
package servetest
