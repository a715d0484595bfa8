// Package report writes what a training or an evaluation found as one HTML file, and its charts as
// SVG or PNG. It shows what its Input holds and computes little itself: the map of the pictures, the
// most similar training pictures, activation maps of the mistakes.
//
// The layout: input.go is what it gets, report.go gathers the page as data, html.go fills the files of
// template/ with it, keep.go encodes it for the model that keeps it, index.go lists several runs. A
// section has a file: title.go, balance.go, classes.go, confusion.go, curves.go, calibration.go,
// multilabel.go, findings.go (mistakes, suspects), duplicates.go, activation.go, examples.go, map.go
// with project.go, learning.go, table.go, facts.go. chart.go draws in the page, plots.go files of their
// own through internal/plot.
//
// Make, Plots and what a Page does are safe for concurrent use; the same input gives the same bytes.
package report
