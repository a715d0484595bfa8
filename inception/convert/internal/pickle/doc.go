// Package pickle reads Python pickles as data and runs nothing.
//
// A pickle is a program for a small stack machine that may name any function of the Python
// installation and call it; that is how a hostile file runs commands. Here a name stands for
// something only if the caller's Config lists it, and what it stands for is a Go function over
// plain values. A name that is not listed ends the reading with an error that spells it. Memory is
// bounded by the length of the pickle: every instruction makes at most one value, and strings are
// copied only after their length was checked against what is left.
//
// The values are Go's: nil, bool, int64, *big.Int, float64, string, []byte, Tuple, *List, *Dict,
// Set, *Object, and what the listed functions return. Shared and cyclic references stay shared, so a
// walk over the result must bound its own depth.
package pickle
