// Package embedded holds a small trunk in the binary, so that transfer learning works with no
// download: a narrow InceptionV3 made from the published one by pruning and least squares.
// README.md beside it says what it learned from, how it was made and what it reaches; narrow.py
// makes it again.
//
// All functions are safe for concurrent use.
package embedded
