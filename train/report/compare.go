package report

import "github.com/c236555e/rehead/train/metrics"

// Compare is the page of two models, by their names, on the same pictures; what is what was found in
// a sentence.
func Compare(nameA, nameB, what string, p metrics.Paired) ([]byte, error) {
	return guarded("compare", func() ([]byte, error) {
		return fill("compare.html", struct {
			NameA, NameB, What string
			metrics.Paired
		}{nameA, nameB, what, p})
	})
}
