// Package check holds the manifests beside it to the types of Kubernetes and of KServe, and to this server's
// own routes and flags. It is a module of its own, which `.ci/manifests` runs: the library needs none of it.
package check
