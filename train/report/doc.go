// Package report writes what a training or an evaluation found as one HTML file, and its charts as
// SVG or PNG. It shows what its Input holds and computes little itself: the map of the bottlenecks,
// the most similar training pictures, activation maps of the mistakes.
//
// The layout: input.go is what it gets and report.go the page, filled into the files of template/.
// A section has a file: learning.go, calibration.go, confusion.go, classes.go, multilabel.go,
// findings.go (mistakes, suspects, duplicates), activation.go, map.go, facts.go. chart.go draws in
// the page, plots.go files of their own through internal/plot.
//
// HTML and Plots are safe for concurrent use; the same input gives the same bytes.
package report
