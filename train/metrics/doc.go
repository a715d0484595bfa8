// Package metrics measures a classifier: accuracy with its interval, log loss, confusion, precision
// and recall of each label, ROC-AUC, calibration, and what there is besides where pictures have any
// number of labels. It looks at logits alone: Predictions.Measure computes everything.
//
// The layout: metrics.go has the numbers and how they come about, json.go their JSON, multilabel.go
// sets of labels, rank.go top-k and AUC, averages.go what puts an accuracy in its place, recall.go
// what of an evaluation the model had seen, calibration.go the calibration error and the
// reliability diagram, wilson.go the interval of a share, accuracy.go the accuracy that is asked
// for, and findings.go what a training adds: suspected labels, outliers, unknown pictures.
//
// Values are plain data; functions that only read them are safe for concurrent use.
package metrics
