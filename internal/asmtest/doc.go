// Package asmtest is the tests that hold all assembly of this repository to the generator that
// writes it, internal/_generate, and to a disassembler.
package asmtest
