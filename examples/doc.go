// Package examples holds whole programs that use the library: each file is one, runs in the tests in a
// folder where photos has three label folders and new.jpg is one more picture, and prints what its
// Output says. docs/library.md counts their lines beside other libraries' programs.
package examples
