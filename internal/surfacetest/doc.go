// Package surfacetest calls every exported function of the library with what no caller should give
// it: its test is the whole of it.
package surfacetest
