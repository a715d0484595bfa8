// Package matrix trains a classifier on a labelled matrix, whole: the features of any network, or any
// other numbers, a row for each example.
//
//	Data --Fit--> Result: Classifier, Metrics
//	rows --Classifier.Classify--> ranked labels with probabilities
//
// Fit deals the rows to parts, searches for L2 where that is asked for, solves for the head, fits its
// temperature (and thresholds, where a row has several labels) on rows that the head has not seen, and
// measures it on the test part. It is to a matrix what package train is to a folder of pictures, with
// the same solver (package head), splits (package dataset) and measures (package metrics).
//
// A Classifier is saved as one safetensors file: weight [K,F] and bias [K] in float32, the rest in its
// metadata. Where its rows are bottlenecks of an InceptionV3, Classifier.Model makes a model of it that
// answers for pictures.
//
// Rows are only read. A Classifier is not changed after it is made and safe for concurrent use.
package matrix
