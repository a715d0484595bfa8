// Package registry knows the official InceptionV3 weight files and keeps a store of converted ones.
//
// Pull downloads a file over HTTPS (or takes it from a mirror or a folder), resumes what an earlier
// attempt left, checks the digest its publisher gave, converts it and stores the result under the
// SHA-256 of its contents. A file appears under its final name only when it is whole and checked.
// Which folder the store is in, the caller says: nothing here reads the environment, except that
// the default HTTP transport honours the usual proxy variables.
//
// A Store may be used by several goroutines and processes; of two that pull the same set at once
// the second is told so.
package registry
